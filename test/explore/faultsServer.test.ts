import { describe, expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import pg from "pg"
import * as Node from "../../src/definition/Node.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Client } from "../../src/testing/Client.js"
import { Invariants, TestDatabase } from "../../src/testing/index.js"
import type { Injection } from "../../src/testing/Points.js"
import { exploredSettings } from "../../src/testing/Subject.js"
import { World } from "../../src/testing/World.js"
import { type PostgresServer, server } from "../support/postgresServer.js"

/** A server of this file's own, which its tests stop and start, and the database on it. */
class Home extends Context.Tag("test/Home")<
  Home,
  { readonly server: PostgresServer; readonly database: TestDatabase.TestDatabase }
>() {}

const home = Layer.scoped(
  Home,
  Effect.gen(function* () {
    const started = yield* server()
    const database = yield* Effect.orDie(TestDatabase.openPostgres(Redacted.make(started.url), { maxConnections: 3 }))
    return { server: started, database }
  })
)

const step = Node.make("step", { inputs: { v: Schema.Number }, outputs: { v: Schema.Number } })
const Steps = Workflow.make("steps", { version: 1, input: { v: Schema.Number } })
  .node("a", step, ({ input }) => ({ v: input.v }))
  .node("b", step, ({ a }) => ({ v: a.v }))
  .output(({ b }) => ({ v: b.v }))
/** The first step takes a second, so that something can happen meanwhile. */
const slowly = Steps.layer.pipe(
  Layer.provide(step.toLayer(({ v }) => Effect.as(v === 1 ? Effect.sleep("1 second") : Effect.void, { v: v + 1 })))
)

/** Virtual time in which everything must be over. */
const patienceMs = 60_000

/** An empty database, a worker and a client that has asked it for runs. */
const begin = async (
  database: TestDatabase.TestDatabase,
  options: { readonly injections?: ReadonlyArray<Injection>; readonly runs: ReadonlyArray<string> }
) => {
  await database.reset()
  const world = new World({ database, injections: options.injections ?? [] })
  let lives = 0
  const launch = (settings = {}) => {
    const name = `worker ${++lives}`
    return world.start({ name, seed: lives, workflows: slowly, settings: { ...exploredSettings, ...settings } })
  }
  const client = new Client(world)
  let over = 0
  const ask = async (id: string) => {
    await client.start(Steps, { v: 1 }, id)
    await client.ended(id)
    over++
  }
  const first = launch()
  client.serve(first)
  const asked = Promise.all(options.runs.map(ask))
  return {
    world,
    client,
    first,
    launch,
    until: (holds: () => boolean) => world.passUntil(holds, world.clock.now + patienceMs),
    isOver: () => over === options.runs.length,
    asked
  }
}

const statuses = async (database: TestDatabase.TestDatabase) =>
  (await database.query("select run_id || ' ' || status as it from perdure.run_state order by run_id")).map(
    (row) => row["it"]
  )

/** All invariants hold, and nothing else was reported. */
const conclude = async (world: World, database: TestDatabase.TestDatabase) => {
  await world.quiet()
  const ask = (text: string) => database.query(text, world.clock.now)
  expect(await Invariants.check(ask, { atRest: true, watched: true })).toEqual([])
  await world.close()
  expect(world.violations).toEqual([])
}

describe("faults of a server", () => {
  layer(home, { timeout: 120_000 })((it) => {
    const test = (name: string, body: (own: Context.Tag.Service<Home>) => Promise<void>) =>
      it.effect(name, () => Effect.flatMap(Home, (own) => Effect.promise(() => body(own))), 120_000)

    const deaths: ReadonlyArray<Injection> = [
      { name: "start: batch", occurrence: 1, mode: "after" },
      { name: "runs: batch", occurrence: 1, mode: "before" },
      { name: "runs: batch", occurrence: 1, mode: "after" },
      { name: "runs: batch", occurrence: 2, mode: "after" }
    ]
    for (const death of deaths) {
      test(`A5 worker and database die together: ${death.mode} ${death.name} ${death.occurrence}`, async (own) => {
        const { client, first, isOver, launch, until, world } = await begin(own.database, {
          injections: [death],
          runs: ["r"]
        })
        expect(await until(() => first.life === "dead")).toBe(true)
        await own.server.restart("immediate")
        client.serve(launch())
        expect(await until(isOver)).toBe(true)
        expect(await statuses(own.database)).toEqual(["r completed"])
        await conclude(world, own.database)
      })
    }

    for (const mode of ["fast", "immediate"] as const) {
      test(`C1 the database restarts in the middle of a run (${mode})`, async (own) => {
        const { isOver, until, world } = await begin(own.database, { runs: ["r", "s"] })
        expect(await until(() => world.attempts.length === 2)).toBe(true)
        await own.server.restart(mode)
        expect(await until(isOver)).toBe(true)
        expect(await statuses(own.database)).toEqual(["r completed", "s completed"])
        await conclude(world, own.database)
      })
    }

    test("C7 the pool is exhausted for a while", async ({ database }) => {
      const { isOver, until, world } = await begin(database, { runs: ["r", "s"] })
      expect(await until(() => world.attempts.length === 2)).toBe(true)
      const scope = await Effect.runPromise(Scope.make())
      await Effect.runPromise(
        Effect.forEach([1, 2, 3], () => Scope.extend(database.pool.acquire, scope), { discard: true })
      )
      // The commits of both firings, and whatever else wants a connection, wait.
      world.clock.advanceTo(world.clock.now + 1_000)
      while (world.waiting === 0) await new Promise((resolve) => setImmediate(resolve))
      await Effect.runPromise(Scope.close(scope, Exit.void))
      expect(await until(isOver)).toBe(true)
      expect(await statuses(database)).toEqual(["r completed", "s completed"])
      await conclude(world, database)
    })

    test("C7 a transaction is left open for hours", async (own) => {
      const { isOver, launch, until, world, client } = await begin(own.database, { runs: ["r", "s"] })
      expect(await until(() => world.attempts.length === 2)).toBe(true)
      const stranger = new pg.Client({ connectionString: own.server.url })
      await stranger.connect()
      // It keeps a snapshot, and by an input of its own the key of a run.
      await stranger.query("begin isolation level repeatable read")
      await stranger.query("select count(*) from perdure.run_state")
      await stranger.query(
        "insert into perdure.trigger_inputs (run_id, node_id, input_id, payload) values ('r', 'a', 'stray', '1')"
      )
      expect(await until(isOver)).toBe(true)
      world.clock.advanceTo(world.clock.now + 5 * 3_600_000)
      await world.pass(5_000)
      client.serve(launch())
      await client.start(Steps, { v: 1 }, "later")
      await world.passUntil(() => false, world.clock.now + 10_000)
      await stranger.query("rollback")
      await stranger.end()
      expect(await statuses(own.database)).toEqual(["later completed", "r completed", "s completed"])
      await conclude(world, own.database)
    })

    test("C7 a stranger locks the row of one run: the other one ends, and this one when the lock is gone", async (own) => {
      const { isOver, until, world } = await begin(own.database, { runs: ["r", "s"] })
      expect(await until(() => world.attempts.length === 2)).toBe(true)
      const stranger = new pg.Client({ connectionString: own.server.url })
      await stranger.connect()
      await stranger.query("begin")
      await stranger.query("select from perdure.run_state where run_id = 'r' for update")
      const ended = async () => (await statuses(own.database)).includes("s completed")
      expect(await world.passUntil(ended, world.clock.now + patienceMs)).toBe(true)
      await stranger.query("rollback")
      await stranger.end()
      expect(await until(isOver)).toBe(true)
      expect(await statuses(own.database)).toEqual(["r completed", "s completed"])
      await conclude(world, own.database)
    })
  })
})
