import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Node from "../../src/definition/Node.js"
import { NodeContext } from "../../src/definition/NodeContext.js"
import * as NodeOutcome from "../../src/definition/NodeOutcome.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Declined } from "./fixtures.js"
import { Calls, Decision, Stepped, stepped } from "./stepFixtures.js"
import { scenario } from "./world.js"

const { Number: N } = Schema

/** Lets an hour pass for a run whose timers stand in its rows. */
const hourLater = [
  "update perdure.run_steps set not_before = not_before - interval '1 hour'",
  "update perdure.run_node_state set not_before = not_before - interval '1 hour'",
  "update perdure.run_state set due_at = due_at - interval '1 hour'"
]

const Orders = Node.trigger("orders", { payload: N, repeated: 2, outputs: { out: N } })
const Collected = Workflow.make("collected", { version: 1 })
  .node("orders", Orders, () => ({}))
  .output(({ orders }) => ({ sums: orders.out }))

scenario(
  "a trigger's firing that waits in a step keeps its event, and the next event goes to the next firing",
  (world) =>
    Effect.gen(function* () {
      const { engine } = yield* world.start({
        settings: { idleMs: 0 },
        workflows: Collected.layer.pipe(
          Layer.provide(Orders.toLayer((_, amount) => Effect.as(Step.sleep("an hour", "1 hour"), { out: amount })))
        )
      })
      yield* engine.start(Collected, {}, { runId: "a" })
      yield* engine.trigger(Collected, "a", "orders", 1, { inputId: "1" })
      yield* world.untilRow("select from perdure.run_steps where firing = 1")
      yield* engine.trigger(Collected, "a", "orders", 2, { inputId: "2" })
      yield* world.untilRow("select from perdure.run_steps where firing = 2")
      yield* world.untilReleased("a")
      yield* Effect.forEach(hourLater, (text) => world.sql(text))
      expect(yield* engine.await(Collected, "a")).toEqual({ sums: [1, 2] })
    })
)

scenario("a run whose handler sleeps can be cancelled", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      settings: { idleMs: 0 },
      workflows: stepped(() => Effect.as(Step.sleep("an hour", "1 hour"), "slept"))
    })
    yield* engine.start(Stepped, { n: 1 }, { runId: "a" })
    yield* world.untilReleased("a")
    yield* engine.cancel("a")
    expect((yield* engine.awaitEnd("a")).status).toBe("cancelled")
  })
)

scenario("a signal to a run that is paused is taken when it is resumed", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      settings: { idleMs: 0 },
      workflows: stepped(() => Effect.map(Step.awaitSignal(Decision), ({ by }) => by))
    })
    yield* engine.start(Stepped, { n: 1 }, { runId: "a" })
    yield* world.until("a", "suspended")
    yield* engine.pause("a")
    yield* world.until("a", "paused")
    yield* engine.signal(Stepped, "a", "work", Decision, { by: "ada" }, { inputId: "1" })
    yield* world.untilRow("select from perdure.trigger_inputs where status = 'applied'")
    expect((yield* world.run("a")).status).toBe("paused")
    yield* engine.resume("a")
    expect(yield* engine.await(Stepped, "a")).toEqual({ out: "ada" })
  })
)

const Slow = Node.make("slow", {
  inputs: { n: N },
  outputs: { out: N },
  error: Declined,
  heartbeat: "2 seconds",
  retry: { times: 1, schedule: Schedule.spaced(0) }
})
const Beating = Workflow.make("beating", { version: 1, input: { n: N } })
  .node("slow", Slow, ({ input }) => ({ n: input.n }))
  .output(({ slow }) => ({ out: slow.out }))

scenario("an attempt without a heartbeat fails as a time-out, and the next one knows how far it was", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: Beating.layer.pipe(
        Layer.provide(
          Slow.toLayer(() =>
            Effect.gen(function* () {
              const { attempt } = yield* NodeContext
              const done = yield* Step.lastHeartbeat(N)
              if (attempt > 1) return { out: Option.getOrElse(done, () => 0) }
              yield* Step.heartbeat(N, 1)
              yield* Step.run("inside", {}, Step.heartbeat(N, 2))
              return yield* Effect.never
            })
          )
        )
      )
    })
    yield* engine.start(Beating, { n: 1 }, { runId: "a" })
    expect(yield* engine.await(Beating, "a")).toEqual({ out: 2 })
    expect((yield* world.firings("a"))["slow/1"]).toMatchObject({ attempt: 2, crashes: 0 })
  })
)

scenario("an attempt that gives heartbeats may take longer than the time between two", (world) =>
  Effect.gen(function* () {
    const beat = (n: number) => Effect.zipRight(Effect.sleep("300 millis"), Step.heartbeat(N, n))
    const { engine } = yield* world.start({
      workflows: Beating.layer.pipe(
        Layer.provide(
          Slow.toLayer(({ n }) =>
            Effect.as(
              Effect.forEach(Array.from({ length: n }), (_, index) => beat(index)),
              { out: n }
            )
          )
        )
      )
    })
    yield* engine.start(Beating, { n: 10 }, { runId: "a" })
    expect(yield* engine.await(Beating, "a")).toEqual({ out: 10 })
    expect((yield* world.firings("a"))["slow/1"]).toMatchObject({ attempt: 1 })
  })
)

const Stubborn = Node.make("stubborn", {
  inputs: { n: N },
  outputs: { out: N },
  error: Declined,
  retry: { times: 2, schedule: Schedule.spaced(0) }
})
const Again = Workflow.make("again", { version: 1, input: { n: N } })
  .node("stubborn", Stubborn, ({ input }) => ({ n: input.n }))
  .output(({ stubborn }) => ({ out: stubborn.out }))

