import { describe, expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as EmbeddedDatabase from "../../src/postgres/embedded/EmbeddedDatabase.js"
import { migrate } from "../../src/postgres/Migrations.js"
import * as PgTransactor from "../../src/postgres/PgTransactor.js"
import { layerFromPool, PgPool } from "../../src/postgres/Pool.js"
import { FaultPool } from "../../src/testing/FaultPool.js"
import { LifeScheduler } from "../../src/testing/LifeScheduler.js"
import { type Injection, type Point, PointLog, spell } from "../../src/testing/Points.js"

class Embedded extends Context.Tag("test/Embedded")<Embedded, EmbeddedDatabase.EmbeddedDatabase>() {}

type Pool = Context.Tag.Service<PgPool>

/** Everything that migrations make: columns, indexes, constraints, functions, and what was applied. */
const catalog = `
  select string_agg(it, E'\\n' order by it) as it from (
    select format('%s.%s %s %s', c.relname, a.attname, a.atttypid::regtype, a.attnotnull) as it
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = 'perdure'::regnamespace and a.attnum > 0
    union all select indexdef from pg_indexes where schemaname = 'perdure'
    union all
    select conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'perdure'::regnamespace
    union all select pg_get_functiondef(oid) from pg_proc where pronamespace = 'perdure'::regnamespace
    union all select name || ' ' || checksum from perdure.schema_migrations
  ) all_of_it`

/** A process that migrates, and dies where it is told to; gives the points that it passed. */
const migrateOnce = async (base: Pool, injections: ReadonlyArray<Injection>): Promise<ReadonlyArray<Point>> => {
  const points = new PointLog(injections)
  const scheduler = new LifeScheduler()
  let died: (end: "died") => void
  const death = new Promise<"died">((resolve) => {
    died = resolve
  })
  const connections = new FaultPool(base, {
    pass: (kind, name) => points.pass(kind, name),
    kill: () => {
      scheduler.kill()
      died("died")
    },
    pause: () => Promise.resolve(true),
    sessionsTimeOut: () => true,
    busy: () => () => undefined,
    preamble: () => "",
    time: () => ({ name: "nothing", text: "select", values: [] }),
    session: { time: undefined },
    statementwise: true,
    rewrite: (query) => query,
    sessions: "one"
  })
  const transactor = PgTransactor.layer.pipe(Layer.provide(Layer.succeed(PgPool, connections.pool)))
  const life = new Promise<Exit.Exit<unknown, unknown>>((resolve) => {
    Effect.runFork(Effect.provide(migrate(), transactor), { immediate: false, scheduler }).addObserver(resolve)
  })
  const end = await Promise.race([life, death])
  if (end === "died") await connections.end()
  else expect(Exit.isSuccess(end)).toBe(true)
  return points.passed
}

describe("A6", () => {
  const database = Layer.scoped(Embedded, Effect.orDie(EmbeddedDatabase.open({ dataDir: undefined })))
  layer(database, { timeout: 120_000 })((it) => {
    it.effect(
      "a death after any statement of a migration: the next start brings the schema to the same",
      () =>
        Effect.scoped(
          Effect.gen(function* () {
            const embedded = yield* Embedded
            const base = Context.get(yield* Layer.build(layerFromPool(embedded.pool)), PgPool)
            yield* Effect.promise(async () => {
              const schema = async () => (await embedded.pool.query<{ it: string }>(catalog)).rows[0]?.it
              const clear = () => embedded.pool.query("drop schema if exists perdure cascade")
              await clear()
              const points = await migrateOnce(base, [])
              const whole = await schema()
              // What is there before a statement is what is there after the one before it.
              const deaths = points.map(({ name, occurrence }) => ({ name, occurrence, mode: "after" as const }))
              expect(deaths.length).toBeGreaterThan(50)
              for (const death of deaths) {
                await clear()
                await migrateOnce(base, [death])
                await migrateOnce(base, [])
                expect(await schema(), spell(death)).toBe(whole)
              }
            })
          })
        ),
      300_000
    )
  })
})
