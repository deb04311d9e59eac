import * as Effect from "effect/Effect"
import type { DatabaseError } from "../model/Errors.js"
import type { FiringRow } from "../model/Firing.js"
import type { RunCommit } from "../model/Run.js"
import { isEnded } from "../model/Status.js"
import type { CommitCheck } from "../store/StateStore.js"
import type { Transaction, Writes } from "../store/Transactor.js"
import { boolColumn, columnsOf, float8Column, int4Column, textArray, textColumn } from "./Arrays.js"
import { lengthOf, writesOf } from "./Chunks.js"
import { reasonText, rests } from "./Columns.js"
import { requireCount, run, write } from "./Execution.js"
import { decodeGuaranteed, decodeMark } from "./Rows.js"
import { endedFiringStatuses, endedStatuses, qualifier, type SchemaName, statementsOf } from "./Statement.js"

type Write<A> = Effect.Effect<A, DatabaseError, Transaction>

const checkStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  const select = `select run_id as "runId", fence, version from ${s}.run_state where run_id = any($1::text[])`
  return {
    try: statement("check.try", `${select} order by run_id for no key update skip locked`),
    wait: statement("check.wait", `${select} order by run_id for no key update`),
    look: statement("check.look", select)
  }
}

/** The verb `check`. */
export const makeCheck = (schema: SchemaName) => {
  const statements = checkStatements(schema)

  const marks = (statement: typeof statements.try, runIds: ReadonlyArray<string>) =>
    Effect.map(
      Effect.flatMap(run(statement, [textArray(runIds)]), (rows) => decodeGuaranteed("check", decodeMark, rows)),
      (found) => new Map(found.map((mark) => [mark.runId, mark]))
    )

  return (commits: ReadonlyArray<RunCommit>, options: { readonly wait: boolean }): Write<ReadonlyArray<CommitCheck>> =>
    Effect.gen(function* () {
      if (commits.length === 0) return []
      const locked = yield* marks(
        options.wait ? statements.wait : statements.try,
        commits.map((commit) => commit.runId)
      )
      const missing = commits.filter((commit) => !locked.has(commit.runId)).map((commit) => commit.runId)
      const seen = missing.length === 0 || options.wait ? new Map() : yield* marks(statements.look, missing)
      return commits.map((commit): CommitCheck => {
        const mark = locked.get(commit.runId)
        if (mark !== undefined) return compareMark(commit, mark)
        const unlocked = seen.get(commit.runId)
        if (unlocked === undefined) return "Stale"
        // What is committed is true without a lock, but for one answer: whether the next commit may be written.
        const check = compareMark(commit, unlocked)
        return check === "Ready" ? "Busy" : check
      })
    })
}

const compareMark = (
  commit: RunCommit,
  mark: { readonly fence: number; readonly version: number }
): "Ready" | "Applied" | "Stale" => {
  if (mark.fence !== commit.fence) return "Stale"
  if (mark.version === commit.version - 1) return "Ready"
  return mark.version === commit.version ? "Applied" : "Stale"
}

const writeStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  // One statement for all: to most rows it writes back what their indexed columns hold, and so their updates stay HOT.
  // A lone commit of a step has four statements in one round trip. Medians of 3,000 on two cores: 0.50 ms as it is; 0.49 without the
  // lock's time-out; 0.46 with single values instead of arrays; 0.48 as one statement of CTEs, 0.44 so with single values; 0.35 for the
  // run's row alone, and 0.25 for any row alone. A second form of each statement is not worth a tenth. Without the session's generic
  // plans it is 0.63.
  const update = (required: string) => `
    with written as (
      update ${s}.run_state r
      set status = c.status, version = c.version, reason = c.reason, frontier = c.frontier::jsonb,
        updated_at = ${s}.clock(),
        worker = case when c.rests then null else r.worker end,
        ready = r.ready and not c.rests,
        due_at = case when c.rests then null else r.due_at end,
        ended_at = case when c.status in ${endedStatuses} then ${s}.clock() end
      from unnest($1::text[], $2::int4[], $3::int4[], $4::text[], $5::text[], $6::text[], $7::bool[])
        c(run_id, fence, version, status, reason, frontier, rests)
      where r.run_id = c.run_id and r.fence = c.fence and r.version = c.version - 1
      returning 1
    )
    select ${s}.${required}(count(*), cardinality($1::text[])) from written`
  return {
    // After a check under the rows' locks: another count is a broken invariant.
    write: statement("runs.write", update("require")),
    // Without one: whatever does not fit fails the whole transaction.
    writeAll: statement("runs.writeAll", update("require_ready")),
    lockTimeout: statement("runs.lockTimeout", "select set_config('lock_timeout', $1, true)"),
    results: statement(
      "runs.results",
      `
      with written as (
        update ${s}.run_values v
        set output = c.output, failure = c.failure
        from unnest($1::text[], $2::text[], $3::text[]) c(run_id, output, failure)
        where v.run_id = c.run_id
        returning 1
      )
      ${requireCount(s, "cardinality($1::text[])")}`
    )
  }
}

