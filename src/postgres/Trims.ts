import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DatabaseError } from "../model/Errors.js"
import type { Ages, Swept } from "../store/Retention.js"
import type { Transaction } from "../store/Transactor.js"
import { float8Array, textArray } from "./Arrays.js"
import { run } from "./Execution.js"
import { decodeGuaranteed, rowDecoder } from "./Rows.js"
import { anyRow, qualifier, type SchemaName, statementsOf } from "./Statement.js"

/** Runs that live and are not about to end: what an end has to undo or a retry has to bring back is theirs for as long. */
const living = ["suspended", "running", "paused", "recovering"] as const

/** Runs that are meant, and before when what they have done with may go. */
const meant = (s: string): string => `
    meant as materialized (
      select r.run_id, r.workflow, r.workflow_version, r.frontier, to_timestamp(c.before / 1000.0) as before
      from unnest($1::text[], $2::float8[]) c(run_id, before) cross join lateral (
        select * from ${s}.run_state r
        where r.run_id = c.run_id and r.status in (${living.map((status) => `'${status}'`).join(", ")}) offset 0
      ) r
    )`

/** A damaged row gives nothing, and keeps no other from it. */
const entries = (json: string): string => `jsonb_each(case when jsonb_typeof(${json}) = 'object' then ${json} end)`
const number = (json: string): string => `case when jsonb_typeof(${json}) = 'number' then (${json})::int4 end`

/**
 * Deletes what firings took one after the other, up to the lowest that has not ended and to the first that ended not long ago.
 *
 * **Details** A producer that still gives looks into these rows for what it has given: as long as its firing is open, they stay.
 */
const messagesStatement = (schema: SchemaName) => {
  const s = qualifier(schema)
  return statementsOf(schema)(
    "trim.messages",
    `
      with ${meant(s)},
      places as materialized (
        select m.*, n.key collate "C" as node_id, ${number("n.value -> 'low'")} as low, coalesce((
          select t.firing from ${s}.run_trims t where t.run_id = m.run_id and t.node_id = n.key collate "C"
        ), 1) as since
        from meant m cross join lateral ${entries("m.frontier -> 'nodes'")} n
        where n.key <> '$compensate'
      ),
      old as materialized (
        select p.*, coalesce((
          select n.firing from ${s}.run_node_state n
          where n.run_id = p.run_id and n.node_id = p.node_id and n.firing >= p.since and n.firing < p.low
            and (n.ended_at < p.before) is not true
          order by n.firing limit 1
        ), p.low) as until
        from places p where p.since < p.low
      ),
      ended as materialized (
        select o.run_id, o.node_id, o.workflow, o.workflow_version, f.firing, f.inputs, bool_and(not exists (
          select from ${entries("f.inputs")} i cross join ${entries("o.frontier -> 'nodes'")} q
          where i.value ? 'ref' and starts_with(i.value -> 'ref' ->> 0, q.key || '.')
            and (${number("q.value -> 'low'")} > ${number("i.value -> 'ref' -> 1")}) is not true
        )) over (partition by o.run_id, o.node_id order by f.firing) as settled
        from old o cross join lateral (
          select n.firing, n.inputs from ${s}.run_node_state n
          where n.run_id = o.run_id and n.node_id = o.node_id and n.firing >= o.since and n.firing < o.until
          order by n.firing limit $3::int4
        ) f
      ),
      hand as materialized (
        select * from ended where settled order by run_id, node_id, firing limit $3::int4
      ),
      handles as materialized (
        select h.run_id, h.node_id, (
          select jsonb_path_query_array(
            d.graph::jsonb, '$.nodes[*] ? (@.id == $id).inputs[*] ? (@.mode == "one").name',
            jsonb_build_object('id', h.node_id)
          )
          from ${s}.definitions d where d.workflow = h.workflow and d.workflow_version = h.workflow_version
        ) as names
        from (select distinct run_id, node_id, workflow, workflow_version from hand) h
      ),
      doomed as materialized (
        select distinct
          h.run_id, h.node_id, i.key as handle, i.value -> 'ref' ->> 0 as producer,
          ${number("i.value -> 'ref' -> 1")} as firing, ${number("i.value -> 'ref' -> 2")} as ordinal
        from hand h cross join lateral ${entries("h.inputs")} i
        where i.value ? 'ref' and (i.key = '$external' or exists (
          select from handles o where o.run_id = h.run_id and o.node_id = h.node_id and o.names ? i.key
        ))
      ),
      gone as (
        delete from ${s}.run_inbox_messages t using doomed d
        where (t.run_id, t.node_id, t.handle, t.producer, t.firing, t.ordinal)
          = (d.run_id, d.node_id, d.handle, d.producer, d.firing, d.ordinal)
        returning 1
      ),
      noted as (
        insert into ${s}.run_trims as t (run_id, node_id, firing)
        select h.run_id, h.node_id, max(h.firing) + 1 from hand h group by h.run_id, h.node_id order by h.run_id, h.node_id
        on conflict (run_id, node_id) do update set firing = greatest(t.firing, excluded.firing)
      )
      select (select count(*)::int4 from gone) as count, (select count(*)::int4 from hand) as taken`
  )
}

