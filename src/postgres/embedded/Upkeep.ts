import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type pg from "pg"

/** When upkeep has something to do. */
export interface UpkeepLimits {
  /** How often it looks. */
  readonly every: Duration.DurationInput
  /** Write-ahead log since the last checkpoint, in bytes: this much is kept on disk, and read again after a crash. */
  readonly walBytes: number
  /** Dead rows of one table: this many, and a fifth of its live ones. */
  readonly deadRows: number
}

export const defaultUpkeep: UpkeepLimits = { every: "15 seconds", walBytes: 32 << 20, deadRows: 10_000 }

/** A dead row takes its place until a vacuum; a row not frozen stops the database two billion transactions later. */
const due = `
select (pg_wal_lsn_diff(pg_current_wal_insert_lsn(), (pg_control_checkpoint()).redo_lsn) > $1) as checkpoint,
  (select coalesce(max(age(datfrozenxid)), 0) > 200000000 from pg_database where datname = current_database()) as freeze,
  array(
    select format('%I.%I', schemaname, relname) from pg_stat_user_tables
    where n_dead_tup > $2 + n_live_tup / 5 order by n_dead_tup desc
  ) as tables`

const Due = Schema.Struct({
  checkpoint: Schema.Boolean,
  freeze: Schema.Boolean,
  tables: Schema.Array(Schema.String)
})

const query = (pool: pg.Pool, text: string, values?: Array<unknown>) =>
  Effect.tryPromise(() => pool.query(text, values))

/** Looks once, and does what is due. */
export const once = (pool: pg.Pool, limits: UpkeepLimits) =>
  Effect.gen(function* () {
    const { rows } = yield* query(pool, due, [limits.walBytes, limits.deadRows])
    const found = yield* Schema.decodeUnknown(Due)(rows[0])
    for (const table of found.tables) yield* query(pool, `vacuum (analyze) ${table}`)
    if (found.freeze) yield* query(pool, "vacuum")
    if (found.checkpoint) yield* query(pool, "checkpoint")
  })

/**
 * Does from time to time what a server's background processes would do: the embedded engine has none.
 *
 * **Details** Without checkpoints its write-ahead log grows for ever, and with it the time to open after a crash; without
 * vacuum its tables do. Each statement waits for the connection like any other, and blocks the event loop while it runs:
 * a checkpoint for tenths of a second, a vacuum for some seconds per gigabyte.
 */
export const forever = (pool: pg.Pool, limits: UpkeepLimits): Effect.Effect<never> =>
  once(pool, limits).pipe(
    Effect.catchAll((error) => Effect.logWarning("upkeep of the embedded database failed", error)),
    Effect.delay(Duration.decode(limits.every)),
    Effect.repeat(Schedule.forever),
    Effect.zipRight(Effect.never)
  )
