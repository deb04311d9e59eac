import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { NodeContext } from "../../src/definition/NodeContext.js"
import * as Step from "../../src/definition/Step.js"
import { Declined } from "./fixtures.js"
import { makeGate } from "./handlers.js"
import { Calls, Decision, Progress, Stepped, stepped } from "./stepFixtures.js"
import { scenario } from "./world.js"

const { Number: N, String: S } = Schema

scenario("a step that was committed is not run again by the process that takes over", (world) =>
  Effect.gen(function* () {
    const calls = new Calls()
    const gate = yield* makeGate
    const steps = (hook: Effect.Effect<unknown, never, NodeContext>) => () =>
      Effect.gen(function* () {
        const key = yield* Step.run(
          "charge",
          { success: S },
          Effect.zipRight(
            calls.note("charge"),
            Effect.map(NodeContext, ({ idempotencyKey }) => idempotencyKey)
          )
        )
        yield* hook
        return key
      })
    const first = yield* world.start({ workflows: stepped(steps(Effect.flatMap(NodeContext, gate.hook))) })
    yield* first.engine.start(Stepped, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* world.kill(first)
    const second = yield* world.start({ workflows: stepped(steps(Effect.void)) })
    expect(yield* second.engine.await(Stepped, "a")).toEqual({ out: "a/work/1/charge" })
    expect(calls.of).toEqual({ charge: 1 })
    expect((yield* world.firings("a"))["work/1"]).toMatchObject({ attempt: 1, crashes: 1 })
  })
)

scenario("the turns of a loop are told apart by their keys", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: stepped((n) =>
        Effect.map(
          Effect.forEach(Array.from({ length: n }), (_, index) =>
            Step.run(
              "line",
              { success: S, key: String(index) },
              Effect.map(NodeContext, ({ idempotencyKey }) => idempotencyKey)
            )
          ),
          (keys) => keys.join(" ")
        )
      )
    })
    yield* engine.start(Stepped, { n: 3 }, { runId: "a" })
    expect(yield* engine.await(Stepped, "a")).toEqual({ out: "a/work/1/line/0 a/work/1/line/1 a/work/1/line/2" })
  })
)

scenario(
  "a typed error of a step is the handler's to catch, and stays the same when the handler starts again",
  (world) =>
    Effect.gen(function* () {
      const calls = new Calls()
      const { engine } = yield* world.start({
        settings: { idleMs: 0 },
        workflows: stepped(() =>
          Effect.gen(function* () {
            const failing = Effect.zipRight(calls.note("failing"), new Declined({ code: 7 }))
            const caught = yield* Effect.match(Step.run("failing", { error: Declined }, failing), {
              onFailure: ({ code }) => code,
              onSuccess: () => 0
            })
            const decision = yield* Step.awaitSignal(Decision)
            return `${caught} ${decision.by}`
          })
        )
      })
      yield* engine.start(Stepped, { n: 1 }, { runId: "a" })
      yield* world.untilReleased("a")
      yield* engine.signal(Stepped, "a", "work", Decision, { by: "ada" }, { inputId: "1" })
      expect(yield* engine.await(Stepped, "a")).toEqual({ out: "7 ada" })
      expect(calls.of).toEqual({ failing: 1 })
    })
)

scenario("a step is tried again under its policy, with its attempts and its next time in the row", (world) =>
  Effect.gen(function* () {
    const calls = new Calls()
    const { engine } = yield* world.start({
      settings: { idleMs: 0 },
      workflows: stepped(() => {
        const work = Effect.suspend(() =>
          (calls.of["flaky"] ?? 0) < 3 ? new Declined({ code: calls.of["flaky"] ?? 0 }) : Effect.succeed("through")
        )
        const options = { success: S, error: Declined, retry: { times: 5, schedule: Schedule.spaced("1 hour") } }
        return Step.run("flaky", options, Effect.zipRight(calls.note("flaky"), work))
      })
    })
    yield* engine.start(Stepped, { n: 1 }, { runId: "a" })
    for (const attempt of [2, 3]) {
      yield* world.untilRow("select from perdure.run_steps where status = 'retrying' and attempt = $1", [attempt])
      yield* world.untilReleased("a")
      yield* world.sql("update perdure.run_steps set not_before = not_before - interval '1 hour'")
      yield* world.sql("update perdure.run_node_state set not_before = not_before - interval '1 hour'")
      yield* world.sql("update perdure.run_state set due_at = due_at - interval '1 hour'")
    }
    expect(yield* engine.await(Stepped, "a")).toEqual({ out: "through" })
    expect(calls.of).toEqual({ flaky: 3 })
    expect((yield* world.firings("a"))["work/1"]).toMatchObject({ attempt: 1 })
  })
)

