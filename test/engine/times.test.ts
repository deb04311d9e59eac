import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Step from "../../src/definition/Step.js"
import { Approved, Chain } from "./fixtures.js"
import { approved, chain } from "./handlers.js"
import { Stepped, stepped } from "./stepFixtures.js"
import { scenario } from "./world.js"

const hour = 3_600_000

/** Time passes for everybody: the database's clock is later by so much. */
const shift = (ms: number) =>
  `create or replace function perdure.clock() returns timestamptz language sql stable parallel safe
   as 'select pg_catalog.now() + interval ''${ms} milliseconds'''`

scenario("a run that starts later waits in its rows until its time", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain() })
    const startAt = new Date(Date.now() + hour)
    expect(yield* engine.start(Chain, { n: 1 }, { runId: "a", startAt })).toMatchObject({ status: "suspended" })
    expect(yield* world.run("a")).toMatchObject({ status: "suspended", worker: null })
    expect(yield* world.firings("a")).toEqual({})
    expect((yield* engine.resumability("a")).dueAt?.getTime()).toBe(startAt.getTime())
    yield* world.sql(`update perdure.run_state set due_at = due_at - interval '1 hour',
      frontier = jsonb_set(frontier, '{startAt}', to_jsonb((frontier->>'startAt')::float8 - ${hour}))`)
    expect(yield* engine.await(Chain, "a")).toEqual({ n: 4 })
    expect(yield* world.sql("select from perdure.run_state where frontier ? 'startAt'")).toEqual([])
  })
)

scenario("an event for a run that has not begun is kept for it", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved() })
    const startAt = new Date(Date.now() + 300)
    yield* engine.start(Approved, { n: 1 }, { runId: "a", startAt })
    yield* engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
    expect(yield* engine.await(Approved, "a")).toMatchObject({ n: { value: 4 } })
    const early = "select from perdure.firings where node_id = 'first' and started_at < to_timestamp($1::float8 / 1000)"
    expect(yield* world.sql(early, [startAt.getTime()])).toEqual([])
  })
)

scenario("a run that has not ended by its deadline has failed, what runs is interrupted", (world) =>
  Effect.gen(function* () {
    const interrupted = yield* Deferred.make<void>()
    const { engine } = yield* world.start({
      workflows: chain(() => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)))
    })
    yield* engine.start(Chain, { n: 1 }, { runId: "a", deadline: new Date(Date.now() + 3_000) })
    expect(yield* Effect.flip(engine.await(Chain, "a"))).toMatchObject({
      failure: { kind: "timeout", message: "its deadline has passed" }
    })
    yield* Deferred.await(interrupted)
  })
)

scenario(
  "a deadline that passed while the run waited in its rows, or while nobody was there, fails it",
  (world) =>
    Effect.gen(function* () {
      const first = yield* world.start({ workflows: approved(), settings: { idleMs: 0 } })
      const deadline = new Date(Date.now() + hour)
      yield* first.engine.start(Approved, { n: 1 }, { runId: "a", deadline })
      yield* world.untilReleased("a")
      expect((yield* first.engine.resumability("a")).dueAt?.getTime()).toBe(deadline.getTime())
      yield* first.stop
      yield* world.sql(shift(hour))
      const second = yield* world.start({ workflows: approved() })
      expect((yield* second.engine.awaitEnd("a")).status).toBe("failed")
    }),
  { fresh: true }
)

scenario("a run that failed by its deadline goes on without one, if somebody wants it to", (world) =>
  Effect.gen(function* () {
    let isLate = true
    const { engine } = yield* world.start({ workflows: chain(() => (isLate ? Effect.never : Effect.void)) })
    yield* engine.start(Chain, { n: 1 }, { runId: "a", deadline: new Date(Date.now() + 1_000) })
    expect(yield* Effect.flip(engine.await(Chain, "a"))).toMatchObject({ failure: { kind: "timeout" } })
    isLate = false
    yield* engine.retry("a")
    yield* world.until("a", "completed")
    expect(yield* engine.await(Chain, "a")).toEqual({ n: 4 })
  })
)

scenario("a run that ends in time knows nothing of its deadline", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain() })
    yield* engine.start(Chain, { n: 1 }, { runId: "a", deadline: new Date(Date.now() + hour) })
    expect(yield* engine.await(Chain, "a")).toEqual({ n: 4 })
  })
)

scenario("times that can't be are refused, and nothing is started", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain() })
    const start = (times: { readonly startAt?: Date; readonly deadline?: Date }) =>
      Effect.flip(engine.start(Chain, { n: 1 }, { runId: "a", ...times }))
    expect(yield* start({ startAt: new Date(Number.NaN) })).toMatchObject({ _tag: "InvalidInput", field: "startAt" })
    const now = new Date()
    expect(yield* start({ startAt: now, deadline: now })).toMatchObject({ _tag: "InvalidInput", field: "deadline" })
    expect(yield* world.sql("select from perdure.run_state")).toEqual([])
  })
)

scenario(
  "timers that came due while everything was down go off at the start, the earliest first",
  (world) =>
    Effect.gen(function* () {
      const order: Array<number> = []
      const sleepers = stepped((n) =>
        Effect.as(
          Effect.zipRight(
            Step.sleep("hours", `${n} hours`),
            Effect.sync(() => order.push(n))
          ),
          "slept"
        )
      )
      const first = yield* world.start({ workflows: sleepers, settings: { idleMs: 0 } })
      const hours = [3, 1, 2]
      for (const n of hours) yield* first.engine.start(Stepped, { n }, { runId: `r${n}` })
      for (const n of hours) yield* world.untilReleased(`r${n}`)
      yield* first.stop
      yield* world.sql(shift(5 * hour))
      const second = yield* world.start({ workflows: sleepers, settings: { slots: 1 } })
      for (const n of hours) yield* second.engine.awaitEnd(`r${n}`)
      expect(order).toEqual([1, 2, 3])
    }),
  { fresh: true }
)
