import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Query } from "../../src/postgres/Connection.js"
import { type Stores, layer as stores } from "../../src/postgres/layer.js"
import { PgPool } from "../../src/postgres/Pool.js"
import { type ClaimLook, StateStore } from "../../src/store/StateStore.js"
import { Transactor } from "../../src/store/Transactor.js"
import { TriggerStore } from "../../src/store/TriggerStore.js"
import { Chain } from "../engine/fixtures.js"
import { chain } from "../engine/handlers.js"
import { timedScenario as scenario } from "../engine/world.js"
import { definition, incarnation, onFreshDatabase, query, sql, transact } from "../postgres/harness.js"

const definitions = [definition]
const dead = incarnation(9)

/** Rows that nobody here can execute, in front of everything: older, of a higher priority, and of a dead worker. */
const inTheWay = (count: number) =>
  query(
    `insert into perdure.run_state
       (run_id, workflow, workflow_version, status, version, fence, worker, ready, priority, frontier, created_at)
     select 'x' || n, 'strange', 1, 'pending', 1, n % 2, case when n % 2 = 1 then $2::uuid end, n % 2 = 0, 100,
       '{"nodes":{}}', now() - interval '1 day'
     from generate_series(1, $1::int4) n`,
    [count, dead]
  )

const run = (id: string, columns: string) =>
  query(
    `insert into perdure.run_state (run_id, workflow, workflow_version, status, version, frontier, fence, worker, ready)
     select $1, 'order', 1, 'pending', 1, '{"ended":"","skipped":"","nodes":{}}', ${columns}`,
    [id]
  )

/** Runs that wait, and inputs of runs that are parked. */
const waiting = (count: number) =>
  Effect.gen(function* () {
    yield* query(
      `insert into perdure.run_state
         (run_id, workflow, workflow_version, status, version, fence, ready, due_at, frontier, reason)
       select 'w' || n, 'order', 1, case when n % 20 = 0 then 'parked' else 'suspended' end, 1, 1, false,
         case when n % 20 = 1 then now() + interval '1 day' end, '{}', 'because'
       from generate_series(1, $1::int4) n`,
      [count]
    )
    yield* query(
      `insert into perdure.trigger_inputs (run_id, node_id, input_id, payload, status)
       select run_id, 'n', i::text, '1', 'held' from perdure.run_state, generate_series(1, 2) i where status = 'parked'`
    )
    yield* query("analyze")
  })

/** The statements of one transaction that begin with this name, with what they were given. */
const sent = <A, E>(name: string, effect: Effect.Effect<A, E, Stores>) =>
  Effect.gen(function* () {
    const pool = yield* PgPool
    const seen: Array<Query> = []
    const acquire = Effect.map(pool.acquire, (connection) => ({
      ...connection,
      execute: (one: Query) => {
        if (one.name.startsWith(`perdure.${name}`)) seen.push(one)
        return connection.execute(one)
      }
    }))
    const watched = stores().pipe(Layer.provide(Layer.succeed(PgPool, { acquire, preamble: pool.preamble })))
    const context = yield* Layer.build(watched)
    yield* Effect.provide(effect, context)
    return seen
  }).pipe(Effect.scoped)

/** The pages that a statement looks at. */
const pages = (one: Query) =>
  Effect.gen(function* () {
    const transactor = yield* Transactor
    const explained = sql(`explain (analyze, buffers, timing off, format json) ${one.text}`, one.values ?? [])
    // What it changes is rolled back.
    const [row] = yield* Effect.flip(
      transactor.transact(
        "explain",
        Effect.flatMap(explained, (found) => Effect.fail(found))
      )
    ) as Effect.Effect<ReadonlyArray<Record<string, unknown>>, unknown, never>
    const [top] = row!["QUERY PLAN"] as ReadonlyArray<{ readonly Plan: Readonly<Record<string, number>> }>
    const plan = top!.Plan
    return (plan["Shared Hit Blocks"] ?? 0) + (plan["Shared Read Blocks"] ?? 0)
  })

