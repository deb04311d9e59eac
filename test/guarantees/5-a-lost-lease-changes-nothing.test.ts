import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { seen } from "../engine/faults.js"
import { Chain, Polled } from "../engine/fixtures.js"
import { chain, makeGate, polled } from "../engine/handlers.js"
import { scenario } from "../engine/world.js"

/** A worker that does not notice that its lease ran out: it is frozen, or its heartbeat is late. */
const late = { heartbeatMs: 3_600_000 }

scenario("a zombie's commit is not written once another has taken over", (world) =>
  Effect.gen(function* () {
    const [zombie, taker] = [yield* makeGate, yield* makeGate]
    const first = yield* world.start({ workflows: chain(zombie.hook), settings: late })
    yield* first.engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* zombie.arrived
    yield* world.expire(first)
    const second = yield* world.start({ workflows: chain(taker.hook) })
    yield* taker.arrived
    const before = yield* world.run("a")
    // the zombie's firing ends, and it tries to commit; it learns from the rows that it is not the holder
    yield* zombie.open
    expect(yield* Effect.zipRight(first.engine.recover("a"), world.run("a"))).toEqual(before)
    yield* taker.open
    expect(yield* second.engine.await(Chain, "a")).toEqual({ n: 4 })
    expect(yield* world.run("a")).toMatchObject({ fence: 2, version: 4 })
    expect((yield* world.firings("a"))["first/1"]).toMatchObject({ crashes: 1, attempt: 1 })
  })
)

scenario("a zombie's commit is not written where another has claimed and has written nothing yet", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const { over, pool } = seen("runs")
    const first = yield* world.start({ workflows: chain(gate.hook), settings: late, pool })
    yield* first.engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* world.expire(first)
    const second = yield* world.start({ workflows: chain(), settings: { slots: 0 } })
    yield* world.untilRow("select from perdure.run_state where fence = 2")
    const before = [yield* world.run("a"), yield* world.firings("a")]
    yield* gate.open
    yield* over
    expect([yield* world.run("a"), yield* world.firings("a")]).toEqual(before)
    yield* second.stop
  })
)

scenario("a worker that was frozen until its run had ended elsewhere changes nothing of it, and works on", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const first = yield* world.start({
      workflows: chain(({ runId, ...rest }) => (runId === "a" ? gate.hook({ runId, ...rest }) : Effect.void))
    })
    yield* first.engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    first.freeze()
    yield* world.expire(first)
    const second = yield* world.start({ workflows: chain() })
    yield* second.engine.awaitEnd("a")
    const before = [yield* world.run("a"), yield* world.firings("a")]
    yield* gate.open
    first.unfreeze()
    yield* first.engine.start(Chain, { n: 2 }, { runId: "b" })
    expect(yield* first.engine.await(Chain, "b")).toEqual({ n: 6 })
    expect([yield* world.run("a"), yield* world.firings("a")]).toEqual(before)
  })
)

scenario("a worker whose heartbeat is late does not take its own runs from itself", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const { engine, sessions } = yield* world.start({ workflows: chain(gate.hook), settings: late })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* world.sql("update perdure.workers set heartbeat_at = '-infinity' where worker_id = $1", [sessions])
    yield* engine.recover("a")
    yield* gate.open
    expect(yield* engine.await(Chain, "a")).toEqual({ n: 4 })
    expect(yield* world.run("a")).toMatchObject({ fence: 1, version: 3 })
  })
)

scenario("a worker that was declared dead interrupts what it ran and registers as somebody new", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    let interrupted = 0
    const first = yield* world.start({
      workflows: chain((context) =>
        context.crashes > 0
          ? Effect.void
          : Effect.onInterrupt(gate.hook(context), () => Effect.sync(() => interrupted++))
      )
    })
    yield* first.engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    const holder = (yield* world.run("a")).worker
    yield* world.sql("update perdure.workers set stopped_at = now() where incarnation = $1::uuid", [holder])
    expect(yield* first.engine.await(Chain, "a")).toEqual({ n: 4 })
    expect(interrupted).toBe(1)
    expect(yield* world.sql("select from perdure.workers where worker_id = $1", [first.sessions])).toHaveLength(2)
  })
)

scenario("a zombie's release does not take a run away from its new holder", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({ workflows: polled(), settings: { ...late, idleMs: 60_000, graceMs: 1 } })
    yield* first.engine.start(Polled, { n: 1 }, { runId: "a" })
    yield* world.until("a", "suspended")
    yield* world.expire(first)
    const second = yield* world.start({ workflows: polled(), settings: { idleMs: 60_000 } })
    yield* world.untilRow("select from perdure.run_state where fence = 2")
    const before = yield* world.run("a")
    yield* first.stop
    expect(yield* world.run("a")).toEqual(before)
    yield* second.engine.trigger(Polled, "a", "poll", "x", { inputId: "1" })
    expect(yield* second.engine.await(Polled, "a")).toEqual({ answer: "x after 1" })
  })
)