scenario("a sleep leaves nothing but rows, and what came before it is not done again", (world) =>
  Effect.gen(function* () {
    const calls = new Calls()
    const { engine } = yield* world.start({
      // The time comes later than it may stay: then it does not stay at all.
      settings: { idleMs: 600_000 },
      workflows: stepped(() =>
        Effect.gen(function* () {
          const before = yield* Step.run("before", { success: N }, Effect.as(calls.note("before"), 1))
          yield* Step.sleep("an hour", "1 hour")
          yield* calls.note("after")
          return `slept ${before}`
        })
      )
    })
    yield* engine.start(Stepped, { n: 1 }, { runId: "a" })
    const run = yield* world.untilReleased("a")
    expect(run).toMatchObject({ status: "suspended", reason: "work: sleeps: an hour" })
    expect((yield* engine.resumability("a")).dueAt).not.toBeNull()
    yield* world.sql("update perdure.run_steps set not_before = not_before - interval '1 hour'")
    yield* world.sql("update perdure.run_node_state set not_before = not_before - interval '1 hour'")
    yield* world.sql("update perdure.run_state set due_at = due_at - interval '1 hour'")
    expect(yield* engine.await(Stepped, "a")).toEqual({ out: "slept 1" })
    expect(calls.of).toEqual({ before: 1, after: 1 })
  })
)

scenario("a short sleep is slept in memory", (world) =>
  Effect.gen(function* () {
    const calls = new Calls()
    const { engine } = yield* world.start({
      settings: { idleMs: 60_000 },
      workflows: stepped(() =>
        Effect.gen(function* () {
          yield* calls.note("start")
          yield* Step.sleep("a while", "20 millis")
          return "slept"
        })
      )
    })
    yield* engine.start(Stepped, { n: 1 }, { runId: "a" })
    expect(yield* engine.await(Stepped, "a")).toEqual({ out: "slept" })
    expect(calls.of).toEqual({ start: 1 })
  })
)

scenario("a signal is taken whether it came before, during or after the wait, and each one once", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      settings: { idleMs: 0 },
      workflows: stepped((n) =>
        Effect.map(
          Effect.forEach(Array.from({ length: n }), (_, index) => Step.awaitSignal(Decision, { key: String(index) })),
          (decisions) => decisions.map(({ by }) => by).join(" ")
        )
      )
    })
    yield* engine.start(Stepped, { n: 3 }, { runId: "a" })
    const send = (by: string) => engine.signal(Stepped, "a", "work", Decision, { by }, { inputId: by })
    expect(yield* send("ada")).toEqual({ accepted: true })
    expect(yield* send("ada")).toEqual({ accepted: false })
    yield* world.untilRow("select from perdure.run_steps where key = '1' and status = 'waiting'")
    yield* send("bob")
    yield* world.untilRow("select from perdure.run_steps where key = '2' and status = 'waiting'")
    yield* world.untilReleased("a")
    yield* send("eve")
    expect(yield* engine.await(Stepped, "a")).toEqual({ out: "ada bob eve" })
    expect(yield* Effect.flip(send("zoe"))).toMatchObject({ _tag: "RunEnded" })
  })
)

scenario(
  "that a wait's time is over is stored before the handler hears of it, and a late signal changes nothing",
  (world) =>
    Effect.gen(function* () {
      const gate = yield* makeGate
      const steps = (hook: Effect.Effect<unknown, never, NodeContext>) => () =>
        Effect.gen(function* () {
          const decision = yield* Step.awaitSignal(Decision, { timeout: "10 millis" })
          if (Option.isSome(decision)) return decision.value.by
          yield* hook
          return "too late"
        })
      const first = yield* world.start({
        workflows: stepped(steps(Effect.flatMap(NodeContext, gate.hook))),
        settings: { idleMs: 0 }
      })
      yield* first.engine.start(Stepped, { n: 1 }, { runId: "a" })
      yield* gate.arrived
      yield* first.engine.signal(Stepped, "a", "work", Decision, { by: "ada" }, { inputId: "1" })
      yield* world.kill(first)
      const second = yield* world.start({ workflows: stepped(steps(Effect.void)) })
      expect(yield* second.engine.await(Stepped, "a")).toEqual({ out: "too late" })
    })
)

