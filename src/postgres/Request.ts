import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DatabaseError } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import type { CommandKind } from "../model/Run.js"
import { RunStatus } from "../model/Status.js"
import type { Transaction } from "../store/Transactor.js"
import type { RequestOutcome } from "../store/TriggerStore.js"
import { run } from "./Execution.js"
import { decodeGuaranteed, rowDecoder } from "./Rows.js"
import { shownStatus } from "./RunReads.js"
import { anyRow, qualifier, type SchemaName, statementsOf, unapplied } from "./Statement.js"

const requestStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    look: statement(
      "request.look",
      `
      select
        r.run_id as "runId", r.status, ${shownStatus(s)} as shown,
        ${anyRow(`${s}.run_commands m where m.run_id = r.run_id and m.kind = $2 and ${unapplied("m")}`)} as waiting
      from ${s}.run_state r where r.run_id = $1`
    ),
    insert: statement(
      "request.insert",
      `insert into ${s}.run_commands (run_id, kind) values ($1, $2) on conflict do nothing`
    )
  }
}

const decodeLook = rowDecoder(
  "run_state",
  Schema.Struct({ runId: Schema.String, status: RunStatus, shown: RunStatus, waiting: Schema.Boolean }),
  ["runId"]
)

/** The verb `request`. */
export const makeRequest = (schema: SchemaName) => {
  const statements = requestStatements(schema)
  return (
    runId: RunId,
    kind: CommandKind,
    admits: ReadonlyArray<RunStatus>
  ): Effect.Effect<RequestOutcome, DatabaseError, Transaction> =>
    Effect.gen(function* () {
      const rows = yield* run(statements.look, [runId, kind])
      const [found] = yield* decodeGuaranteed("request", decodeLook, rows)
      if (found === undefined) return { _tag: "RunNotFound" }
      const requested: RequestOutcome = {
        _tag: "Requested",
        status: kind === "cancel" && admits.includes(found.status) ? "cancelling" : found.shown
      }
      if (found.waiting) return requested
      if (!admits.includes(found.shown)) return { _tag: "Refused", status: found.shown }
      yield* run(statements.insert, [runId, kind])
      return requested
    })
}
