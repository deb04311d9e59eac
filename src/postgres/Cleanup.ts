import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DatabaseError } from "../model/Errors.js"
import type { Aged, Swept } from "../store/Retention.js"
import type { Transaction } from "../store/Transactor.js"
import { textArray } from "./Arrays.js"
import { run } from "./Execution.js"
import { decodeGuaranteed, rowDecoder } from "./Rows.js"
import { qualifier, type SchemaName, statementsOf } from "./Statement.js"

/** Rows of ended runs in one table: its key, and which of them may go. */
export interface Cleanable {
  readonly table: string
  readonly key: ReadonlyArray<string>
  readonly where: string
}

/** The ended runs of one look, after a place; `isMeant` says of which of them something may go. */
export const endedRuns = (s: string): string => `
    looked as (
      select r.run_id, r.ended_at, r.workflow from ${s}.run_state r
      where (r.ended_at, r.run_id) > (coalesce($3::text::timestamptz, '-infinity'), coalesce($4::text, ''))
        and r.ended_at < to_timestamp($1::float8 / 1000.0)
      order by r.ended_at, r.run_id limit $2
    )`

/** Of the policy that is applied. */
export const isMeant = "(l.workflow = any($5::text[])) <> $6::boolean"

/** How far a look came. */
export const place = `
      (select count(*)::int4 from looked) as looked,
      (select ended_at::text from looked order by ended_at desc, run_id desc limit 1) as "endedAt",
      (select run_id from looked order by ended_at desc, run_id desc limit 1) as "runId"`

const cleanupStatement = (schema: SchemaName, { table, key, where }: Cleanable) => {
  const s = qualifier(schema)
  const columns = (alias: string) => key.map((column) => `${alias}.${column}`).join(", ")
  return statementsOf(schema)(
    `cleanup.${table}`,
    `
    with ${endedRuns(s)},
    doomed as (
      select ${columns("f")} from (select l.run_id from looked l where ${isMeant}) m cross join lateral (
        select * from ${s}.${table} t where t.run_id = m.run_id${where} limit $2
      ) f limit $2
    ),
    gone as (
      delete from ${s}.${table} t using doomed d
      where (${columns("t")}) = (${columns("d")})
      returning 1
    )
    select
      (select count(*)::int4 from gone) as count,${place}`
  )
}

/** What a look gives of its place. */
export const Looked = {
  count: Schema.Int,
  looked: Schema.Int,
  endedAt: Schema.NullOr(Schema.String),
  runId: Schema.NullOr(Schema.String)
}

const decodeSweep = rowDecoder("run_state", Schema.Struct(Looked), [])

/** Where the last look stopped: everything before it is clean. */
interface Cursor {
  readonly endedAt: string | null
  readonly runId: string | null
  /** How often the end was reached since it was begun anew. */
  readonly ends: number
}

const beginning: Cursor = { endedAt: null, runId: null, ends: 0 }

/** After so many sweeps everything is looked at again: what was locked or referred to may go by now. */
const sweepsPerRound = 60

/**
 * Places of sweeps, one for each set of workflows that have a policy of their own.
 *
 * **Details** Each sweep goes on where the last one stopped, so that runs which are clean already are not looked at each time.
 */
export const makePlaces = () => {
  const cursors = new Map<string, Cursor>()
  const keyOf = ({ others, workflows }: Aged) => `${others} ${workflows.join(" ")}`
  return {
    parameters: (aged: Aged, limit: number): ReadonlyArray<unknown> => {
      if (aged.anew === true) cursors.delete(keyOf(aged))
      const { endedAt, runId } = cursors.get(keyOf(aged)) ?? beginning
      return [aged.before.getTime(), limit, endedAt, runId, textArray(aged.workflows), aged.others]
    },
    /** Goes on from what a look saw, and says whether it saw the last there is. */
    moved: (
      aged: Aged,
      limit: number,
      seen: { readonly looked: number; readonly endedAt: string | null; readonly runId: string | null }
    ): boolean => {
      const { ends, ...last } = cursors.get(keyOf(aged)) ?? beginning
      const isEnd = seen.looked < limit
      const next = seen.looked === 0 ? last : { endedAt: seen.endedAt, runId: seen.runId }
      const count = isEnd ? ends + 1 : ends
      cursors.set(keyOf(aged), count === sweepsPerRound ? beginning : { ...next, ends: count })
      return isEnd
    }
  }
}

/**
 * Deletes what ended runs left behind, at most `limit` rows of at most `limit` runs.
 *
 * **Details** Only runs that have ended are touched: nothing refers to these rows.
 */
export const makeCleanup = (schema: SchemaName, cleanable: Cleanable) => {
  const statement = cleanupStatement(schema, cleanable)
  const places = makePlaces()
  return (aged: Aged, limit: number): Effect.Effect<Swept, DatabaseError, Transaction> =>
    Effect.gen(function* () {
      const rows = yield* run(statement, places.parameters(aged, limit))
      const [sweep] = yield* decodeGuaranteed(statement.name, decodeSweep, rows)
      if (sweep === undefined) return { rows: 0, done: true }
      // A full hand may have left rows of these runs behind: they are looked at once more.
      const done = sweep.count < limit && places.moved(aged, limit, sweep)
      return { rows: sweep.count, done }
    })
}
