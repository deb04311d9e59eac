import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Approved, Caught, Chain, Charged, Declined, Fan, FlakyCharge, Polled } from "./fixtures.js"
import { approved, caught, chain, charged, fan, flakyCharge, makeGate, polled } from "./handlers.js"
import { scenario } from "./world.js"

scenario("a created run has its input, a version of 1 and a time of creation", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain(), settings: { maxRuns: 0 } })
    yield* engine.start(Chain, { n: 7 }, { runId: "a" })
    const run = yield* world.run("a")
    expect(run).toMatchObject({ workflow: "chain", workflowVersion: 1, input: '{"n":7}', version: 1, endedAt: null })
    expect(run.createdAt).toBeInstanceOf(Date)
  })
)

scenario("a firing is scheduled, running, completed; its row says what it took and how much it gave", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const { engine } = yield* world.start({ workflows: chain(gate.hook) })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    expect((yield* world.firings("a"))["first/1"]).toMatchObject({ status: "running", emitted: null })
    yield* gate.open
    yield* engine.awaitEnd("a")
    expect(yield* world.firings("a")).toMatchObject({
      "first/1": { status: "completed", inputs: { in: { ref: ["input.n", 1, 0] } }, emitted: { out: 1 } },
      "second/1": { status: "completed", inputs: { in: { ref: ["first.out", 1, 0] } }, emitted: { out: 1 } }
    })
  })
)

scenario("a firing that found no slot is no row, one that is given back is scheduled", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const { engine, stop } = yield* world.start({ workflows: chain(gate.hook), settings: { graceMs: 1 } })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* stop
    expect((yield* world.firings("a"))["first/1"]).toMatchObject({ status: "scheduled", attempt: 1, crashes: 0 })
    expect(yield* world.run("a")).toMatchObject({ worker: null, endedAt: null })
  })
)

scenario("a retryable failure is a scheduled firing with its next attempt, its time and why", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: flakyCharge(() => new Declined({ code: 1 })) })
    const { runId } = yield* engine.start(FlakyCharge, { n: 1 })
    yield* world.until(runId, "suspended")
    const firing = (yield* world.firings(runId))["charge/1"]!
    expect(firing).toMatchObject({ status: "scheduled", attempt: 2, reason: "declined: 1" })
    expect(firing.notBefore).toBeGreaterThan(Date.parse("2020-01-01"))
    expect(yield* world.run(runId)).toMatchObject({ status: "suspended", reason: "charge: retry" })
  })
)

scenario("a final failure is a failed firing, a failed run, and says which node, attempt and typed error", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: charged(() => new Declined({ code: 7 })) })
    const { runId } = yield* engine.start(Charged, { n: 1 })
    const error = yield* Effect.flip(engine.await(Charged, runId))
    expect(error).toMatchObject({
      _tag: "RunFailed",
      failure: { kind: "error", nodeId: "charge", firing: 1, attempt: 1, error: { _tag: "Declined", code: 7 } }
    })
    expect(error._tag === "RunFailed" && error.error).toEqual(new Declined({ code: 7 }))
    const firing = (yield* world.firings(runId))["charge/1"]!
    expect(firing.status).toBe("failed")
    const run = yield* world.run(runId)
    expect(run).toMatchObject({ status: "failed", worker: null, output: null })
    expect(run.endedAt).not.toBeNull()
    expect(JSON.parse(firing.failure!)).toEqual(JSON.parse(run.failure!))
  })
)

scenario("a failure whose port is wired does not fail the run", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: caught(() => new Declined({ code: 7 })) })
    const { runId } = yield* engine.start(Caught, { n: 1 })
    expect(yield* engine.await(Caught, runId)).toEqual({ n: -7 })
    expect(yield* world.firings(runId)).toMatchObject({
      "charge/1": { status: "failed" },
      "notify/1": { status: "completed", inputs: { problem: { ref: ["charge.error", 1, 0] } } }
    })
  })
)

scenario("a suspended firing has its reason and state, and its run says which node waits for what", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: polled() })
    yield* engine.start(Polled, { n: 2 }, { runId: "a" })
    yield* world.until("a", "suspended")
    expect((yield* world.firings("a"))["poll/1"]).toMatchObject({
      status: "suspended",
      reason: "question 1",
      state: '{"asked":1}'
    })
    expect(yield* world.run("a")).toMatchObject({ status: "suspended", reason: "poll: question 1" })
  })
)

scenario("a resumed firing goes on with its state and event, under the same number and attempt", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: polled() })
    yield* engine.start(Polled, { n: 2 }, { runId: "a" })
    yield* engine.trigger(Polled, "a", "poll", "one", { inputId: "1" })
    yield* engine.trigger(Polled, "a", "poll", "two", { inputId: "2" })
    expect(yield* engine.await(Polled, "a")).toEqual({ answer: "two after 2" })
    expect(Object.keys(yield* world.firings("a"))).toEqual(["poll/1"])
    expect((yield* world.firings("a"))["poll/1"]).toMatchObject({ status: "completed", attempt: 1, state: null })
  })
)

