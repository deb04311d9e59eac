import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as PgClient from "@effect/sql-pg/PgClient"
import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Str from "effect/String"
import * as Step from "../../src/definition/Step.js"
import { Engine } from "../../src/Engine.js"
import { Chain, Declined } from "./fixtures.js"
import { chain } from "./handlers.js"
import { Calls, Stepped, stepped } from "./stepFixtures.js"
import { scenario, type World } from "./world.js"

const { Number: N } = Schema

/** An application's client, with name transforms. */
const client = (world: World) =>
  PgClient.layer({
    url: world.url,
    transformQueryNames: Str.camelToSnake,
    transformResultNames: Str.snakeToCamel
  })

const prepared = (world: World) =>
  Effect.zipRight(
    world.sql("create table if not exists public.entries (amount integer primary key)"),
    world.sql("delete from public.entries")
  )

const entries = (world: World) => world.sql("select amount from public.entries order by amount")

/** Writes an entry and gives its amount. */
const book = (sql: SqlClient.SqlClient, amount: number) =>
  Effect.as(sql`insert into entries ${sql.insert({ amount })}`, amount)

scenario("what a transaction step writes and that it was done become true together, once", (world) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* prepared(world)
    const calls = new Calls()
    const arrived = yield* Deferred.make<void>()
    const steps = (after: Effect.Effect<unknown>) => (n: number) =>
      Effect.gen(function* () {
        const work = Effect.zipRight(calls.note("book"), book(sql, n))
        const amount = yield* Step.transaction("book", { success: N }, sql, work)
        yield* after
        return String(amount)
      })
    const first = yield* world.start({
      workflows: stepped(steps(Effect.zipRight(Deferred.succeed(arrived, undefined), Effect.never)))
    })
    yield* first.engine.start(Stepped, { n: 7 }, { runId: "a" })
    yield* Deferred.await(arrived)
    expect(yield* entries(world)).toEqual([{ amount: 7 }])
    yield* world.kill(first)
    const second = yield* world.start({ workflows: stepped(steps(Effect.void)) })
    expect(yield* second.engine.await(Stepped, "a")).toEqual({ out: "7" })
    expect(calls.of).toEqual({ book: 1 })
  }).pipe(Effect.provide(client(world)))
)

scenario("a typed error rolls its transaction back, and is the handler's to catch", (world) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* prepared(world)
    const { engine } = yield* world.start({
      workflows: stepped((n) =>
        Step.transaction(
          "book",
          { error: Declined },
          sql,
          Effect.zipRight(book(sql, n), new Declined({ code: n }))
        ).pipe(
          Effect.as("booked"),
          Effect.catchAll(({ code }) => Effect.succeed(`declined ${code}`))
        )
      )
    })
    yield* engine.start(Stepped, { n: 7 }, { runId: "a" })
    expect(yield* engine.await(Stepped, "a")).toEqual({ out: "declined 7" })
    expect(yield* entries(world)).toEqual([])
  }).pipe(Effect.provide(client(world)))
)

scenario("a worker that lost the run while its transaction was open changes nothing", (world) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* prepared(world)
    const arrived = yield* Deferred.make<void>()
    const opened = yield* Deferred.make<void>()
    const slow = yield* world.start({
      workflows: stepped((n) => {
        const stands = Effect.zipRight(Deferred.succeed(arrived, undefined), Deferred.await(opened))
        return Effect.map(
          Step.transaction("book", { success: N }, sql, Effect.zipRight(stands, book(sql, n + 1))),
          String
        )
      })
    })
    yield* slow.engine.start(Stepped, { n: 7 }, { runId: "a" })
    yield* Deferred.await(arrived)
    slow.freeze()
    yield* world.expire(slow)
    const second = yield* world.start({
      workflows: stepped((n) => Effect.map(Step.transaction("book", { success: N }, sql, book(sql, n)), String))
    })
    expect(yield* second.engine.await(Stepped, "a")).toEqual({ out: "7" })
    yield* Deferred.succeed(opened, undefined)
    slow.unfreeze()
    yield* slow.stop
    expect(yield* entries(world)).toEqual([{ amount: 7 }])
  }).pipe(Effect.provide(client(world)))
)

scenario("a COMMIT whose acknowledgement is lost is looked for in the row, and not done again", (world) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* prepared(world)
    const calls = new Calls()
    const lost = Effect.die(new SqlError({ cause: new Error("Connection terminated unexpectedly") }))
    const losing: SqlClient.SqlClient = Object.assign(Object.create(sql), {
      withTransaction: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.zipRight(sql.withTransaction(effect), lost)
    })
    const { engine } = yield* world.start({
      workflows: stepped((n) =>
        Effect.map(
          Step.transaction("book", { success: N }, losing, Effect.zipRight(calls.note("book"), book(sql, n))),
          String
        )
      )
    })
    yield* engine.start(Stepped, { n: 7 }, { runId: "a" })
    expect(yield* engine.await(Stepped, "a")).toEqual({ out: "7" })
    expect(calls.of).toEqual({ book: 1 })
    expect(yield* entries(world)).toEqual([{ amount: 7 }])
  }).pipe(Effect.provide(client(world)))
)

scenario("an error of SQL fails the attempt, and what the engine was asked inside is rolled back with it", (world) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* prepared(world)
    const process = yield* world.start({ workflows: chain() })
    const steps = yield* world.start({
      workflows: stepped((n) =>
        Effect.as(
          Step.transaction(
            "book",
            {},
            sql,
            Effect.gen(function* () {
              const engine = yield* Engine
              yield* Effect.orDie(engine.start(Chain, { n }, { runId: "b" }))
              yield* book(sql, n)
              yield* book(sql, n)
            }).pipe(Effect.provideService(Engine, process.engine))
          ),
          "booked"
        )
      )
    })
    yield* steps.engine.start(Stepped, { n: 7 }, { runId: "a" })
    const { failure } = yield* steps.engine.awaitEnd("a")
    expect(JSON.parse(failure!)).toMatchObject({ kind: "defect", nodeId: "work" })
    expect(yield* entries(world)).toEqual([])
    expect(yield* world.sql("select run_id from perdure.run_state")).toEqual([{ run_id: "a" }])
  }).pipe(Effect.provide(client(world)))
)
