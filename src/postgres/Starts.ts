import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { DatabaseError } from "../model/Errors.js"
import type { RunStart } from "../model/Run.js"
import { RunStatus } from "../model/Status.js"
import type { StartOutcome } from "../store/StateStore.js"
import type { Transaction, Writes } from "../store/Transactor.js"
import { boolColumn, columnsOf, int4Array, int4Column, textArray, textColumn } from "./Arrays.js"
import { forEachChunk, lengthOf, writesOf } from "./Chunks.js"
import { reasonText, rests } from "./Columns.js"
import { run, write } from "./Execution.js"
import { decodeGuaranteed, decodeRunId, rowDecoder } from "./Rows.js"
import { endedStatuses, qualifier, type SchemaName, statementsOf } from "./Statement.js"

type Write<A> = Effect.Effect<A, DatabaseError, Transaction>

const startStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  const insert = (end: string) => `
      insert into ${s}.run_state (
        run_id, workflow, workflow_version, status, version, fence, worker, ready, priority, reason, frontier, ended_at
      )
      select
        c.run_id, c.workflow, c.workflow_version, c.status, c.version, c.fence, c.worker::uuid, c.ready, c.priority,
        c.reason, c.frontier::jsonb, case when c.status in ${endedStatuses} then ${s}.clock() end
      from unnest(
        $1::text[], $2::text[], $3::int4[], $4::text[], $5::int4[], $6::int4[], $7::text[], $8::bool[], $9::int4[],
        $10::text[], $11::text[]
      ) c(run_id, workflow, workflow_version, status, version, fence, worker, ready, priority, reason, frontier)
      on conflict (run_id) do nothing
      returning ${end}`
  return {
    insert: statement("start.insert", insert('run_id as "runId"')),
    // One run that is there already fails the whole of it.
    insertAll: statement(
      "start.insertAll",
      `with written as (${insert("1")}) select ${s}.require_ready(count(*), cardinality($1::text[])) from written`
    ),
    lockTimeout: statement("start.lockTimeout", "select set_config('lock_timeout', $1, true)"),
    values: statement(
      "start.values",
      `
      insert into ${s}.run_values (run_id, input, output, failure)
      select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])`
    ),
    attributes: statement(
      "start.attributes",
      `
      insert into ${s}.run_attributes (run_id, name, value)
      select * from unnest($1::text[], $2::text[], $3::text[])`
    ),
    // Text only, for a caller's own client may parse numbers in its own way.
    compare: statement(
      "start.compare",
      `
      select
        r.run_id as "runId",
        r.status,
        case
          when r.workflow <> c.workflow then 'workflow'
          when r.workflow_version <> c.workflow_version then 'version'
          when v.input <> c.input then 'input'
        end as differs,
        c.ordinal::text as ordinal
      from unnest($1::text[], $2::text[], $3::int4[], $4::text[])
        with ordinality c(run_id, workflow, workflow_version, input, ordinal)
      join ${s}.run_state r on r.run_id = c.run_id
      join ${s}.run_values v on v.run_id = c.run_id`
    )
  }
}

const decodeComparison = rowDecoder(
  "run_state",
  Schema.Struct({
    runId: Schema.String,
    status: RunStatus,
    differs: Schema.NullOr(Schema.Literal("workflow", "version", "input")),
    ordinal: Schema.NumberFromString
  }),
  ["runId"]
)

const rowsOf = columnsOf<RunStart>(
  textColumn((start) => start.first.runId),
  textColumn((start) => start.workflow),
  int4Column((start) => start.workflowVersion),
  textColumn((start) => start.first.status),
  int4Column((start) => start.first.version),
  int4Column((start) => start.first.fence),
  textColumn((start) => (rests(start.first.status) ? null : start.worker)),
  boolColumn((start) => start.ready && !rests(start.first.status)),
  int4Column((start) => start.priority),
  textColumn((start) => reasonText(start.first.reason)),
  textColumn((start) => JSON.stringify(start.first.frontier))
)

/** The verb `startAll`. */
export const makeStartAll = (schema: SchemaName) => {
  const statements = startStatements(schema)
  const insertValues = (runs: ReadonlyArray<RunStart>) => write(statements.values, valuesOf(runs))
  return (runs: ReadonlyArray<RunStart>, lockTimeoutMs: number): Writes => {
    const attributes = attributesOf(runs)
    return [
      write(statements.lockTimeout, [`${lockTimeoutMs}ms`]),
      // In the order of ids: two batches that share ids then wait for each other, and never deadlock.
      write(statements.insertAll, rowsOf(inOrder(runs))),
      ...writesOf(runs, valuesSize, insertValues),
      ...(attributes === undefined ? [] : [write(statements.attributes, attributes)])
    ]
  }
}

