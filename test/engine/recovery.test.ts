import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Approved, Chain, Declined, Fan, FlakyCharge, Polled } from "./fixtures.js"
import { approved, chain, fan, flakyCharge, makeGate, polled } from "./handlers.js"
import { scenario } from "./world.js"

scenario(
  "a run goes on after SIGKILL: the firing that ran starts again, under its key, with the death counted",
  (world) =>
    Effect.gen(function* () {
      const gate = yield* makeGate
      const first = yield* world.start({ workflows: chain(undefined, gate.hook) })
      yield* first.engine.start(Chain, { n: 1 }, { runId: "a" })
      const before = yield* gate.arrived
      yield* world.kill(first)
      const again = yield* makeGate
      const second = yield* world.start({ workflows: chain(() => Effect.dieMessage("first ran again"), again.hook) })
      const after = yield* again.arrived
      expect(after).toMatchObject({ idempotencyKey: before.idempotencyKey, attempt: 1, crashes: 1, firing: 1 })
      expect(yield* world.run("a")).toMatchObject({ status: "running", fence: 2 })
      yield* again.open
      expect(yield* second.engine.await(Chain, "a")).toEqual({ n: 4 })
      expect((yield* world.firings("a"))["second/1"]).toMatchObject({ status: "completed", attempt: 1, crashes: 1 })
    })
)

scenario("a run whose worker died reads as recovering until its firings run again", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const first = yield* world.start({ workflows: chain(gate.hook) })
    yield* first.engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* world.kill(first)
    const second = yield* world.start({ workflows: chain(), settings: { slots: 0 } })
    yield* world.until("a", "recovering")
    expect((yield* world.firings("a"))["first/1"]).toMatchObject({ status: "scheduled", crashes: 1 })
    expect(yield* second.engine.resumability("a")).toMatchObject({
      status: "recovering",
      points: [{ nodeId: "first", firing: 1, attempt: 1, next: "start" }]
    })
  })
)

scenario("a stuck run is seen as such: leased, by nobody alive, and where it would go on", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const first = yield* world.start({
      workflows: fan((context) => (context.firing === 2 ? gate.hook(context) : Effect.void))
    })
    yield* first.engine.start(Fan, { n: 2, by: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* world.untilRow("select from perdure.run_node_state where node_id = 'scale' and status = 'completed'")
    const alive = yield* first.engine.resumability("a")
    expect(alive).toMatchObject({ leaseAlive: true, points: [{ nodeId: "scale", firing: 2, next: "running" }] })
    yield* world.kill(first)
    const observer = yield* world.start({ workflows: approved() })
    expect(yield* observer.engine.resumability("a")).toMatchObject({
      status: "running",
      leasedBy: alive.leasedBy,
      leaseAlive: false,
      points: [{ nodeId: "scale", firing: 2, attempt: 1, next: "start" }]
    })
  })
)

scenario("Engine.recover takes over a stuck run now, without waiting for a sweep", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const first = yield* world.start({ workflows: chain(gate.hook) })
    yield* first.engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    const second = yield* world.start({ workflows: chain(), settings: { pollMs: 3_600_000 } })
    yield* world.kill(first)
    yield* second.engine.recover("a")
    expect(yield* second.engine.await(Chain, "a")).toEqual({ n: 4 })
  })
)

scenario("Engine.recover of a run that a live worker holds leaves it there", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const first = yield* world.start({ workflows: chain(gate.hook) })
    const second = yield* world.start({ workflows: chain() })
    yield* first.engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    const before = yield* world.run("a")
    expect(yield* second.engine.recover("a")).toMatchObject({ leaseAlive: true, leasedBy: before.worker })
    expect(yield* world.run("a")).toEqual(before)
    yield* gate.open
    yield* first.engine.awaitEnd("a")
  })
)

scenario("what was committed is not done again after a crash", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const ran: Array<string> = []
    const note = (context: { readonly idempotencyKey: string }) => Effect.sync(() => ran.push(context.idempotencyKey))
    const first = yield* world.start({ workflows: fan(note, gate.hook) })
    yield* first.engine.start(Fan, { n: 20, by: 2 }, { runId: "a" })
    yield* gate.arrived
    yield* world.kill(first)
    const second = yield* world.start({ workflows: fan(note) })
    expect(yield* second.engine.await(Fan, "a")).toEqual({ total: 420 })
    expect(ran).toHaveLength(20)
    expect(new Set(ran).size).toBe(20)
  })
)

