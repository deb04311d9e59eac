import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DatabaseError } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import type { RunCommit } from "../model/Run.js"
import { isEnded, RunStatus } from "../model/Status.js"
import type { Transaction, Writes } from "../store/Transactor.js"
import { columnsOf, int8Column, textArray, textColumn } from "./Arrays.js"
import { makeFamily } from "./Children.js"
import { requireCount, run, runCounted, write } from "./Execution.js"
import { makeHold } from "./Leases.js"
import { decodeGuaranteed, rowDecoder } from "./Rows.js"
import { qualifier, type SchemaName, statementsOf } from "./Statement.js"

type Write<A> = Effect.Effect<A, DatabaseError, Transaction>

type Table = "trigger_inputs" | "run_commands"

const settleStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  // What was settled once is not settled again: an input is applied at most once. The conditions beside the key are worded
  // so that no other index fits them: an empty table is not planned as a scan of one that gets long.
  const mark = (table: Table) =>
    statement(
      `settle.${table}`,
      `
      with written as (
        update ${s}.${table} t set status = c.status, settled_at = ${s}.clock()
        from unnest($1::int8[], $2::text[], $3::text[]) c(seq, run_id, status)
        where t.seq = c.seq and t.run_id is not distinct from c.run_id and t.settled_at is null
        returning 1
      )
      ${requireCount(s, "cardinality($1::int8[])")}`
    )
  const end = (table: Table, status: "dead" | "refused") =>
    statement(
      `settle.${table}.${status}`,
      `
      with written as (
        update ${s}.${table} t set status = '${status}', settled_at = ${s}.clock()
        where t.run_id = any($1::text[]) and t.status in ('new', 'held')
        returning 1
      )
      select count(*)::int4 as count from written`
    )
  return {
    inputs: mark("trigger_inputs"),
    commands: mark("run_commands"),
    endInputs: end("trigger_inputs", "dead"),
    endCommands: end("run_commands", "refused"),
    // A failed run has one command before it that is not late: to be tried again.
    endFailed: statement(
      "settle.run_commands.late",
      `
      with written as (
        update ${s}.run_commands t set status = 'refused', settled_at = ${s}.clock()
        where t.run_id = any($1::text[]) and t.status in ('new', 'held') and t.kind <> 'retry'
        returning 1
      )
      select count(*)::int4 as count from written`
    ),
    lock: statement(
      "settle.lock",
      `
      select run_id as "runId", status from ${s}.run_state
      where run_id = any($1::text[]) order by run_id for no key update`
    )
  }
}

/** Ends what is unapplied of runs that have ended. */
const makeEnd =
  (statements: ReturnType<typeof settleStatements>) =>
  (runIds: ReadonlyArray<string>, failed: boolean): Write<number> => {
    if (runIds.length === 0) return Effect.succeed(0)
    const parameters = [textArray(runIds)]
    return Effect.zipWith(
      runCounted(statements.endInputs, parameters),
      runCounted(failed ? statements.endFailed : statements.endCommands, parameters),
      (inputs, commands) => inputs + commands
    )
  }

interface Mark {
  readonly runId: string
  readonly seq: string
  readonly status: string
}

const settledBy = (commits: ReadonlyArray<RunCommit>) => {
  const inputs: Array<Mark> = []
  const commands: Array<Mark> = []
  const ended: Array<RunId> = []
  const parked: Array<RunId> = []
  for (const { answered, applied, runId, status } of commits) {
    for (const input of applied) inputs.push({ runId, ...input })
    for (const command of answered) commands.push({ runId, ...command })
    if (isEnded(status)) ended.push(runId)
    else if (status === "parked") parked.push(runId)
  }
  return { inputs, commands, ended, parked }
}

const marks = columnsOf<Mark>(
  int8Column((row) => row.seq),
  textColumn((row) => row.runId),
  textColumn((row) => row.status)
)

/** The verb `settle`. */
export const makeSettle = (schema: SchemaName) => {
  const statements = settleStatements(schema)
  const { holdAll } = makeHold(schema)
  const family = makeFamily(schema)

  const end = (runIds: ReadonlyArray<string>): Writes => {
    if (runIds.length === 0) return []
    const parameters = [textArray(runIds)]
    return [write(statements.endInputs, parameters), write(statements.endCommands, parameters)]
  }

  const mark = (statement: typeof statements.inputs, rows: ReadonlyArray<Mark>): Writes =>
    rows.length === 0 ? [] : [write(statement, marks(rows))]

  return (commits: ReadonlyArray<RunCommit>): Writes => {
    const { commands, ended, inputs, parked } = settledBy(commits)
    return [
      ...mark(statements.inputs, inputs),
      ...mark(statements.commands, commands),
      ...end(ended),
      ...holdAll(parked),
      ...family(commits)
    ]
  }
}

const decodeStatus = rowDecoder("run_state", Schema.Struct({ runId: Schema.String, status: RunStatus }), ["runId"])

/** The verb `settleLate`. */
export const makeSettleLate = (schema: SchemaName) => {
  const statements = settleStatements(schema)
  const end = makeEnd(statements)
  const { hold } = makeHold(schema)
  return (runIds: ReadonlyArray<RunId>): Write<number> =>
    Effect.gen(function* () {
      if (runIds.length === 0) return 0
      const rows = yield* run(statements.lock, [textArray(runIds)])
      const found = yield* decodeGuaranteed("settleLate", decodeStatus, rows)
      const over = found.filter((row) => isEnded(row.status))
      const idsOf = (failed: boolean) =>
        over.filter((row) => (row.status === "failed") === failed).map((row) => row.runId)
      const ended = yield* Effect.zipWith(end(idsOf(false), false), end(idsOf(true), true), (a, b) => a + b)
      const held = yield* hold(found.filter((row) => row.status === "parked").map((row) => row.runId))
      return ended + held
    })
}