/** The verb `start`. */
export const makeStart = (schema: SchemaName) => {
  const statements = startStatements(schema)

  const insert = (runs: ReadonlyArray<RunStart>) =>
    Effect.flatMap(run(statements.insert, rowsOf(runs)), (rows) => decodeGuaranteed("start", decodeRunId, rows))

  const insertValues = (runs: ReadonlyArray<RunStart>) =>
    forEachChunk(runs, valuesSize, (chunk) => run(statements.values, valuesOf(chunk)))

  const compare = (runs: ReadonlyArray<RunStart>): Write<ReadonlyArray<StartOutcome>> =>
    Effect.gen(function* () {
      const rows = yield* run(statements.compare, [
        textArray(runs.map((start) => start.first.runId)),
        textArray(runs.map((start) => start.workflow)),
        int4Array(runs.map((start) => start.workflowVersion)),
        textArray(runs.map((start) => start.input))
      ])
      const found = yield* decodeGuaranteed("start", decodeComparison, rows)
      const byOrdinal = new Map(found.map((row) => [row.ordinal, row]))
      return yield* Effect.forEach(runs, (start, index) => {
        const row = byOrdinal.get(index + 1)
        if (row === undefined) return Effect.fail(vanished(start.first.runId))
        const outcome: StartOutcome =
          row.differs === null ? { _tag: "Exists", status: row.status } : { _tag: "Differs", field: row.differs }
        return Effect.succeed(outcome)
      })
    })

  return (runs: ReadonlyArray<RunStart>): Write<ReadonlyArray<StartOutcome>> =>
    Effect.gen(function* () {
      if (runs.length === 0) return []
      const sorted = firstOfEach(runs)
      const inserted = new Set((yield* insert(sorted)).map((row) => row.runId))
      const started = new Set(sorted.filter((start) => inserted.has(start.first.runId)))
      if (started.size > 0) yield* insertValues([...started])
      const attributes = attributesOf([...started])
      if (attributes !== undefined) yield* run(statements.attributes, attributes)
      const others = runs.filter((start) => !started.has(start))
      const compared = (yield* forEachChunk(others, valuesSize, compare)).flat()
      const outcomes = new Map(others.map((start, index) => [start, compared[index]]))
      return runs.map((start): StartOutcome => outcomes.get(start) ?? { _tag: "Started" })
    })
}

const valuesOf = columnsOf<RunStart>(
  textColumn((start) => start.first.runId),
  textColumn((start) => start.input),
  textColumn((start) => start.first.output),
  textColumn((start) => start.first.failure)
)

/** The attributes of runs as columns; undefined if none has any, as nearly always. */
const attributesOf = (runs: ReadonlyArray<RunStart>) => {
  const rows = runs.flatMap(({ attributes, first }) =>
    attributes === undefined
      ? []
      : Object.entries(attributes).map(([name, value]) => [first.runId as string, name, value] as const)
  )
  if (rows.length === 0) return undefined
  return [
    textArray(rows.map(([runId]) => runId)),
    textArray(rows.map(([, name]) => name)),
    textArray(rows.map(([, , value]) => value))
  ]
}

const valuesSize = ({ input, first }: RunStart): number =>
  input.length + lengthOf(first.output) + lengthOf(first.failure)

/** The first start of each id, in the order of ids: two batches that share ids then wait for each other, and never deadlock. */
const firstOfEach = (runs: ReadonlyArray<RunStart>): ReadonlyArray<RunStart> => {
  const first = new Map<string, RunStart>()
  for (const start of runs) if (!first.has(start.first.runId)) first.set(start.first.runId, start)
  return inOrder([...first.values()])
}

const inOrder = (runs: ReadonlyArray<RunStart>): ReadonlyArray<RunStart> => [...runs].sort(byRunId)

const byRunId = (a: RunStart, b: RunStart): number => (a.first.runId < b.first.runId ? -1 : 1)

const vanished = (runId: string): DatabaseError =>
  new DatabaseError({ outcome: "retryable", operation: "start", reason: `run ${runId} was deleted meanwhile` })
