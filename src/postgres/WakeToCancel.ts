import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DatabaseError } from "../model/Errors.js"
import { Parent } from "../model/Frontier.js"
import { RunId } from "../model/Ids.js"
import type { CancelledRun } from "../store/StateStore.js"
import type { Transaction } from "../store/Transactor.js"
import { textArray } from "./Arrays.js"
import { run } from "./Execution.js"
import { makeHold } from "./Leases.js"
import { anyFirings, makeOpenFirings } from "./OpenFirings.js"
import { decodeGuaranteed, rowDecoder } from "./Rows.js"
import { isNew, qualifier, type SchemaName, statementsOf } from "./Statement.js"

const decodeWoken = rowDecoder(
  "run_state",
  Schema.Struct({ runId: RunId, fence: Schema.Int, version: Schema.Int, parent: Schema.NullOr(Parent) }),
  ["runId"]
)

/** The verb `wakeToCancel`. */
export const makeWakeToCancel = (schema: SchemaName) => {
  const s = qualifier(schema)
  const statement = statementsOf(schema)(
    "cancelUnheld.wake",
    `
    with found as (
      select r.run_id from ${s}.run_state r
      where r.run_id = any($1::text[]) and r.status = 'parked' and r.frontier ? 'undo'
        and exists (
          select from ${s}.run_commands m where m.run_id = r.run_id and m.kind = 'cancel' and ${isNew("m")}
        )
      order by r.run_id
      for no key update skip locked
    )
    update ${s}.run_state r
    set status = 'cancelling', ready = true, reason = null, updated_at = ${s}.clock()
    from found f
    where r.run_id = f.run_id
    returning r.run_id as "runId", r.fence, r.version, r.frontier->'parent' as parent`
  )
  const { unhold } = makeHold(schema)
  const open = makeOpenFirings(schema)
  return (runIds: ReadonlyArray<RunId>): Effect.Effect<ReadonlyArray<CancelledRun>, DatabaseError, Transaction> =>
    Effect.gen(function* () {
      if (runIds.length === 0) return []
      const rows = yield* run(statement, [textArray(runIds)])
      const woken = yield* decodeGuaranteed("wakeToCancel", decodeWoken, rows)
      if (woken.length === 0) return []
      const ids = woken.map(({ runId }) => runId)
      // Whoever parked a run may have left firings of it behind as running.
      yield* open.stop("interrupted", ids.map(anyFirings))
      yield* unhold(ids)
      return woken
    })
}