scenario("a suspended run survives the death of its worker, and resumes with its state", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({ workflows: polled(), settings: { idleMs: 60_000 } })
    yield* first.engine.start(Polled, { n: 2 }, { runId: "a" })
    yield* first.engine.trigger(Polled, "a", "poll", "one", { inputId: "1" })
    yield* world.untilRow("select from perdure.run_node_state where reason = 'question 2'")
    yield* world.kill(first)
    const second = yield* world.start({ workflows: polled() })
    expect(yield* second.engine.resumability("a")).toMatchObject({
      points: [{ nodeId: "poll", next: "wait", state: '{"asked":2}' }]
    })
    yield* second.engine.trigger(Polled, "a", "poll", "two", { inputId: "2" })
    expect(yield* second.engine.await(Polled, "a")).toEqual({ answer: "two after 2" })
    // a wait is no work: nothing died of it
    expect((yield* world.firings("a"))["poll/1"]).toMatchObject({ crashes: 0 })
  })
)

scenario("an input that came while every worker was dead is applied when one lives", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({ workflows: approved() })
    yield* first.engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* world.until("a", "suspended")
    const client = yield* world.start({ workflows: chain(), settings: { maxRuns: 0 } })
    yield* world.kill(first)
    yield* client.engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
    const second = yield* world.start({ workflows: approved() })
    expect(yield* second.engine.await(Approved, "a")).toEqual({ n: Option.some(4), no: Option.none() })
  })
)

scenario("a timer that came due while everything was down fires when a worker lives", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({
      workflows: flakyCharge(() => new Declined({ code: 1 })),
      settings: { idleMs: 0 }
    })
    yield* first.engine.start(FlakyCharge, { n: 5 }, { runId: "a" })
    yield* world.untilReleased("a")
    yield* world.kill(first)
    // an hour passes
    yield* world.sql("update perdure.run_state set due_at = due_at - interval '1 hour'")
    yield* world.sql("update perdure.run_node_state set not_before = not_before - interval '1 hour'")
    const second = yield* world.start({
      workflows: flakyCharge((n, context) => Effect.succeed({ out: n + context.attempt }))
    })
    expect(yield* second.engine.await(FlakyCharge, "a")).toEqual({ n: 7 })
  })
)

scenario("death during recovery, and recovery by two workers at once, change nothing of the outcome", (world) =>
  Effect.gen(function* () {
    const gates = [yield* makeGate, yield* makeGate]
    let process = yield* world.start({ workflows: chain(gates[0]!.hook) })
    yield* process.engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gates[0]!.arrived
    yield* world.kill(process)
    process = yield* world.start({ workflows: chain(gates[1]!.hook) })
    yield* gates[1]!.arrived
    yield* world.kill(process)
    const started = yield* Deferred.make<number>()
    let count = 0
    const counted = chain((context) =>
      Effect.zipRight(
        Effect.sync(() => count++),
        Deferred.succeed(started, context.crashes)
      )
    )
    const [one] = yield* Effect.all([world.start({ workflows: counted }), world.start({ workflows: counted })], {
      concurrency: 2
    })
    expect(yield* one!.engine.await(Chain, "a")).toEqual({ n: 4 })
    expect({ count, crashes: yield* Deferred.await(started) }).toEqual({ count: 1, crashes: 2 })
  })
)

scenario("a stop hands over at no cost: no crash is counted and nothing committed runs again", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const first = yield* world.start({ workflows: chain(undefined, gate.hook), settings: { graceMs: 1 } })
    yield* first.engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* first.stop
    const second = yield* world.start({ workflows: chain(() => Effect.dieMessage("first ran again")) })
    expect(yield* second.engine.await(Chain, "a")).toEqual({ n: 4 })
    expect((yield* world.firings("a"))["second/1"]).toMatchObject({ crashes: 0, attempt: 1 })
  })
)

scenario("recovery and sweeps on a quiet database change nothing", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({ workflows: polled(), settings: { idleMs: 0 } })
    yield* first.engine.start(Polled, { n: 1 }, { runId: "a" })
    yield* world.untilReleased("a")
    yield* first.stop
    const rows = world.sql("select run_id, xmin::text, version, fence, status from perdure.run_state")
    const before = yield* rows
    const second = yield* world.start({ workflows: polled() })
    const third = yield* world.start({ workflows: polled() })
    // Both have swept and beaten by then.
    for (const { sessions } of [second, third]) {
      const beaten = "select from perdure.workers where worker_id = $1 and heartbeat_at > started_at + interval '0.1 s'"
      yield* world.untilRow(beaten, [sessions])
    }
    yield* third.stop
    expect(yield* rows).toEqual(before)
  })
)

scenario("a hundred runs of a killed worker all go on elsewhere", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const first = yield* world.start({ workflows: chain(undefined, gate.hook) })
    const ids = Array.from({ length: 100 }, (_, index) => `r${index}`)
    yield* Effect.forEach(ids, (runId, n) => first.engine.start(Chain, { n }, { runId }), { concurrency: "unbounded" })
    yield* gate.arrived
    yield* world.kill(first)
    const second = yield* world.start({ workflows: chain() })
    const outputs = yield* Effect.forEach(ids, (runId) => second.engine.await(Chain, runId), {
      concurrency: "unbounded"
    })
    expect(outputs).toEqual(ids.map((_, n) => ({ n: (n + 1) * 2 })))
  })
)
