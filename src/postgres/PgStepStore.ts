import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { FiringKey } from "../model/Ids.js"
import type { RunCommit } from "../model/Run.js"
import { PendingSignal, StepRow } from "../model/StepRow.js"
import { StepStore } from "../store/StepStore.js"
import { type Writes, writeAll } from "../store/Transactor.js"
import { columnsOf, float8Column, int4Column, int8Column, textColumn } from "./Arrays.js"
import { lengthOf, writesOf } from "./Chunks.js"
import { makeCleanup } from "./Cleanup.js"
import { run, write } from "./Execution.js"
import { decodeAll, decodeGuaranteed, rowDecoder } from "./Rows.js"
import { defaultSchema, qualifier, type SchemaName, statementsOf } from "./Statement.js"

const stepStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    write: statement(
      "steps.write",
      `
      insert into ${s}.run_steps as t (
        run_id, node_id, firing, kind, name, key, status, attempt, firing_attempt, not_before, value, input_seq, written_in
      )
      select
        c.run_id, c.node_id, c.firing, c.kind, c.name, c.key, c.status, c.attempt, c.firing_attempt,
        to_timestamp(c.not_before / 1000.0), c.value, c.input_seq, c.version
      from unnest(
        $1::text[], $2::text[], $3::int4[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int4[], $9::int4[],
        $10::float8[], $11::text[], $12::int8[], $13::int4[]
      ) c(
        run_id, node_id, firing, kind, name, key, status, attempt, firing_attempt, not_before, value, input_seq, version
      )
      on conflict (run_id, node_id, firing, kind, name, key) do update
      set status = excluded.status, attempt = excluded.attempt, firing_attempt = excluded.firing_attempt,
        not_before = excluded.not_before, value = excluded.value, input_seq = excluded.input_seq,
        written_in = excluded.written_in`
    ),
    hold: statement(
      "steps.hold",
      `
      select r.version::text as version from ${s}.run_state r
      where r.run_id = $1 and r.fence = $2::int4 and r.ended_at is null and r.worker is not null
      for share`
    ),
    of: statement(
      "steps.of",
      `
      select t.node_id as "nodeId", t.firing, t.kind, t.name, t.key, t.status, t.attempt,
        t.firing_attempt as "firingAttempt", (extract(epoch from t.not_before) * 1000)::float8 as "notBefore", t.value,
        t.input_seq::text as "inputSeq"
      from ${s}.run_steps t where t.run_id = $1 and t.node_id = $2 and t.firing = $3`
    ),
    signals: statement(
      "steps.signals",
      `
      select t.seq::text as seq, t.payload from ${s}.trigger_inputs t
      where t.run_id = $1 and t.node_id = $2 and t.signal = $3 and t.status in ('new', 'applied')
        and not exists (select from ${s}.run_steps u where u.run_id = t.run_id and u.input_seq = t.seq)
      order by t.seq limit $4`
    ),
    published: statement(
      "steps.published",
      `
      select t.value from ${s}.run_steps t
      where t.run_id = $1 and t.node_id = $2 and t.kind = 'query' and t.name = $3
      order by t.firing desc limit 1`
    )
  }
}

const decodeStep = rowDecoder("run_steps", StepRow, ["nodeId", "firing", "kind", "name", "key"])
const decodeHeld = rowDecoder("run_state", Schema.Struct({ version: Schema.NumberFromString }), [])
const decodeSignal = rowDecoder("trigger_inputs", PendingSignal, ["seq"])
const decodeAnswer = rowDecoder("run_steps", Schema.Struct({ value: Schema.String }), [])

/** Of a commit what its steps need. */
type Steps = Pick<RunCommit, "runId" | "version" | "steps">

interface StepToWrite {
  readonly commit: Steps
  readonly step: StepRow
}

/** The last row of each step: one statement can't write a row twice. */
const lastOfEach = (commits: ReadonlyArray<Steps>): ReadonlyArray<StepToWrite> => {
  const rows: Array<StepToWrite> = []
  for (const commit of commits) {
    if (commit.steps.length === 0) continue
    const last = new Map(commit.steps.map((step) => [keyOf(step), step]))
    for (const step of last.values()) rows.push({ commit, step })
  }
  return rows
}

const keyOf = ({ firing, key, kind, name, nodeId }: StepRow): string =>
  JSON.stringify([nodeId, firing, kind, name, key])

const stepColumns = columnsOf<StepToWrite>(
  textColumn(({ commit }) => commit.runId),
  textColumn(({ step }) => step.nodeId),
  int4Column(({ step }) => step.firing),
  textColumn(({ step }) => step.kind),
  textColumn(({ step }) => step.name),
  textColumn(({ step }) => step.key),
  textColumn(({ step }) => step.status),
  int4Column(({ step }) => step.attempt),
  int4Column(({ step }) => step.firingAttempt),
  float8Column(({ step }) => step.notBefore),
  textColumn(({ step }) => step.value),
  int8Column(({ step }) => step.inputSeq),
  int4Column(({ commit }) => commit.version)
)

const stepSize = ({ step }: StepToWrite): number => lengthOf(step.value)

const makeWrite = (statement: ReturnType<typeof stepStatements>["write"]) => {
  const writeRows = (rows: ReadonlyArray<StepToWrite>) => write(statement, stepColumns(rows))
  return (commits: ReadonlyArray<Steps>): Writes => writesOf(lastOfEach(commits), stepSize, writeRows)
}

/** The steps of handlers in PostgreSQL. */
export const layer = (schema: SchemaName = defaultSchema): Layer.Layer<StepStore> =>
  Layer.sync(StepStore, () => {
    const statements = stepStatements(schema)
    const writeSteps = makeWrite(statements.write)
    return {
      write: writeSteps,
      writeHeld: (lease, rows) =>
        Effect.gen(function* () {
          const [held] = yield* decodeGuaranteed(
            "writeHeld",
            decodeHeld,
            yield* run(statements.hold, [lease.runId, String(lease.fence)])
          )
          if (held === undefined) return false
          yield* writeAll(writeSteps([{ runId: lease.runId, version: held.version, steps: rows }]))
          return true
        }),
      of: ({ firing, nodeId, runId }: FiringKey) =>
        Effect.flatMap(run(statements.of, [runId, nodeId, firing]), (rows) => decodeAll(decodeStep, rows)),
      signals: ({ name, nodeId, runId }, limit) =>
        Effect.flatMap(run(statements.signals, [runId, nodeId, name, limit]), (rows) => decodeAll(decodeSignal, rows)),
      published: (runId, nodeId, name) =>
        Effect.flatMap(run(statements.published, [runId, nodeId, name]), (rows) =>
          Effect.map(decodeAll(decodeAnswer, rows), ([row]) => row?.value)
        ),
      cleanup: makeCleanup(schema, {
        table: "run_steps",
        key: ["run_id", "node_id", "firing", "kind", "name", "key"],
        where: ""
      })
    }
  })