const rowsOf = columnsOf<RunCommit>(
  textColumn((commit) => commit.runId),
  int4Column((commit) => commit.fence),
  int4Column((commit) => commit.version),
  textColumn((commit) => commit.status),
  textColumn((commit) => reasonText(commit.reason)),
  textColumn((commit) => JSON.stringify(commit.frontier)),
  boolColumn((commit) => rests(commit.status))
)

const resultsOf = columnsOf<RunCommit>(
  textColumn((commit) => commit.runId),
  textColumn((commit) => commit.output),
  textColumn((commit) => commit.failure)
)

const resultSize = (commit: RunCommit): number => lengthOf(commit.output) + lengthOf(commit.failure)

const ends = (commit: RunCommit): boolean => isEnded(commit.status)

const byRunId = (a: RunCommit, b: RunCommit): number => (a.runId < b.runId ? -1 : 1)

/** The verbs `writeRuns` and `writeAllRuns`. */
export const makeWriteRuns = (schema: SchemaName) => {
  const statements = writeStatements(schema)

  const writeResults = (commits: ReadonlyArray<RunCommit>) => write(statements.results, resultsOf(commits))

  const writeEnded = (commits: ReadonlyArray<RunCommit>): Writes =>
    writesOf(commits.filter(ends), resultSize, writeResults)

  return {
    writeRuns: (commits: ReadonlyArray<RunCommit>): Writes =>
      commits.length === 0 ? [] : [write(statements.write, rowsOf(commits)), ...writeEnded(commits)],
    writeAllRuns: (commits: ReadonlyArray<RunCommit>, lockTimeoutMs: number): Writes => {
      // In the order in which everybody locks runs.
      const sorted = [...commits].sort(byRunId)
      return [
        write(statements.lockTimeout, [`${lockTimeoutMs}ms`]),
        write(statements.writeAll, rowsOf(sorted)),
        ...writeEnded(commits)
      ]
    }
  }
}

const firingStatement = (schema: SchemaName) => {
  const s = qualifier(schema)
  return statementsOf(schema)(
    "firings.write",
    `
    insert into ${s}.run_node_state as n (
      run_id, node_id, firing, status, attempt, crashes, inputs, emitted, reason, state, not_before, failure,
      opened_in, written_in, started_at, ended_at, deadline
    )
    select
      c.run_id, c.node_id, c.firing, c.status, c.attempt, c.crashes, c.inputs::jsonb, c.emitted::jsonb, c.reason, c.state,
      to_timestamp(c.not_before / 1000.0), c.failure, c.version, c.version,
      coalesce(to_timestamp(c.started_at / 1000.0), ${s}.clock()),
      case when c.status in ${endedFiringStatuses} then ${s}.clock() end, to_timestamp(c.deadline / 1000.0)
    from unnest(
      $1::text[], $2::text[], $3::int4[], $4::text[], $5::int4[], $6::int4[], $7::text[], $8::text[], $9::text[],
      $10::text[], $11::float8[], $12::text[], $13::int4[], $14::float8[], $15::float8[]
    ) c(
      run_id, node_id, firing, status, attempt, crashes, inputs, emitted, reason, state, not_before, failure, version,
      started_at, deadline
    )
    on conflict (run_id, node_id, firing) do update
    set status = excluded.status, attempt = excluded.attempt, crashes = excluded.crashes, inputs = excluded.inputs,
      emitted = excluded.emitted, reason = excluded.reason, state = excluded.state, not_before = excluded.not_before,
      failure = excluded.failure, written_in = excluded.written_in, ended_at = excluded.ended_at,
      deadline = excluded.deadline`
  )
}

interface FiringToWrite {
  readonly commit: RunCommit
  readonly firing: FiringRow
}

const firingSize = ({ firing }: FiringToWrite): number => lengthOf(firing.state) + lengthOf(firing.failure)

const firingArrays = columnsOf<FiringToWrite>(
  textColumn((row) => row.commit.runId),
  textColumn((row) => row.firing.nodeId),
  int4Column((row) => row.firing.firing),
  textColumn((row) => row.firing.status),
  int4Column((row) => row.firing.attempt),
  int4Column((row) => row.firing.crashes),
  textColumn((row) => JSON.stringify(row.firing.inputs)),
  textColumn((row) => (row.firing.emitted === null ? null : JSON.stringify(row.firing.emitted))),
  textColumn((row) => reasonText(row.firing.reason)),
  textColumn((row) => row.firing.state),
  float8Column((row) => row.firing.notBefore),
  textColumn((row) => row.firing.failure),
  int4Column((row) => row.commit.version),
  float8Column((row) => row.firing.startedAt),
  float8Column((row) => row.firing.deadline)
)

const firingsOf = (commits: ReadonlyArray<RunCommit>): ReadonlyArray<FiringToWrite> => {
  const rows: Array<FiringToWrite> = []
  for (const commit of commits) for (const firing of commit.firings) rows.push({ commit, firing })
  return rows
}

/** The verb `writeFirings`. */
export const makeWriteFirings = (schema: SchemaName) => {
  const statement = firingStatement(schema)

  const writeRows = (rows: ReadonlyArray<FiringToWrite>) => write(statement, firingArrays(rows))

  return (commits: ReadonlyArray<RunCommit>): Writes => writesOf(firingsOf(commits), firingSize, writeRows)
}
