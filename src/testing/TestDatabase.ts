import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { DatabaseError } from "../model/Errors.js"
import * as EmbeddedDatabase from "../postgres/embedded/EmbeddedDatabase.js"
import { emptyTables } from "../postgres/embedded/emptyTables.js"
import type { DataDirLocked, DataDirUnusable } from "../postgres/embedded/FolderLock.js"
import { type DatabaseNewer, type MigrationChanged, migrate } from "../postgres/Migrations.js"
import * as PgTransactor from "../postgres/PgTransactor.js"
import * as Pool from "../postgres/Pool.js"
import { defaultSchema } from "../postgres/Statement.js"
import type { RawRow } from "../store/Transactor.js"
import { watchStatements } from "./invariants/Watch.js"

/**
 * A database for tests: migrated, its time is the harness's, and it notes every change of a row that must never happen.
 *
 * **Details** `sessions: "one"` is PGlite, where a dead process's session is rolled back by the harness; a server ends
 * it by itself.
 */
export interface TestDatabase {
  readonly sessions: "one" | "many"
  readonly pool: Context.Tag.Service<Pool.PgPool>
  /** Runs one statement outside of any engine, at the server's time or a time of the harness. */
  readonly query: (text: string, now?: number) => Promise<ReadonlyArray<RawRow>>
  /** Empties all tables. */
  readonly reset: () => Promise<void>
}

/** Why a test database could not be opened. */
export type TestDatabaseError = DatabaseError | MigrationChanged | DatabaseNewer | DataDirLocked | DataDirUnusable

const clockStatement = `
create or replace function perdure.clock() returns timestamptz language sql stable parallel safe as $clock$
  select coalesce(
    to_timestamp(nullif(current_setting('perdure.now', true), '')::float8 / 1000),
    pg_catalog.now()
  )
$clock$`

/** A table of the application's, beside the engine's: what handlers write in transactions of its own client. */
const entriesStatement = `
create table if not exists perdure_watch.entries (run_id text not null, node_id text not null, firing int4 not null)`

/** SQL that makes a transaction see a time of the harness. */
export const setTime = (now: number): string => `; set local perdure.now = '${now}'`

const build = (
  sessions: TestDatabase["sessions"],
  pool: Context.Tag.Service<Pool.PgPool>,
  reset: () => Promise<void>
): Effect.Effect<TestDatabase, DatabaseError | MigrationChanged | DatabaseNewer> =>
  Effect.gen(function* () {
    const transactor = PgTransactor.layer.pipe(Layer.provide(Layer.succeed(Pool.PgPool, pool)))
    yield* Effect.provide(migrate(defaultSchema), transactor)
    const send = (text: string, now?: number) =>
      Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* pool.acquire
          if (now !== undefined) yield* connection.execute({ name: "time", text: `set perdure.now = '${now}'` })
          return yield* connection.execute({ name: `harness ${hash(text)}`, text, values: [] })
        })
      ).pipe(
        Effect.map((result) => result.rows),
        Effect.orDie
      )
    yield* send(clockStatement)
    for (const statement of [...watchStatements, entriesStatement]) yield* send(statement)
    return {
      sessions,
      pool,
      query: (text, now) => Effect.runPromise(send(text, now)),
      reset
    }
  })

/** Names of prepared statements: one for each text. */
const hash = (text: string): string => {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return (value >>> 0).toString(36)
}

/**
 * A database in memory, in this process.
 *
 * **Details** It takes seconds to open; `reset` takes milliseconds, so one serves many cases, one after the other.
 */
export const openEmbedded: Effect.Effect<TestDatabase, TestDatabaseError, Scope.Scope> = Effect.gen(function* () {
  const embedded = yield* EmbeddedDatabase.open({ dataDir: undefined })
  const pool = Context.get(yield* Layer.build(Pool.layerFromPool(embedded.pool)), Pool.PgPool)
  return yield* build("one", pool, emptyingOf(embedded.pool))
})

/** Executions after which tables and log are cut back to size; meanwhile deleted rows only pile up. */
const untilCut = 50

/**
 * Empties the tables of an embedded database, in a way that leaves the plans of prepared statements alone: making them again
 * for each case takes longer than the case.
 */
const emptyingOf = (pool: EmbeddedDatabase.EmbeddedDatabase["pool"]): (() => Promise<void>) => {
  let statement: string | undefined
  let turn = 0
  const cut = async () => {
    await Effect.runPromise(emptyTables(pool, { schema: "perdure", except: ["schema_migrations"] }))
    await Effect.runPromise(emptyTables(pool, { schema: "perdure_watch", except: [] }))
    const { rows } = await pool.query<{ readonly text: string | null }>(emptying)
    statement = rows.map(({ text }) => text).join("; ")
  }
  return async () => {
    if (statement === undefined || ++turn % untilCut === 0) return cut()
    // A table that a test has renamed meanwhile is found by name again.
    await pool.query(statement).catch(cut)
  }
}

/** A statement for each table, those that refer to another first, and for each sequence. */
const emptying = `
select text from (
  select format('delete from %I.%I', n.nspname, c.relname) as text, exists (
    select from pg_constraint k where k.conrelid = c.oid and k.contype = 'f'
  ) as refers
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('perdure', 'perdure_watch') and c.relkind = 'r' and c.relname <> 'schema_migrations'
  union all
  select format('select setval(%L, 1, false)', format('%I.%I', schemaname, sequencename)), false
  from pg_sequences where schemaname in ('perdure', 'perdure_watch')
) it order by refers desc`

/** A database of a server; its schema `perdure` is emptied by `reset`. */
export const openPostgres = (
  url: Redacted.Redacted,
  options: { readonly maxConnections?: number } = {}
): Effect.Effect<TestDatabase, TestDatabaseError, Scope.Scope> =>
  Effect.gen(function* () {
    const layer = Pool.layer({ url, maxConnections: options.maxConnections ?? 20 })
    const pool = Context.get(yield* Layer.build(layer), Pool.PgPool)
    const reset = Effect.scoped(
      Effect.flatMap(pool.acquire, (connection) => connection.execute({ name: "reset", text: truncate }))
    )
    return yield* build("many", pool, () => Effect.runPromise(Effect.asVoid(reset)))
  })

const truncate = `
do $reset$ begin
  execute (
    select 'truncate ' || string_agg(format('%I.%I', schemaname, tablename), ', ') || ' restart identity cascade'
    from pg_tables where schemaname in ('perdure', 'perdure_watch') and tablename <> 'schema_migrations'
  );
end $reset$`