const looks: ReadonlyArray<ClaimLook> = [
  { _tag: "Ready", definitions },
  { _tag: "Due", definitions },
  { _tag: "Orphaned", definitions }
]

const allLooks = Effect.gen(function* () {
  const transactor = yield* Transactor
  const states = yield* StateStore
  const triggers = yield* TriggerStore
  for (const look of looks) yield* transactor.transact("claim", states.claim(incarnation(1), look, 200))
  yield* transactor.transact(
    "look",
    Effect.zip(triggers.look("input", "0", 1_000), triggers.look("command", "0", 1_000))
  )
})

const pagesOfLooks = Effect.gen(function* () {
  const found = yield* sent("", allLooks)
  return yield* Effect.forEach(
    found.filter((one) => /\.(claim\.(ready|due|orphaned)|look\.)/.test(one.name)),
    (one) => Effect.map(pages(one), (count) => [one.name, count] as const)
  )
})

describe("claims", () => {
  it.live("B8 ten thousand rows that nobody here can execute stand in nobody's way", () =>
    Effect.gen(function* () {
      yield* inTheWay(20_000)
      yield* run("ready", "0, null, true")
      yield* run("orphaned", `1, '${dead}'::uuid, false`)
      // Only who is alive judges the dead.
      yield* query("insert into perdure.workers (incarnation, worker_id, lease_ms) values ($1::uuid, 'one', 60000)", [
        incarnation(1)
      ])
      const states = yield* StateStore
      for (const [look, id] of [
        ["Ready", "ready"],
        ["Orphaned", "orphaned"]
      ] as const) {
        const { claimed } = yield* transact(states.claim(incarnation(1), { _tag: look, definitions }, 10))
        expect(claimed.map(({ row }) => row.runId)).toEqual([id])
      }
    }).pipe(onFreshDatabase())
  )

  it.live("a look touches a few pages, however many runs wait and however many inputs of parked runs there are", () =>
    Effect.gen(function* () {
      yield* waiting(2_000)
      const few = yield* pagesOfLooks
      yield* query(
        `insert into perdure.run_state
           (run_id, workflow, workflow_version, status, version, fence, ready, due_at, frontier, reason)
         select 'more' || n, 'order', 1, 'suspended', 1, 1, false, case when n % 20 = 1 then now() + interval '1 day' end,
           '{}', 'because'
         from generate_series(1, 30000) n`
      )
      yield* query("analyze")
      const many = yield* pagesOfLooks
      expect(few).toHaveLength(5)
      for (const [name, count] of [...few, ...many]) expect([name, count <= 12]).toEqual([name, true])
    }).pipe(onFreshDatabase())
  )
})

scenario(
  "B9 sixteen workers race for a thousand runs: each is claimed once, each step runs once, nobody deadlocks",
  (world) =>
    Effect.gen(function* () {
      const client = yield* world.start({ workflows: Layer.empty, settings: { maxRuns: 0 } })
      const ids = Array.from({ length: 1_000 }, (_, index) => `r${index}`)
      yield* Effect.forEach(ids, (runId, n) => client.engine.start(Chain, { n }, { runId }), { concurrency: 100 })
      const attempts = new Map<string, number>()
      const count = (context: { readonly idempotencyKey: string }) =>
        Effect.sync(() => attempts.set(context.idempotencyKey, (attempts.get(context.idempotencyKey) ?? 0) + 1))
      const options = { workflows: chain(count, count), settings: { maxRuns: 100 } }
      yield* Effect.forEach(ids.slice(0, 16), () => world.start(options), { concurrency: "unbounded" })
      yield* world.untilRow("select from perdure.run_state where status = 'completed' having count(*) = 1000")
      expect(attempts.size).toBe(2_000)
      expect(new Set(attempts.values())).toEqual(new Set([1]))
      expect(yield* world.sql("select max(fence) as fence, min(fence) as least from perdure.run_state")).toEqual([
        { fence: 1, least: 1 }
      ])
      expect(
        yield* world.sql("select deadlocks::int4 as count from pg_stat_database where datname = current_database()")
      ).toEqual([{ count: 0 }])
    })
)
