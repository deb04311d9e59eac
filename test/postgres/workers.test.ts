import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { StateStore } from "../../src/store/StateStore.js"
import { type StoredDefinition, Workers } from "../../src/store/Workers.js"
import { both, definition, incarnation, one, query, sql, start, transact } from "./harness.js"

const register = (number: number, exclusive = false, leaseMs = 60_000) =>
  Effect.flatMap(Workers, (workers) =>
    transact(
      workers.register({
        incarnation: incarnation(number),
        workerId: `w${number}\u0000`,
        leaseMs,
        process: null,
        exclusive
      })
    )
  )

const heartbeat = (number: number, definitions = [definition]) =>
  Effect.flatMap(Workers, (workers) => transact(workers.heartbeat(incarnation(number), definitions)))

const alive = Effect.flatMap(Workers, (workers) =>
  Effect.map(transact(workers.list), (list) => Object.fromEntries(list.map((one) => [one.incarnation, one.alive])))
)

const stored: StoredDefinition = { ...definition, hash: "h1", graph: '{"nodes":[]}' }

const define = (...definitions: ReadonlyArray<StoredDefinition>) =>
  Effect.flatMap(Workers, (workers) => transact(workers.define(definitions)))

describe("a worker", () => {
  both(
    "is alive until its heartbeat is older than its lease",
    Effect.gen(function* () {
      yield* register(1, false, 10_000)
      yield* register(2)
      yield* query("update perdure.workers set heartbeat_at = heartbeat_at - interval '11 s'")
      expect(yield* alive).toEqual({ [incarnation(1)]: false, [incarnation(2)]: true })
      expect(yield* heartbeat(1)).toBe(true)
      expect(yield* alive).toEqual({ [incarnation(1)]: true, [incarnation(2)]: true })
    })
  )

  both(
    "that left, or is unknown, is told so by its next heartbeat, and stays dead",
    Effect.gen(function* () {
      yield* register(1)
      const workers = yield* Workers
      yield* transact(workers.leave(incarnation(1)))
      expect(yield* heartbeat(1)).toBe(false)
      expect(yield* heartbeat(9)).toBe(false)
      expect(yield* alive).toEqual({ [incarnation(1)]: false })
    })
  )

  both(
    "that has the database for itself takes every other for dead",
    Effect.gen(function* () {
      yield* register(1)
      yield* register(2)
      yield* register(3, true)
      expect(yield* alive).toEqual({ [incarnation(1)]: false, [incarnation(2)]: false, [incarnation(3)]: true })
    })
  )

  both(
    "registered twice, after a lost acknowledgement, is one worker",
    Effect.gen(function* () {
      yield* register(1)
      yield* register(1)
      expect(yield* one("select count(*)::int4 as count, max(worker_id) as id from perdure.workers")).toEqual({
        count: 1,
        id: "w1\ufffd"
      })
    })
  )

  both(
    "is forgotten when it is dead and holds nothing, and not before",
    Effect.gen(function* () {
      for (const number of [1, 2, 3]) yield* register(number)
      const states = yield* StateStore
      const held = start("a", { worker: incarnation(1), ready: false }, { fence: 1, status: "running" })
      yield* transact(states.start([held]))
      const workers = yield* Workers
      yield* transact(Effect.zip(workers.leave(incarnation(1)), workers.leave(incarnation(2))))
      expect(yield* transact(workers.cleanup)).toBe(1)
      expect(Object.keys(yield* alive).sort()).toEqual([incarnation(1), incarnation(3)])
    })
  )

  both(
    "whose session is gone is declared dead only if its heart has not beaten since it was seen",
    Effect.gen(function* () {
      const workers = yield* Workers
      const beat = transact(workers.heartbeat(incarnation(2), [definition], { session: "7", room: 3 }))
      const seen = transact(workers.rivals(incarnation(1)))
      yield* register(1)
      yield* register(2)
      // One without a session is nobody's business.
      expect(yield* seen).toEqual([])
      yield* beat
      const first = yield* seen
      expect(first).toMatchObject([{ incarnation: incarnation(2), gone: true }])
      yield* beat
      expect(yield* transact(workers.declareDead(first))).toBe(0)
      expect(yield* transact(workers.declareDead(yield* seen))).toBe(1)
      expect(yield* alive).toEqual({ [incarnation(1)]: true, [incarnation(2)]: false })
      expect(yield* beat).toBe(false)
      expect(yield* seen).toEqual([])
      expect(yield* one("select serves::text, room from perdure.workers where worker_id like 'w2%'")).toEqual({
        serves: "{order@1}",
        room: 3
      })
    })
  )

  both(
    "whose session is there is not gone, whoever else has locks",
    Effect.gen(function* () {
      const workers = yield* Workers
      yield* register(2)
      yield* transact(workers.heartbeat(incarnation(2), [], { session: "-9223372036854775807", room: 0 }))
      const locked = yield* transact(
        Effect.zipRight(
          sql("select pg_advisory_xact_lock((-9223372036854775807)::int8), pg_advisory_xact_lock(8)"),
          workers.rivals(incarnation(1))
        )
      )
      expect(locked).toMatchObject([{ gone: false }])
    })
  )

  both(
    "reads the database's clock",
    Effect.gen(function* () {
      const workers = yield* Workers
      const now = yield* transact(workers.clock)
      const { there } = yield* one("select (extract(epoch from now()) * 1000)::float8 as there")
      expect(Number(there)).toBeGreaterThanOrEqual(now)
      expect(Number(there) - now).toBeLessThan(60_000)
    })
  )
})

describe("a definition", () => {
  both(
    "is stored once; who has another of the same name and version is shown the first",
    Effect.gen(function* () {
      const other = { ...stored, workflow: "other" }
      expect(yield* define(stored, other)).toEqual([stored, other])
      expect(yield* define(other, { ...stored, hash: "h2", graph: "{}" })).toEqual([other, stored])
      expect(yield* define()).toEqual([])
    })
  )

  both(
    "is served as long as some worker's heart beats for it, its row moved at most every 5 seconds",
    Effect.gen(function* () {
      yield* define(stored)
      yield* register(1)
      const servedAt = Effect.map(one("select served_at::text as at from perdure.definitions"), ({ at }) => at)
      const grow = (seconds: number) =>
        query("update perdure.definitions set served_at = perdure.clock() - make_interval(secs => $1::int4)", [seconds])
      yield* grow(1)
      const young = yield* servedAt
      yield* heartbeat(1)
      expect(yield* servedAt).toBe(young)
      yield* grow(100)
      const old = yield* servedAt
      yield* heartbeat(1, [])
      yield* heartbeat(9)
      expect(yield* servedAt).toBe(old)
      yield* heartbeat(1)
      expect(yield* servedAt).not.toBe(old)
    })
  )
})
