import { readFile, writeFile } from "node:fs/promises"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { QueryError } from "../../src/postgres/Connection.js"
import * as EmbeddedDatabase from "../../src/postgres/embedded/EmbeddedDatabase.js"
import { load, type Migration, migrate } from "../../src/postgres/Migrations.js"
import * as PgTransactor from "../../src/postgres/PgTransactor.js"
import * as Pool from "../../src/postgres/Pool.js"
import { SchemaName } from "../../src/postgres/Statement.js"
import type { Transactor } from "../../src/store/Transactor.js"
import { freshDatabase } from "../support/database.js"
import { empty } from "../support/serverDatabase.js"
import { catalog } from "./catalog.js"
import { query } from "./harness.js"

const withPool = (pool: Layer.Layer<Pool.PgPool>) => Layer.provideMerge(PgTransactor.layer, pool)

/** Runs a test on an empty PostgreSQL database. */
const onEmptyDatabase = <A, E>(test: Effect.Effect<A, E, Transactor | Pool.PgPool>): Effect.Effect<A, E> =>
  Effect.scoped(
    Effect.flatMap(freshDatabase(empty), ({ url }) =>
      Effect.provide(test, withPool(Pool.layer({ url: Redacted.make(url) })))
    )
  )

/** Runs a test on an empty embedded database. */
const onEmptyEmbedded = <A, E>(test: Effect.Effect<A, E, Transactor | Pool.PgPool>) =>
  Effect.scoped(
    Effect.flatMap(EmbeddedDatabase.open({ dataDir: undefined }), ({ pool }) =>
      Effect.provide(test, withPool(Pool.layerFromPool(pool)))
    )
  )

const described = new URL("catalog.json", import.meta.url)

/** The catalog as it is checked in; with `UPDATE_CATALOG=1` the present one is checked in. */
const expected = (present: unknown) =>
  Effect.promise(async () => {
    if (process.env["UPDATE_CATALOG"] === "1") await writeFile(described, `${JSON.stringify(present, undefined, 2)}\n`)
    return JSON.parse(await readFile(described, "utf8"))
  })

const first = (count: number) => Effect.map(load, (all) => all.slice(0, count))

describe("migrations", () => {
  it.live("make the tables that are described, on PostgreSQL", () =>
    Effect.gen(function* () {
      const all = yield* load
      expect(yield* migrate()).toEqual(all.map((migration) => migration.name))
      const present = yield* catalog("perdure")
      expect(present).toEqual(yield* expected(present))
    }).pipe(onEmptyDatabase)
  )

  it.live("make the tables that are described, on the embedded database", () =>
    Effect.gen(function* () {
      yield* migrate()
      expect(yield* catalog("perdure")).toEqual(JSON.parse(yield* Effect.promise(() => readFile(described, "utf8"))))
    }).pipe(onEmptyEmbedded)
  )

  it.live("lead from each earlier version to the same tables", () =>
    Effect.gen(function* () {
      const all = yield* load
      for (let version = 1; version < all.length; version++) {
        const schema = SchemaName.make(`from_${version}`)
        expect(yield* migrate(schema, first(version))).toHaveLength(version)
        expect(yield* migrate(schema)).toEqual(all.slice(version).map((migration) => migration.name))
        expect(yield* catalog(schema)).toEqual(JSON.parse(yield* Effect.promise(() => readFile(described, "utf8"))))
      }
    }).pipe(onEmptyDatabase)
  )

  it.live("by many processes at once are applied once", () =>
    Effect.gen(function* () {
      const all = yield* load
      const done = yield* Effect.all(
        Array.from({ length: 5 }, () => migrate()),
        { concurrency: "unbounded" }
      )
      expect(done.flat().sort()).toEqual(all.map((migration) => migration.name))
      expect(yield* query("select id from perdure.schema_migrations order by id")).toEqual(
        all.map((migration) => ({ id: migration.id }))
      )
    }).pipe(onEmptyDatabase)
  )

  it.live("cut off at any statement are gone on with by the next process", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.PgPool
      const all = yield* load
      let statements = 0
      const counted = yield* dyingPool(pool, () => {
        statements++
        return false
      })
      yield* migrate(SchemaName.make("counted")).pipe(Effect.provide(counted))
      for (let death = 1; death <= statements; death += 3) {
        const schema = SchemaName.make(`death_${death}`)
        let left = death
        const dying = yield* dyingPool(pool, () => --left <= 0)
        yield* migrate(schema).pipe(Effect.provide(dying), Effect.flip)
        yield* migrate(schema)
        expect(yield* query(`select id from ${schema}.schema_migrations`)).toHaveLength(all.length)
      }
    }).pipe(onEmptyDatabase)
  )

  it.live("that were changed after they had been applied are refused", () =>
    Effect.gen(function* () {
      yield* migrate()
      const changed = Effect.map(load, (all) =>
        all.map((one): Migration => (one.id === 2 ? { ...one, checksum: "other" } : one))
      )
      expect(yield* Effect.flip(migrate(undefined, changed))).toMatchObject({
        _tag: "MigrationChanged",
        name: "0002_inbox"
      })
    }).pipe(onEmptyDatabase)
  )

  it.live("that this version does not know are refused: the database is newer", () =>
    Effect.gen(function* () {
      yield* migrate()
      expect(yield* Effect.flip(migrate(undefined, first(2)))).toMatchObject({
        _tag: "DatabaseNewer",
        name: "0003_inputs"
      })
    }).pipe(onEmptyDatabase)
  )

  it.live("that fail leave the version before, and say which and why", () =>
    Effect.gen(function* () {
      const broken = Effect.map(first(2), (some) => [
        ...some,
        { id: 3, name: "0003_broken", sql: "create table half (x int); select 1 / 0", checksum: "x" }
      ])
      const error = yield* Effect.flip(migrate(undefined, broken))
      expect(error).toMatchObject({ _tag: "DatabaseError", outcome: "fatal", sqlState: "22012" })
      expect(error.message).toContain("0003_broken")
      expect(yield* query("select to_regclass('perdure.half') as half")).toEqual([{ half: null }])
      expect(yield* migrate(undefined, first(3))).toEqual(["0003_inputs"])
    }).pipe(onEmptyDatabase)
  )

  it.live("need no right to create anything when nothing is pending", () =>
    Effect.gen(function* () {
      yield* migrate()
      const asReader = Effect.map(Pool.PgPool, (pool) =>
        withPool(Layer.succeed(Pool.PgPool, { ...pool, preamble: "; set local role pg_read_all_data" }))
      )
      expect(yield* Effect.provide(migrate(), yield* asReader)).toEqual([])
    }).pipe(onEmptyDatabase)
  )
})

/** A pool whose sessions end at a statement of one's choice, for good. */
const dyingPool = (pool: Pool.PgPool["Type"], dies: () => boolean) =>
  Effect.succeed(
    withPool(
      Layer.succeed(Pool.PgPool, {
        ...pool,
        acquire: Effect.map(pool.acquire, (connection) => ({
          ...connection,
          execute: (statement: Parameters<typeof connection.execute>[0]) =>
            Effect.suspend(() =>
              dies()
                ? Effect.zipRight(
                    connection.destroy,
                    Effect.fail(new QueryError({ sqlState: undefined, reason: "planted death", broken: true }))
                  )
                : connection.execute(statement)
            )
        }))
      })
    )
  )
