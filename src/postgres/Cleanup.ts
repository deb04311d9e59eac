import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DatabaseError } from "../model/Errors.js"
import type { Transaction } from "../store/Transactor.js"
import { run } from "./Execution.js"
import { decodeGuaranteed, rowDecoder } from "./Rows.js"
import { qualifier, type SchemaName, statementsOf } from "./Statement.js"

/** Rows of ended runs in one table: its key, and which of them may go. */
export interface Cleanable {
  readonly table: string
  readonly key: ReadonlyArray<string>
  readonly where: string
}

const cleanupStatement = (schema: SchemaName, { table, key, where }: Cleanable) => {
  const s = qualifier(schema)
  const columns = (alias: string) => key.map((column) => `${alias}.${column}`).join(", ")
  return statementsOf(schema)(
    `cleanup.${table}`,
    `
    with runs as (
      select r.run_id, r.ended_at from ${s}.run_state r
      where (r.ended_at, r.run_id) > (coalesce($3::text::timestamptz, '-infinity'), coalesce($4::text, ''))
        and r.ended_at < to_timestamp($1::float8 / 1000.0)
      order by r.ended_at, r.run_id limit $2
    ),
    doomed as (
      select ${columns("f")} from runs cross join lateral (
        select * from ${s}.${table} t where t.run_id = runs.run_id${where} limit $2
      ) f limit $2
    ),
    gone as (
      delete from ${s}.${table} t using doomed d
      where (${columns("t")}) = (${columns("d")})
      returning 1
    )
    select
      (select count(*)::int4 from gone) as count,
      (select count(*)::int4 from runs) as looked,
      (select ended_at::text from runs order by ended_at desc, run_id desc limit 1) as "endedAt",
      (select run_id from runs order by ended_at desc, run_id desc limit 1) as "runId"`
  )
}

const decodeSweep = rowDecoder(
  "run_state",
  Schema.Struct({
    count: Schema.Int,
    looked: Schema.Int,
    endedAt: Schema.NullOr(Schema.String),
    runId: Schema.NullOr(Schema.String)
  }),
  []
)

/** Where the last sweep stopped: everything before it is clean. */
interface Cursor {
  readonly endedAt: string | null
  readonly runId: string | null
}

const beginning: Cursor = { endedAt: null, runId: null }

/**
 * Deletes what ended runs left behind, at most `limit` rows of at most `limit` runs; gives how many rows.
 *
 * **Details** Each sweep goes on where the last one stopped and begins again at the end, so that runs which are clean
 * already are not looked at again each time. Only runs that have ended are touched: nothing refers to these rows.
 */
export const makeCleanup = (schema: SchemaName, cleanable: Cleanable) => {
  const statement = cleanupStatement(schema, cleanable)
  let cursor = beginning
  return (endedBefore: Date, limit: number): Effect.Effect<number, DatabaseError, Transaction> =>
    Effect.gen(function* () {
      const rows = yield* run(statement, [endedBefore.getTime(), limit, cursor.endedAt, cursor.runId])
      const [sweep] = yield* decodeGuaranteed(statement.name, decodeSweep, rows)
      if (sweep === undefined) return 0
      // A full hand may have left rows of these runs behind: they are looked at once more.
      if (sweep.count < limit) {
        cursor = sweep.looked < limit ? beginning : { endedAt: sweep.endedAt, runId: sweep.runId }
      }
      return sweep.count
    })
}
