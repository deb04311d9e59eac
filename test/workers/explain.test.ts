import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Approved, Chain, Declined, FlakyCharge, Polled } from "../engine/fixtures.js"
import { approved, chain, flakyCharge, type Hook, makeGate, polled } from "../engine/handlers.js"
import { timedScenario as scenario } from "../engine/world.js"

/** Explains a run until the answer is of this kind: rows and memory change one after the other. */
const explained = <A extends { readonly _tag: string }, E>(explain: Effect.Effect<A, E>, tag: A["_tag"]) =>
  Effect.repeat(explain, { until: (answer) => answer._tag === tag })

scenario("a run that has ended, is parked, or is paused says so", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved() })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* engine.start(Approved, { n: 1 }, { runId: "b" })
    yield* engine.pause("a")
    expect(yield* explained(engine.explain("a"), "Paused")).toEqual({ _tag: "Paused" })
    yield* engine.cancel("a")
    expect(yield* explained(engine.explain("a"), "Ended")).toMatchObject({ status: "cancelled" })
    yield* world.untilReleased("b")
    yield* world.sql(
      "update perdure.run_state set status = 'parked', reason = 'Poison: n', worker = null, ready = false where run_id = 'b'"
    )
    expect(yield* engine.explain("b")).toEqual({ _tag: "Parked", reason: "Poison: n" })
    const unknown = yield* Effect.flip(engine.explain("nobody"))
    expect(unknown).toMatchObject({ _tag: "RunNotFound" })
  })
)

scenario("a run that waits says for which trigger, or until when", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved() })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* world.until("a", "suspended")
    expect(yield* engine.explain("a")).toEqual({
      _tag: "WaitsForTrigger",
      nodeId: "approval",
      firing: 1,
      reason: "trigger"
    })
    yield* world.untilReleased("a")
    expect(yield* engine.explain("a")).toMatchObject({ _tag: "WaitsForTrigger", nodeId: "approval" })
    const asking = yield* world.start({ workflows: polled() })
    yield* asking.engine.start(Polled, { n: 1 }, { runId: "p" })
    expect(yield* explained(asking.engine.explain("p"), "WaitsForTrigger")).toMatchObject({ reason: "question 1" })
    const failing = yield* world.start({ workflows: flakyCharge(() => new Declined({ code: 1 })) })
    yield* failing.engine.start(FlakyCharge, { n: 1 }, { runId: "f" })
    const timed = yield* explained(failing.engine.explain("f"), "WaitsForTime")
    expect(timed).toMatchObject({ nodeId: "charge", firing: 1, reason: "declined: 1" })
    expect(timed._tag === "WaitsForTime" && timed.dueAt.getTime() > Date.now() + 3_000_000).toBe(true)
  })
)

scenario("a run that is at work says where; one that waits for a slot says why it gets none", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const { engine, sessions } = yield* world.start({ workflows: chain(gate.hook), settings: { slots: 1 } })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* engine.start(Chain, { n: 1 }, { runId: "b" })
    const me = { worker: (yield* world.run("a")).worker, workerId: sessions, here: true }
    const firings = [{ nodeId: "first", firing: 1 }]
    expect(yield* explained(engine.explain("a"), "AtWork")).toEqual({ _tag: "AtWork", firings, ...me })
    expect(yield* explained(engine.explain("b"), "WaitsForSlot")).toEqual({ _tag: "WaitsForSlot", why: "slots", ...me })
    const other = yield* world.start({ workflows: approved(), settings: { maxRuns: 0 } })
    expect(yield* other.engine.explain("b")).toEqual({ _tag: "WaitsForSlot", ...me, here: false })
    yield* gate.open
  })
)

scenario(
  "a firing of which processes died waits until nothing runs, nothing starts beside it, and it says so",
  (world) =>
    Effect.gen(function* () {
      const gates = { one: yield* makeGate, two: yield* makeGate, busy: yield* makeGate, alone: yield* makeGate }
      const one = yield* world.start({ workflows: chain(gates.one.hook) })
      yield* one.engine.start(Chain, { n: 1 }, { runId: "suspicious" })
      yield* gates.one.arrived
      yield* world.kill(one)
      const two = yield* world.start({ workflows: chain(gates.two.hook) })
      yield* gates.two.arrived
      const hook: Hook = (context) => {
        if (context.runId === "busy") return gates.busy.hook(context)
        return context.runId === "suspicious" ? gates.alone.hook(context) : Effect.void
      }
      const { engine } = yield* world.start({ workflows: chain(hook) })
      yield* engine.start(Chain, { n: 1 }, { runId: "busy" })
      yield* gates.busy.arrived
      yield* world.kill(two)
      expect(yield* explained(engine.explain("suspicious"), "WaitsForSlot")).toMatchObject({ why: "alone", here: true })
      yield* engine.start(Chain, { n: 1 }, { runId: "later" })
      expect(yield* explained(engine.explain("later"), "WaitsForSlot")).toMatchObject({ why: "alone" })
      yield* gates.busy.open
      expect(yield* gates.alone.arrived).toMatchObject({ crashes: 2, attempt: 1 })
      expect(yield* world.sql("select run_id from perdure.firings where status = 'running'")).toEqual([
        { run_id: "suspicious" }
      ])
      expect(yield* engine.explain("later")).toMatchObject({ _tag: "WaitsForSlot", why: "alone" })
      yield* gates.alone.open
      for (const runId of ["suspicious", "busy", "later"]) expect(yield* engine.await(Chain, runId)).toEqual({ n: 4 })
    })
)

scenario(
  "a run of a dead worker says until when its lease holds, and one that nobody alive serves says that",
  (world) =>
    Effect.gen(function* () {
      const gate = yield* makeGate
      const first = yield* world.start({ workflows: chain(gate.hook) })
      yield* first.engine.start(Chain, { n: 1 }, { runId: "a" })
      yield* gate.arrived
      const observer = yield* world.start({ workflows: approved() })
      yield* world.kill(first)
      expect(yield* observer.engine.explain("a")).toMatchObject({
        _tag: "NotServed",
        workflow: "chain",
        workflowVersion: 1,
        servedAt: expect.any(Date)
      })
      // One that serves it and takes nothing.
      yield* world.start({ workflows: chain(), settings: { maxRuns: 0 } })
      const dead = yield* explained(observer.engine.explain("a"), "HolderDead")
      expect(dead).toMatchObject({ workerId: first.sessions, here: false, until: expect.any(Date) })
      yield* world.sql("update perdure.run_state set worker = null, ready = true, status = 'running'")
      expect(yield* observer.engine.explain("a")).toEqual({ _tag: "NoRoom" })
      // The next heartbeat says 0 again.
      const withRoom = Effect.zipRight(world.sql("update perdure.workers set room = 1"), observer.engine.explain("a"))
      expect(yield* explained(withRoom, "TakenUpSoon")).toEqual({
        _tag: "TakenUpSoon",
        inputs: 0,
        commands: 0
      })
    })
)
