import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { type Ages, Retention } from "../store/Retention.js"
import { writeAll } from "../store/Transactor.js"
import { float8Array, textArray } from "./Arrays.js"
import { endedRuns, isMeant, Looked, makePlaces, place } from "./Cleanup.js"
import { run, write } from "./Execution.js"
import { decodeGuaranteed, rowDecoder } from "./Rows.js"
import { anyRow, defaultSchema, qualifier, type SchemaName, statementsOf } from "./Statement.js"
import { makeTrim } from "./Trims.js"

/** Tables whose rows go with their run; what refers to the run's row goes by itself. */
const owned = ["run_trims", "run_inbox_messages", "run_steps", "run_node_state", "run_values", "run_children"]

const retentionStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  const waits = (table: string) => anyRow(`${s}.${table} t where t.run_id = r.run_id and t.status in ('new', 'held')`)
  return {
    // Whose row is locked may just be tried again: the next round comes by.
    runs: statement(
      "retention.runs",
      `
      with ${endedRuns(s)},
      free as (
        select r.run_id from looked l join ${s}.run_state r on r.run_id = l.run_id
        where ${isMeant} and r.ended_at is not null
          and not ${anyRow(
            `${s}.run_state p where p.run_id = r.frontier -> 'parent' ->> 'runId'
            and (p.ended_at is null or p.ended_at >= to_timestamp($7::float8 / 1000.0))`
          )}
          and not ${waits("trigger_inputs")} and not ${waits("run_commands")}
        order by r.run_id for no key update of r skip locked
      ),
      ${owned.map((table, i) => `owned${i} as (delete from ${s}.${table} t using free f where t.run_id = f.run_id)`).join(",\n      ")},
      gone as (delete from ${s}.run_state t using free f where t.run_id = f.run_id returning t.run_id)
      select
        (select count(*)::int4 from gone) as count,
        (select coalesce(json_agg(run_id), '[]') from gone) as "runIds",${place}`
    ),
    forget: statement("retention.forget", `delete from ${s}.run_events t where t.run_id = any($1::text[])`),
    // The log is read in the order in which it was written, up to what is younger than every policy.
    events: statement(
      "retention.events",
      `
      with looked as (
        select e.seq, e.run_id, e.at from (
          select e.seq, e.run_id, (e.events -> -1 ->> 'at')::float8 as at
          from ${s}.run_events e where e.seq > $1::int8 order by e.seq limit $2
        ) e
        where e.at < $6::float8
      ),
      doomed as (
        select l.seq from looked l left join ${s}.run_state r on r.run_id = l.run_id
        where r.run_id is null or l.at < coalesce(
          (select p.before from unnest($3::text[], $4::float8[]) p(workflow, before) where p.workflow = r.workflow),
          $5::float8
        )
      ),
      gone as (delete from ${s}.run_events t using doomed d where t.seq = d.seq returning 1)
      select
        (select count(*)::int4 from gone) as count, (select count(*)::int4 from looked) as looked,
        (select max(seq)::text from looked) as last`
    )
  }
}

const decodeRuns = rowDecoder("run_state", Schema.Struct({ ...Looked, runIds: Schema.Array(Schema.String) }), [])

const decodeEvents = rowDecoder(
  "run_events",
  Schema.Struct({ count: Schema.Int, looked: Schema.Int, last: Schema.NullOr(Schema.String) }),
  []
)

/** After so many sweeps the log is looked at from its beginning again. */
const sweepsPerRound = 60

const makeEvents = (statement: ReturnType<typeof retentionStatements>["events"]) => {
  let last = "0"
  let ends = 0
  return ({ before, workflows }: Ages, limit: number) =>
    Effect.gen(function* () {
      const own = Object.entries(workflows)
      const youngest = Math.max(before, ...own.map(([, age]) => age))
      const names = textArray(own.map(([workflow]) => workflow))
      const ages = float8Array(own.map(([, age]) => age))
      const rows = yield* run(statement, [last, limit, names, ages, before, youngest])
      const [sweep] = yield* decodeGuaranteed("retention.events", decodeEvents, rows)
      if (sweep === undefined) return { rows: 0, done: true }
      last = sweep.last ?? last
      const done = sweep.looked < limit
      if (done && ++ends % sweepsPerRound === 0) last = "0"
      return { rows: sweep.count, done }
    })
}

/** Retention in PostgreSQL. */
export const layer = (schema: SchemaName = defaultSchema): Layer.Layer<Retention> =>
  Layer.sync(Retention, () => {
    const statements = retentionStatements(schema)
    const places = makePlaces()
    return {
      runs: (aged, limit) =>
        Effect.gen(function* () {
          const rows = yield* run(statements.runs, [...places.parameters(aged, limit), aged.parentsBefore])
          const [sweep] = yield* decodeGuaranteed("retention.runs", decodeRuns, rows)
          if (sweep === undefined) return { rows: 0, done: true, runIds: [] }
          return { rows: sweep.count, done: places.moved(aged, limit, sweep), runIds: sweep.runIds }
        }),
      trim: makeTrim(schema),
      forget: (runIds) =>
        runIds.length === 0 ? Effect.void : writeAll([write(statements.forget, [textArray(runIds)])]),
      events: makeEvents(statements.events)
    }
  })
