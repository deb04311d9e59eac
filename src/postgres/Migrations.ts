import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DatabaseError } from "../model/Errors.js"
import { type Transaction, Transactor } from "../store/Transactor.js"
import { run } from "./Execution.js"
import { migrationFiles } from "./MigrationFiles.js"
import { decodeGuaranteed, rowDecoder } from "./Rows.js"
import { defaultSchema, qualifier, type SchemaName } from "./Statement.js"

/** A migration that was applied reads differently now: migrations are append-only. */
export class MigrationChanged extends Schema.TaggedError<MigrationChanged>()("MigrationChanged", {
  name: Schema.String
}) {
  override get message(): string {
    return `migration ${this.name} was changed after it had been applied`
  }
}

/** The database knows migrations that this version does not: it was migrated by a newer one. */
export class DatabaseNewer extends Schema.TaggedError<DatabaseNewer>()("DatabaseNewer", {
  name: Schema.String
}) {
  override get message(): string {
    return `the database has migration ${this.name}, which this version does not know: start a newer version`
  }
}

/** One file of SQL, one transaction. */
export interface Migration {
  readonly id: number
  /** The name of the file without its ending. */
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/** A migration that was applied. */
interface Applied {
  readonly id: number
  readonly name: string
  readonly checksum: string
}

const fileName = /^(\d{4})_[a-z0-9_]+\.sql$/

/** The migrations of the package, in order. */
export const load: Effect.Effect<ReadonlyArray<Migration>> = Effect.map(Effect.promise(migrationFiles), (files) =>
  files
    .filter(({ file }) => fileName.test(file))
    .sort((left, right) => (left.file < right.file ? -1 : 1))
    .map(({ file, sql: written }): Migration => {
      const sql = written.replaceAll("\r\n", "\n")
      return {
        id: Number(file.slice(0, 4)),
        name: file.replace(/\.sql$/, ""),
        sql,
        checksum: createHash("sha256").update(sql).digest("hex")
      }
    })
)

/**
 * Brings a schema to the present version; gives the names of the migrations it applied.
 *
 * **Details** Each file is one transaction, under an advisory lock, so that several processes may do this at once and a
 * death between two files leaves a schema of an earlier version. When nothing is pending it only reads, so that the
 * runtime role needs no DDL.
 *
 * **Errors** `MigrationChanged`, `DatabaseNewer`, and `DatabaseError` for everything the database refuses.
 */
export const migrate = (
  schema: SchemaName = defaultSchema,
  migrations: Effect.Effect<ReadonlyArray<Migration>> = load
): Effect.Effect<ReadonlyArray<string>, DatabaseError | MigrationChanged | DatabaseNewer, Transactor> =>
  Effect.gen(function* () {
    const transactor = yield* Transactor
    const known = yield* migrations
    const applied = yield* transactor.transact("migrate", readApplied(schema))
    yield* compare(known, applied)
    const done: Array<string> = []
    for (const migration of known.slice(applied.length)) {
      const step = apply(schema, known, migration)
      if (yield* transactor.transact(`migrate ${migration.name}`, step, patience)) done.push(migration.name)
    }
    return done
  })

/** A migration waits for another process that migrates, and may take its time on a large database. */
const patience = { lockTimeout: "5 minutes", statementTimeout: "1 hour" } as const

const decodeApplied = rowDecoder(
  "schema_migrations",
  Schema.Struct({ id: Schema.Int, name: Schema.String, checksum: Schema.String }),
  ["id"]
)

const decodeThere = rowDecoder("schema_migrations", Schema.Struct({ there: Schema.Boolean }), [])

/** What was applied says the same as what is known, as far as it goes. */
const compare = (
  known: ReadonlyArray<Migration>,
  applied: ReadonlyArray<Applied>
): Effect.Effect<void, MigrationChanged | DatabaseNewer> =>
  Effect.forEach(
    applied,
    (one, index): Effect.Effect<void, MigrationChanged | DatabaseNewer> => {
      const migration = known[index]
      if (migration === undefined) return Effect.fail(new DatabaseNewer({ name: one.name }))
      return migration.checksum === one.checksum && migration.id === one.id
        ? Effect.void
        : Effect.fail(new MigrationChanged({ name: one.name }))
    },
    { discard: true }
  )

const tableOf = (schema: SchemaName): string => `${qualifier(schema)}.schema_migrations`

/** Runs SQL of a migration; without parameters it may be several statements. */
const step = (schema: SchemaName, name: string, text: string, parameters: ReadonlyArray<unknown> = []) =>
  run({ name: `${schema}.migrations.${name}`, text }, parameters)

/** Asks the catalog's tables: `to_regclass` may answer from a cache that is older than the lock just waited for. */
const isThere = (schema: SchemaName, name: string, from: string) =>
  step(schema, name, `select exists (select from ${from}) as there`).pipe(
    Effect.flatMap((rows) => decodeGuaranteed("migrate", decodeThere, rows)),
    Effect.map(([row]) => row?.there === true)
  )

const readApplied = (schema: SchemaName): Effect.Effect<ReadonlyArray<Applied>, DatabaseError, Transaction> =>
  Effect.gen(function* () {
    const table = `pg_catalog.pg_tables where schemaname = '${schema}' and tablename = 'schema_migrations'`
    if (!(yield* isThere(schema, "isTableThere", table))) return []
    const rows = yield* step(schema, "list", `select id, name, checksum from ${tableOf(schema)} order by id`)
    return yield* decodeGuaranteed("migrate", decodeApplied, rows)
  })

/** Applies one migration unless somebody else did before we got the lock; gives whether we did. */
const apply = (schema: SchemaName, known: ReadonlyArray<Migration>, migration: Migration) =>
  Effect.gen(function* () {
    const lock = `select pg_advisory_xact_lock(hashtextextended('perdure migrations of ${schema}', 0))`
    yield* step(schema, "lock", lock)
    const applied = yield* readApplied(schema)
    yield* compare(known, applied)
    if (applied.length >= migration.id) return false
    if (applied.length === 0) yield* prepare(schema)
    yield* step(schema, "searchPath", `set local search_path = ${qualifier(schema)}`)
    yield* step(schema, migration.name, migration.sql)
    const record = `insert into ${tableOf(schema)} (id, name, checksum) values ($1::int4, $2, $3)`
    yield* step(schema, "record", record, [migration.id, migration.name, migration.checksum])
    return true
  })

/** The schema, unless an administrator made it for a role that may not, and the table of migrations. */
const prepare = (schema: SchemaName) =>
  Effect.gen(function* () {
    if (!(yield* isThere(schema, "isSchemaThere", `pg_catalog.pg_namespace where nspname = '${schema}'`))) {
      yield* step(schema, "createSchema", `create schema ${qualifier(schema)}`)
    }
    const text = `
      create table if not exists ${tableOf(schema)} (
        id integer primary key, name text not null, checksum text not null,
        applied_at timestamptz not null default pg_catalog.now()
      )`
    yield* step(schema, "createTable", text)
  })