// A priority says something to all fibers of the one, and nothing to those of the other.
for (const [queues, plain] of [
  ["by one queue", false],
  ["by a queue for each fiber", true]
] as const) {
  scenario(`waits side by side for one signal take different ones, ${queues}`, (world) =>
    Effect.gen(function* () {
      const { engine } = yield* world.start({
        settings: { idleMs: 0 },
        plain,
        workflows: stepped((n) =>
          Effect.map(
            Effect.forEach(
              Array.from({ length: n }),
              (_, index) => Step.awaitSignal(Decision, { key: String(index) }),
              {
                concurrency: "unbounded"
              }
            ),
            (decisions) =>
              decisions
                .map(({ by }) => by)
                .sort()
                .join(" ")
          )
        )
      })
      yield* engine.start(Stepped, { n: 4 }, { runId: "a" })
      for (const by of ["ada", "bob", "eve", "zoe"]) {
        yield* engine.signal(Stepped, "a", "work", Decision, { by }, { inputId: by })
      }
      expect(yield* engine.await(Stepped, "a")).toEqual({ out: "ada bob eve zoe" })
    })
  )

  scenario(`waits side by side: the first that is over wakes the handler, ${queues}`, (world) =>
    Effect.gen(function* () {
      const { engine } = yield* world.start({
        settings: { idleMs: 0 },
        plain,
        workflows: stepped(() =>
          Effect.race(
            Effect.as(Step.sleep("a day", "1 day"), "slept"),
            Effect.map(Step.awaitSignal(Decision), ({ by }) => by)
          )
        )
      })
      yield* engine.start(Stepped, { n: 1 }, { runId: "a" })
      yield* world.untilReleased("a")
      yield* engine.signal(Stepped, "a", "work", Decision, { by: "ada" }, { inputId: "1" })
      expect(yield* engine.await(Stepped, "a")).toEqual({ out: "ada" })
    })
  )
}

scenario("a wait does not interrupt a step beside it that is at work", (world) =>
  Effect.gen(function* () {
    const calls = new Calls()
    const arrived = yield* Deferred.make<void>()
    const opened = yield* Deferred.make<void>()
    const { engine } = yield* world.start({
      settings: { idleMs: 0 },
      workflows: stepped(() => {
        const long = Effect.zipRight(Deferred.succeed(arrived, undefined), Deferred.await(opened))
        return Effect.map(
          Effect.all([Step.awaitSignal(Decision), Step.run("long", {}, Effect.zipRight(calls.note("long"), long))], {
            concurrency: 2
          }),
          ([{ by }]) => by
        )
      })
    })
    yield* engine.start(Stepped, { n: 1 }, { runId: "a" })
    yield* Deferred.await(arrived)
    expect((yield* world.run("a")).status).toBe("running")
    yield* Deferred.succeed(opened, undefined)
    yield* world.untilReleased("a")
    yield* engine.signal(Stepped, "a", "work", Decision, { by: "ada" }, { inputId: "1" })
    expect(yield* engine.await(Stepped, "a")).toEqual({ out: "ada" })
    expect(calls.of).toEqual({ long: 1 })
  })
)

scenario("giving the run up after every step changes no outcome", (world) =>
  Effect.gen(function* () {
    const calls = new Calls()
    const { engine } = yield* world.start({
      settings: { alwaysEvict: true },
      workflows: stepped((n) =>
        Effect.gen(function* () {
          let sum = 0
          for (let i = 0; i < n; i++) {
            sum += yield* Step.run("add", { success: N, key: `${i}` }, Effect.as(calls.note(`add ${i}`), i))
            yield* Step.sleep("pause", "1 millis", { key: `${i}` })
          }
          return String(sum)
        })
      )
    })
    yield* engine.start(Stepped, { n: 4 }, { runId: "a" })
    expect(yield* engine.await(Stepped, "a")).toEqual({ out: "6" })
    expect(calls.of).toEqual({ "add 0": 1, "add 1": 1, "add 2": 1, "add 3": 1 })
  })
)

scenario("an answer to a query is read from its row, also when the run has ended", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const first = yield* world.start({
      workflows: stepped(() =>
        Effect.gen(function* () {
          yield* Step.publish(Progress, 1)
          yield* Effect.flatMap(NodeContext, gate.hook)
          yield* Step.publish(Progress, 2)
          return "done"
        })
      )
    })
    yield* first.engine.start(Stepped, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    expect(yield* first.engine.query(Stepped, "a", "work", Progress)).toEqual(Option.some(1))
    yield* gate.open
    yield* first.engine.awaitEnd("a")
    expect(yield* first.engine.query(Stepped, "a", "work", Progress)).toEqual(Option.some(2))
    expect(yield* Effect.flip(first.engine.query(Stepped, "b", "work", Progress))).toMatchObject({
      _tag: "RunNotFound"
    })
  })
)
