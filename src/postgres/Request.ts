import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DatabaseError } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import { CommandKind } from "../model/Run.js"
import { canMoveRun, RunStatus } from "../model/Status.js"
import type { Transaction } from "../store/Transactor.js"
import type { RequestOutcome } from "../store/TriggerStore.js"
import { run } from "./Execution.js"
import { decodeGuaranteed, rowDecoder } from "./Rows.js"
import { shownStatus } from "./RunColumns.js"
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
        ${anyRow(`${s}.run_commands m where m.run_id = r.run_id and m.kind = $2 and ${unapplied("m")}`)} as waiting,
        (
          select m.kind from ${s}.run_commands m where m.run_id = r.run_id and ${unapplied("m")} order by m.seq desc limit 1
        ) as last
      from ${s}.run_state r where r.run_id = $1`
    ),
    insert: statement("request.insert", `insert into ${s}.run_commands (run_id, kind) values ($1, $2)`)
  }
}

const decodeLook = rowDecoder(
  "run_state",
  Schema.Struct({
    runId: Schema.String,
    status: RunStatus,
    shown: RunStatus,
    waiting: Schema.Boolean,
    last: Schema.NullOr(CommandKind)
  }),
  ["runId"]
)

/** The status a run will have when what was asked last has been applied: somebody was told that it will be. */
const statusAfter = (last: CommandKind | null, shown: RunStatus): RunStatus => {
  if (shown === "cancelling") return shown
  if (last === "retry") return "pending"
  if (last === "pause" && canMoveRun(shown, "paused")) return "paused"
  return last === "resume" && shown === "paused" ? "running" : shown
}

/** The status of a run that has this command before it. */
const statusOf = (kind: CommandKind, shown: RunStatus): RunStatus => {
  if (kind === "cancel") return "cancelling"
  return kind === "retry" ? "pending" : shown
}

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
        status: admits.includes(found.status) ? statusOf(kind, found.shown) : found.shown
      }
      if (found.last === kind || (found.waiting && kind === "cancel")) return requested
      const status = statusAfter(found.last, found.shown)
      if (!admits.includes(status)) return { _tag: "Refused", status }
      yield* run(statements.insert, [runId, kind])
      return requested
    })
}
