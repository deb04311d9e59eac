import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Approved, Chain } from "./fixtures.js"
import { approved, chain, makeGate } from "./handlers.js"
import { scenario } from "./world.js"

scenario("a paused run lets end what runs, starts nothing more, and goes on when resumed", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    let second = 0
    const { engine } = yield* world.start({ workflows: chain(gate.hook, () => Effect.sync(() => second++)) })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* engine.pause("a")
    yield* world.until("a", "paused")
    yield* gate.open
    yield* world.untilReleased("a")
    expect(yield* world.firings("a")).toMatchObject({ "first/1": { status: "completed" } })
    expect({ second, run: yield* world.run("a") }).toMatchObject({ second: 0, run: { status: "paused" } })
    yield* engine.resume("a")
    expect(yield* engine.await(Chain, "a")).toEqual({ n: 4 })
  })
)

scenario("a paused run stays paused through the death of its worker and of all others", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const first = yield* world.start({ workflows: chain(gate.hook) })
    yield* first.engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* first.engine.pause("a")
    yield* world.until("a", "paused")
    yield* world.kill(first)
    const second = yield* world.start({ workflows: chain() })
    expect(yield* second.engine.recover("a")).toMatchObject({ status: "paused" })
    yield* second.engine.resume("a")
    expect(yield* second.engine.await(Chain, "a")).toEqual({ n: 4 })
  })
)

scenario("what arrives for a paused run waits and is there when it is resumed", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved() })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* world.until("a", "suspended")
    yield* engine.pause("a")
    yield* world.until("a", "paused")
    yield* engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
    yield* engine.resume("a")
    expect(yield* engine.await(Approved, "a")).toMatchObject({ n: { value: 4 } })
  })
)

scenario("commands that do not fit are refused with the present status", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved() })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* world.until("a", "suspended")
    expect(yield* Effect.flip(engine.resume("a"))).toMatchObject({ _tag: "CommandRefused", status: "suspended" })
    yield* engine.pause("a")
    yield* world.until("a", "paused")
    expect(yield* Effect.flip(engine.pause("a"))).toMatchObject({ _tag: "CommandRefused", status: "paused" })
    yield* engine.cancel("a")
    expect(yield* engine.awaitEnd("a")).toMatchObject({ status: "cancelled" })
    expect(yield* Effect.flip(engine.pause("a"))).toMatchObject({ _tag: "CommandRefused", status: "cancelled" })
  })
)