scenario("a route that is not taken skips what follows, and the run completes", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved() })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* engine.trigger(Approved, "a", "approval", { approved: false }, { inputId: "1" })
    expect(yield* engine.await(Approved, "a")).toEqual({ n: Option.none(), no: Option.some(2) })
    expect(yield* world.firings("a")).toMatchObject({
      "approval/1": { status: "completed", emitted: { yes: 0, no: 1 } },
      "second/1": { status: "skipped", attempt: 0 }
    })
  })
)

scenario("a completed run has its output and its end, no lease and nothing to be looked for", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain() })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    const run = yield* world.run("a")
    expect(run).toMatchObject({ status: "completed", output: '{"n":4}', failure: null, worker: null, reason: null })
    expect(run.endedAt!.getTime()).toBeGreaterThanOrEqual(run.createdAt.getTime())
    expect(yield* world.sql("select ready, due_at from perdure.run_state")).toEqual([{ ready: false, due_at: null }])
  })
)

scenario("the version of a run is the number of its commits, and rises by one with each", (world) =>
  Effect.gen(function* () {
    const [first, second] = [yield* makeGate, yield* makeGate]
    const { engine } = yield* world.start({ workflows: chain(first.hook, second.hook) })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    const versions: Array<number> = []
    for (const gate of [first, second]) {
      yield* gate.arrived
      versions.push((yield* world.run("a")).version)
      yield* gate.open
    }
    yield* engine.awaitEnd("a")
    expect([...versions, (yield* world.run("a")).version]).toEqual([1, 2, 3])
    const written = yield* world.sql(
      "select node_id, opened_in, written_in from perdure.run_node_state order by node_id"
    )
    expect(written).toEqual([
      { node_id: "first", opened_in: 2, written_in: 2 },
      { node_id: "second", opened_in: 3, written_in: 3 }
    ])
  })
)

scenario("each part of a fan-out is a firing of its own, and the sum waits for all of them", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: fan() })
    yield* engine.start(Fan, { n: 5, by: 10 }, { runId: "a" })
    expect(yield* engine.await(Fan, "a")).toEqual({ total: 150 })
    const firings = yield* world.firings("a")
    expect(Object.keys(firings).filter((key) => key.startsWith("scale/"))).toHaveLength(5)
    expect(firings["split/1"]).toMatchObject({ emitted: { parts: 5 } })
    expect(firings["sum/1"]).toMatchObject({ inputs: { parts: { all: 5 } } })
  })
)

scenario("a fan-out of nothing fires nothing, and the sum gets the empty array", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: fan() })
    yield* engine.start(Fan, { n: 0, by: 10 }, { runId: "a" })
    expect(yield* engine.await(Fan, "a")).toEqual({ total: 0 })
    expect(Object.keys(yield* world.firings("a"))).toEqual(["split/1", "sum/1"])
  })
)

scenario("a lease is taken with the start, kept while firings run, given up while the run waits", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const { engine } = yield* world.start({ workflows: approved(gate.hook), settings: { idleMs: 0 } })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* world.untilReleased("a")
    expect(yield* engine.resumability("a")).toMatchObject({ status: "suspended", leasedBy: null, ready: false })
    yield* engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
    yield* gate.arrived
    expect(yield* engine.resumability("a")).toMatchObject({ status: "running", leaseAlive: true })
    // given out with the start, then once more for the trigger
    expect((yield* world.run("a")).fence).toBe(2)
    yield* gate.open
    yield* engine.awaitEnd("a")
  })
)

scenario("a list shows runs newest first, by status and workflow, page by page", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: Layer.merge(chain(), approved()) })
    for (const runId of ["a", "b", "c"]) {
      yield* engine.start(Chain, { n: 1 }, { runId })
      yield* engine.awaitEnd(runId)
    }
    yield* engine.start(Approved, { n: 1 }, { runId: "d" })
    yield* world.until("d", "suspended")
    const ids = (filter: Parameters<typeof engine.list>[0]) =>
      Effect.map(engine.list(filter), (runs) => runs.map((run) => run.runId))
    expect(yield* ids({ limit: 10 })).toEqual(["d", "c", "b", "a"])
    expect(yield* ids({ limit: 10, workflow: "chain" })).toEqual(["c", "b", "a"])
    expect(yield* ids({ limit: 10, status: "suspended" })).toEqual(["d"])
    const [, last] = yield* engine.list({ limit: 2 })
    expect(yield* ids({ limit: 2, after: { createdAt: last!.createdAt, runId: last!.runId } })).toEqual(["b", "a"])
  })
)

scenario("a run in detail shows every node, also those that have not fired", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved() })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* world.until("a", "suspended")
    const { nodes } = yield* engine.get("a")
    expect(nodes.map(({ nodeId, status }) => [nodeId, status])).toEqual([
      ["first", "completed"],
      ["approval", "suspended"],
      ["second", "idle"]
    ])
  })
)