/** Deletes rows of a table that are settled since long ago. */
const settledStatement = (schema: SchemaName, name: string, table: string, where: string, noted = "") => {
  const s = qualifier(schema)
  return statementsOf(schema)(
    `trim.${name}`,
    `
      with ${meant(s)},
      doomed as materialized (
        select f.seq from meant m cross join lateral (
          select t.seq from ${s}.${table} t
          where t.run_id = m.run_id and t.settled_at < m.before and ${where} limit $3::int4
        ) f limit $3::int4
      ),
      gone as (delete from ${s}.${table} t using doomed d where t.seq = d.seq returning t.*)${noted}
      select count(*)::int4 as count, count(*)::int4 as taken from gone`
  )
}

const trimStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    // From where the last look stopped, in its status, to the end of all that follow it: most of the time that is nothing.
    look: statement(
      "trim.look",
      `
      select r.run_id as "runId", r.workflow, r.created_at::text as "createdAt", w.place::int4 as place
      from unnest($1::text[]) with ordinality w(status, place) cross join lateral (
        select * from ${s}.run_state r
        where r.status = w.status and r.created_at < to_timestamp($2::float8 / 1000.0) and (r.created_at, r.run_id) > (
          case when w.place = 1 then coalesce($3::text::timestamptz, '-infinity') else '-infinity' end,
          case when w.place = 1 then coalesce($4::text, '') else '' end
        )
        order by r.created_at, r.run_id limit $5::int4
      ) r
      order by w.place, r.created_at, r.run_id limit $5::int4`
    ),
    messages: messagesStatement(schema),
    // A signal that no step has taken yet is still to come; the end of a child is its parent's for as long as that lives.
    inputs: settledStatement(
      schema,
      "inputs",
      "trigger_inputs",
      `t.status in ('applied', 'dead') and (t.signal is null or not starts_with(t.signal, '$') and (
            t.status = 'dead' or ${anyRow(`${s}.run_steps u where u.run_id = t.run_id and u.input_seq = t.seq`)}
          ))`,
      `,
      noted as (
        insert into ${s}.run_trims as t (run_id, node_id, events)
        select g.run_id, g.node_id, count(*) from gone g where g.status = 'applied' and g.signal is null
        group by g.run_id, g.node_id order by g.run_id, g.node_id
        on conflict (run_id, node_id) do update set events = t.events + excluded.events
      )`
    ),
    // A cancel that was applied still says what becomes of a run that is parked meanwhile.
    commands: settledStatement(
      schema,
      "commands",
      "run_commands",
      "t.status in ('applied', 'refused', 'dead') and t.kind <> 'cancel'"
    )
  }
}

const decodeLook = rowDecoder(
  "run_state",
  Schema.Struct({ runId: Schema.String, workflow: Schema.String, createdAt: Schema.String, place: Schema.Int }),
  ["runId"]
)
const decodeHand = rowDecoder("run_state", Schema.Struct({ count: Schema.Int, taken: Schema.Int }), [])

/** Where a look stopped; it begins at the beginning when everything was looked at. */
interface Place {
  readonly status: number
  readonly createdAt: string | null
  readonly runId: string | null
}

const beginning: Place = { status: 0, createdAt: null, runId: null }

/** Runs of one look. */
const looked = 100

/**
 * The verb `trim`: a hand of what runs that live have done with.
 *
 * **Details** No run is locked, and none of its rows is written but what goes: firings below the frontier's lowest are committed, and
 * nothing reads again what they took. A statement that sees an old frontier takes less.
 */
export const makeTrim = (schema: SchemaName) => {
  const statements = trimStatements(schema)
  const kinds = [statements.messages, statements.inputs, statements.commands]
  let place = beginning

  const look = (ages: Ages) =>
    Effect.gen(function* () {
      const youngest = Math.max(ages.before, ...Object.values(ages.workflows))
      const { createdAt, runId, status } = place
      const rows = yield* run(statements.look, [textArray(living.slice(status)), youngest, createdAt, runId, looked])
      return yield* decodeGuaranteed("trim.look", decodeLook, rows)
    })

  const next = (runs: Effect.Effect.Success<ReturnType<typeof look>>): Place => {
    const last = runs.at(-1)
    if (runs.length < looked || last === undefined) return beginning
    const { createdAt, place: places, runId } = last
    return { createdAt, runId, status: place.status + places - 1 }
  }

  return (ages: Ages, limit: number): Effect.Effect<Swept, DatabaseError, Transaction> =>
    Effect.gen(function* () {
      const runs = yield* look(ages)
      const meant = [
        textArray(runs.map(({ runId }) => runId)),
        float8Array(runs.map(({ workflow }) => ages.workflows[workflow] ?? ages.before)),
        limit
      ]
      const hands = yield* Effect.forEach(runs.length === 0 ? [] : kinds, (statement) =>
        Effect.flatMap(run(statement, meant), (rows) => decodeGuaranteed(statement.name, decodeHand, rows))
      )
      const rows = hands.flat().reduce((sum, { count }) => sum + count, 0)
      // A full hand may have left some behind: the same runs are looked at once more.
      if (hands.flat().some(({ taken }) => taken === limit)) return { rows, done: false }
      place = next(runs)
      return { rows, done: place === beginning }
    })
}
