import * as SqlClient from "@effect/sql/SqlClient"
import * as PgClient from "@effect/sql-pg/PgClient"
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Str from "effect/String"
import { Approved, Chain } from "./fixtures.js"
import { approved, chain } from "./handlers.js"
import { scenario, type World } from "./world.js"

/** An application's client, with name transforms. */
const client = (world: World) =>
  PgClient.layer({
    url: world.url,
    transformQueryNames: Str.camelToSnake,
    transformResultNames: Str.snakeToCamel
  })

scenario("a start in the caller's transaction is invisible until it commits, and then runs", (world) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { engine } = yield* world.start({ workflows: chain() })
    yield* engine.inTransaction(
      sql,
      Effect.gen(function* () {
        expect(yield* engine.start(Chain, { n: 1 }, { runId: "a" })).toMatchObject({ created: true, status: "pending" })
        expect(yield* world.sql("select from perdure.run_state")).toEqual([])
      })
    )
    expect(yield* engine.await(Chain, "a")).toEqual({ n: 4 })
    // it takes no lease: a worker claims it after the commit
    expect((yield* world.run("a")).fence).toBe(1)
  }).pipe(Effect.provide(client(world)))
)

scenario("many started in the caller's transaction are part of it too", (world) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { engine } = yield* world.start({ workflows: chain() })
    const runs = ["a", "b"].map((runId) => ({ input: { n: 1 }, runId }))
    yield* engine.inTransaction(
      sql,
      Effect.gen(function* () {
        const started = yield* Effect.all(yield* engine.startMany(Chain, runs))
        expect(started.map(({ created }) => created)).toEqual([true, true])
        expect(yield* world.sql("select from perdure.run_state")).toEqual([])
      })
    )
    for (const { runId } of runs) expect(yield* engine.await(Chain, runId)).toEqual({ n: 4 })
  }).pipe(Effect.provide(client(world)))
)

scenario("rolled back, a start and a trigger never were", (world) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { engine } = yield* world.start({ workflows: approved() })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    const failed = engine.inTransaction(
      sql,
      Effect.gen(function* () {
        yield* engine.start(Approved, { n: 1 }, { runId: "b" })
        yield* engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
        return yield* Effect.fail("no")
      })
    )
    expect(yield* Effect.flip(failed)).toBe("no")
    expect(yield* world.sql("select run_id from perdure.run_state")).toEqual([{ run_id: "a" }])
    expect(yield* world.inputs("a")).toEqual([])
  }).pipe(Effect.provide(client(world)))
)

scenario("a trigger in the caller's transaction wakes its run after the commit", (world) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { engine } = yield* world.start({ workflows: approved(), settings: { idleMs: 0, pollMs: 3_600_000 } })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* world.untilReleased("a")
    const send = engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
    expect(yield* engine.inTransaction(sql, send)).toEqual({ accepted: true })
    expect(yield* engine.await(Approved, "a")).toMatchObject({ n: { value: 4 } })
  }).pipe(Effect.provide(client(world)))
)

scenario(
  "a trigger from JSON finds the run that the same transaction has started, and no other that is not there",
  (world) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { engine } = yield* world.start({ workflows: approved(), settings: { idleMs: 0 } })
      const send = (runId: string) =>
        engine.triggerEncoded({ runId, nodeId: "approval", inputId: "1", payload: { approved: true } })
      yield* engine.inTransaction(
        sql,
        Effect.gen(function* () {
          yield* engine.start(Approved, { n: 1 }, { runId: "a" })
          expect(yield* Effect.flip(send("b"))).toMatchObject({ _tag: "RunNotFound" })
          expect(yield* send("a")).toEqual({ accepted: true })
        })
      )
      expect(yield* engine.await(Approved, "a")).toMatchObject({ n: { value: 4 } })
    }).pipe(Effect.provide(client(world)))
)

scenario("a start joins the transaction that is open already, and its idempotency holds inside", (world) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { engine } = yield* world.start({ workflows: chain() })
    const both = Effect.gen(function* () {
      const start = engine.inTransaction(sql, engine.start(Chain, { n: 1 }, { runId: "a" }))
      return [yield* start, yield* start]
    })
    const [first, second] = yield* sql.withTransaction(both)
    expect([first!.created, second!.created]).toEqual([true, false])
    yield* engine.awaitEnd("a")
    const other = engine.inTransaction(sql, engine.start(Chain, { n: 2 }, { runId: "a" }))
    expect(yield* Effect.flip(other)).toMatchObject({ _tag: "RunConflict", field: "input" })
  }).pipe(Effect.provide(client(world)))
)

scenario("awaiting the engine inside a transaction is a typed error, and the transaction is rolled back", (world) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { engine } = yield* world.start({ workflows: chain() })
    const waits = engine.inTransaction(
      sql,
      Effect.flatMap(engine.start(Chain, { n: 1 }, { runId: "a" }), ({ runId }) => engine.await(Chain, runId))
    )
    expect(yield* Effect.flip(waits)).toMatchObject({ _tag: "AwaitInTransaction", runId: "a" })
    expect(yield* world.sql("select from perdure.run_state")).toEqual([])
  }).pipe(Effect.provide(client(world)))
)