scenario("the next attempt knows the last sign of life, however soon it came after the one before", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      settings: { alwaysEvict: true },
      workflows: Again.layer.pipe(
        Layer.provide(
          Stubborn.toLayer(({ n }) =>
            Effect.gen(function* () {
              const { attempt } = yield* NodeContext
              const done = yield* Step.lastHeartbeat(N)
              if (attempt > 1) return { out: Option.getOrElse(done, () => 0) }
              yield* Effect.forEach(Array.from({ length: n }), (_, index) => Step.heartbeat(N, index + 1))
              return yield* new Declined({ code: 1 })
            })
          )
        )
      )
    })
    yield* engine.start(Again, { n: 10 }, { runId: "a" })
    expect(yield* engine.await(Again, "a")).toEqual({ out: 10 })
  })
)

scenario("the next attempt of a node tries what failed again, and keeps what succeeded", (world) =>
  Effect.gen(function* () {
    const calls = new Calls()
    const { engine } = yield* world.start({
      workflows: Again.layer.pipe(
        Layer.provide(
          Stubborn.toLayer(() =>
            Effect.gen(function* () {
              const good = yield* Step.run("good", { success: N }, Effect.as(calls.note("good"), 1))
              const bad = Effect.suspend(() =>
                calls.of["bad"] === 3 ? Effect.succeed(good) : Effect.fail(new Declined({ code: 1 }))
              )
              const out = yield* Step.run(
                "bad",
                { success: N, error: Declined },
                Effect.zipRight(calls.note("bad"), bad)
              )
              return { out }
            })
          )
        )
      )
    })
    yield* engine.start(Again, { n: 1 }, { runId: "a" })
    expect(yield* engine.await(Again, "a")).toEqual({ out: 1 })
    expect(calls.of).toEqual({ good: 1, bad: 3 })
  })
)

scenario("the steps of a run that ended long ago are cleaned up", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      settings: { retentionMs: 0, cleanupMs: 20 },
      workflows: stepped(() => Effect.as(Step.run("some", {}, Effect.void), "done"))
    })
    yield* engine.start(Stepped, { n: 1 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    yield* world.untilRow("select where not exists (select from perdure.run_steps)")
  })
)

scenario("a step's result that its schema refuses fails the firing", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: stepped(() => Effect.map(Step.run("bad", { success: N }, Effect.succeed(Number.NaN)), String))
    })
    yield* engine.start(Stepped, { n: 1 }, { runId: "a" })
    const { failure } = yield* engine.awaitEnd("a")
    expect(failure).toContain("step bad: NaN has no JSON form")
  })
)

scenario("however many waits are side by side, each takes a signal of those that are there", (world) =>
  Effect.gen(function* () {
    const allSent = yield* Deferred.make<void>()
    const names = Array.from({ length: 40 }, (_, index) => `s${index}`)
    const { engine } = yield* world.start({
      settings: { idleMs: 0 },
      workflows: stepped(() =>
        Effect.map(
          Effect.zipRight(
            Deferred.await(allSent),
            Effect.forEach(names, (key) => Step.awaitSignal(Decision, { key }), { concurrency: "unbounded" })
          ),
          (decisions) => decisions.map(({ by }) => by).join(" ")
        )
      )
    })
    yield* engine.start(Stepped, { n: 1 }, { runId: "a" })
    yield* Effect.forEach(names, (by) => engine.signal(Stepped, "a", "work", Decision, { by }, { inputId: by }), {
      concurrency: "unbounded"
    })
    yield* world.untilRow("select from perdure.trigger_inputs having count(*) filter (where status = 'applied') = $1", [
      names.length
    ])
    yield* Deferred.succeed(allSent, undefined)
    const { out } = yield* engine.await(Stepped, "a")
    expect(out.split(" ").sort()).toEqual([...names].sort())
  })
)

const Polite = Node.make("polite", { inputs: { n: N }, outputs: { n: N }, resumable: { state: N, input: N } })
const Plain = Node.make("plain", { inputs: { n: N }, outputs: { n: N } })
const Asked = Workflow.make("asked", { version: 1, input: { n: N } })
  .node("plain", Plain, ({ input }) => ({ n: input.n }))
  .node("polite", Polite, ({ plain }) => ({ n: plain.n }))
  .output(({ polite }) => ({ n: polite.n }))

scenario("a firing that suspends remembers its steps when it goes on in the same life", (world) =>
  Effect.gen(function* () {
    let calls = 0
    const handler = Polite.toLayer((_, resume) =>
      Effect.gen(function* () {
        const first = yield* Step.run(
          "first",
          { success: N },
          Effect.sync(() => ++calls)
        )
        return Option.match(resume, {
          onNone: () => NodeOutcome.suspend({ reason: "asks", state: first }),
          onSome: ({ input }) => ({ n: first * 100 + input })
        })
      })
    )
    const plain = Plain.toLayer(({ n }) => Effect.succeed({ n }))
    const { engine } = yield* world.start({ workflows: Asked.layer.pipe(Layer.provide([plain, handler])) })
    yield* engine.start(Asked, { n: 1 }, { runId: "a" })
    yield* world.until("a", "suspended")
    yield* engine.trigger(Asked, "a", "polite", 7, { inputId: "1" })
    expect(yield* engine.await(Asked, "a")).toEqual({ n: 107 })
    expect(calls).toBe(1)
  })
)
