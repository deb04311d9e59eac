import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { RunId } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import { RunStatus } from "../model/Status.js"
import { Parked, type UnparkOutcome } from "../store/Parked.js"
import { run, runCounted } from "./Execution.js"
import { makeHold } from "./Leases.js"
import { decodeGuaranteed, rowDecoder } from "./Rows.js"
import { anyRow, defaultSchema, qualifier, type SchemaName, statementsOf } from "./Statement.js"

const unparkStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  const ran = "(n.status <> 'scheduled' or n.attempt > 1 or n.crashes > 0)"
  return {
    lock: statement(
      "unpark.lock",
      `select r.run_id as "runId", r.status from ${s}.run_state r where r.run_id = $1 for no key update`
    ),
    forgive: statement(
      "unpark.forgive",
      `
      with written as (
        update ${s}.run_node_state n set crashes = ${Limits.crashesBeforeAlone}
        where n.run_id = $1 and n.status in ('scheduled', 'running', 'suspended') and n.crashes > ${Limits.crashesBeforeAlone}
        returning 1
      )
      select count(*)::int4 as count from written`
    ),
    // A cancel that was applied before still holds. Where nothing ever ran, the run is as it was started.
    unpark: statement(
      "unpark",
      `
      update ${s}.run_state r
      set ready = true, reason = null, updated_at = ${s}.clock(),
        status = case
          when ${anyRow(`${s}.run_commands m where m.run_id = r.run_id and m.kind = 'cancel' and m.status = 'applied'`)}
          then 'cancelling'
          when ${anyRow(`${s}.firings n where n.run_id = r.run_id and ${ran}`)} then 'recovering'
          else 'pending'
        end
      where r.run_id = $1
      returning r.run_id as "runId", r.status`
    )
  }
}

const decodeStatus = rowDecoder("run_state", Schema.Struct({ runId: Schema.String, status: RunStatus }), ["runId"])

const make = (schema: SchemaName) => {
  const statements = unparkStatements(schema)
  const { unhold } = makeHold(schema)
  const unpark = (runId: RunId) =>
    Effect.gen(function* () {
      const [found] = yield* decodeGuaranteed("unpark", decodeStatus, yield* run(statements.lock, [runId]))
      if (found === undefined) return { _tag: "RunNotFound" } satisfies UnparkOutcome
      if (found.status !== "parked") return { _tag: "Refused", status: found.status } satisfies UnparkOutcome
      yield* runCounted(statements.forgive, [runId])
      const [now] = yield* decodeGuaranteed("unpark", decodeStatus, yield* run(statements.unpark, [runId]))
      yield* unhold([runId])
      return { _tag: "Unparked", status: now?.status ?? "pending" } satisfies UnparkOutcome
    })
  return Parked.of({ unpark })
}

/** Parked runs, in PostgreSQL. */
export const layer = (schema: SchemaName = defaultSchema): Layer.Layer<Parked> => Layer.sync(Parked, () => make(schema))
