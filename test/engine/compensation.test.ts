import { expect } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import { NodeContext } from "../../src/definition/NodeContext.js"
import * as Output from "../../src/definition/Output.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Chain, Declined } from "./fixtures.js"
import { chain, makeGate } from "./handlers.js"
import { scenario } from "./world.js"

const { Number: N, String: S } = Schema

const Reserve = Node.make("reserve", { inputs: { n: N }, outputs: { seats: Output.many(N), note: S }, compensate: {} })
const Charge = Node.make("charge", {
  inputs: { n: N },
  outputs: { receipt: S },
  error: Declined,
  compensate: { retry: { times: 2, schedule: Schedule.spaced(0) }, timeout: "5 seconds" }
})
const Ship = Node.make("ship", { inputs: { receipt: S }, outputs: { done: S }, error: Declined })
const Beside = Node.make("beside", { inputs: { n: N }, outputs: { done: S } })

/** Two seats, each paid for; whatever is declined fails the run. */
const Trip = Workflow.make("trip", { version: 1, input: { n: N } })
  .node("reserve", Reserve, ({ input }) => ({ n: input.n }))
  .node("charge", Charge, ({ reserve }) => ({ n: reserve.seats }))
  .node("ship", Ship, ({ charge }) => ({ receipt: charge.receipt }))
  .node("beside", Beside, ({ input }) => ({ n: input.n }))
  .output(({ beside, ship }) => ({ done: ship.done, beside: beside.done }))

type Undone = [key: string, inputs: unknown, outputs: unknown]
type Hook<E> = (context: NodeContext["Type"]) => Effect.Effect<unknown, E, NodeContext>

/** What handlers do besides: the two charges, the others, and what undoes the work of all. */
interface Hooks {
  readonly first?: Hook<Declined>
  readonly second?: Hook<Declined>
  readonly ship?: Hook<Declined>
  readonly beside?: Hook<never>
  readonly undo?: Hook<string>
}

const pass = () => Effect.void
const declined = () => new Declined({ code: 1 })

/** Handlers that note what was undone, in which order. */
const handlersOf = (undone: Array<Undone>, { beside, first, second, ship, undo }: Hooks) => {
  const hook = <E>(call: Hook<E> = pass) => Effect.flatMap(NodeContext, call)
  const note = (inputs: unknown, outputs: Option.Option<unknown>) =>
    Effect.gen(function* () {
      yield* hook(undo)
      const { idempotencyKey } = yield* NodeContext
      undone.push([idempotencyKey, inputs, Option.getOrNull(outputs)])
    })
  return Layer.mergeAll(
    Reserve.toLayer(({ n }) => Effect.succeed({ seats: [n, n + 1], note: `unwired ${n}` }), note),
    Charge.toLayer(({ n }) => Effect.as(hook(n === 1 ? first : second), { receipt: `paid ${n}` }), note),
    Ship.toLayer(({ receipt }) => Effect.as(hook(ship), { done: receipt })),
    Beside.toLayer(() => Effect.as(hook(beside), { done: "beside" }))
  )
}

const trip = (undone: Array<Undone>, hooks: Hooks = {}) => Trip.layer.pipe(Layer.provide(handlersOf(undone, hooks)))

const keysOf = (undone: ReadonlyArray<Undone>) => undone.map(([key]) => key)

scenario("what a failed run has committed is undone from the last to the first, with inputs and outputs", (world) =>
  Effect.gen(function* () {
    const undone: Array<Undone> = []
    const gate = yield* makeGate
    const { engine } = yield* world.start({ workflows: trip(undone, { second: gate.hook, ship: declined }) })
    yield* engine.start(Trip, { n: 1 }, { runId: "a" })
    // A firing that can be undone and still runs when the run fails is waited for.
    yield* gate.arrived
    yield* world.until("a", "compensating")
    expect(undone).toEqual([])
    yield* gate.open
    const failure = yield* Effect.flip(engine.await(Trip, "a"))
    expect(failure).toMatchObject({ _tag: "RunFailed", failure: { nodeId: "ship", kind: "error" } })
    expect(undone).toEqual([
      ["a/charge/2", { n: 2 }, { receipt: "paid 2" }],
      ["a/charge/1", { n: 1 }, { receipt: "paid 1" }],
      ["a/reserve/1", { n: 1 }, { seats: [1, 2], note: "unwired 1" }]
    ])
    expect(yield* world.run("a")).toMatchObject({ status: "compensated", worker: null, output: null })
    expect(yield* Effect.flip(engine.retry("a"))).toMatchObject({ _tag: "CommandRefused", status: "compensated" })
  })
)

scenario("a cancel waits for what can be undone, interrupts what can't, and undoes it", (world) =>
  Effect.gen(function* () {
    const undone: Array<Undone> = []
    const gate = yield* makeGate
    const interrupted = yield* Deferred.make<void>()
    const beside = () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
    const { engine } = yield* world.start({ workflows: trip(undone, { second: gate.hook, beside }) })
    yield* engine.start(Trip, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    expect(yield* engine.cancel("a")).toBe("cancelling")
    yield* Deferred.await(interrupted)
    yield* world.untilRow("select from perdure.run_node_state where node_id = 'beside' and status = 'cancelled'")
    expect(yield* world.run("a")).toMatchObject({ status: "cancelling" })
    yield* gate.open
    expect(yield* Effect.flip(engine.await(Trip, "a"))).toMatchObject({ _tag: "RunCancelled" })
    expect(keysOf(undone)).toEqual(["a/charge/2", "a/charge/1", "a/reserve/1"])
    expect(yield* world.run("a")).toMatchObject({ status: "compensated", failure: null })
  })
)

scenario("what died in the middle is undone without outputs and under its key", (world) =>
  Effect.gen(function* () {
    const undone: Array<Undone> = []
    const gate = yield* makeGate
    const dying = trip(undone, { second: gate.hook, beside: () => Effect.never })
    const first = yield* world.start({ workflows: dying })
    yield* first.engine.start(Trip, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* world.untilRow("select from perdure.run_node_state where node_id = 'ship'")
    yield* first.engine.cancel("a")
    yield* world.untilRow("select from perdure.run_commands where status = 'applied'")
    yield* world.kill(first)
    const second = yield* world.start({ workflows: trip(undone) })
    expect(yield* second.engine.awaitEnd("a")).toMatchObject({ status: "compensated" })
    expect(undone).toEqual([
      ["a/charge/2", { n: 2 }, null],
      ["a/charge/1", { n: 1 }, { receipt: "paid 1" }],
      ["a/reserve/1", { n: 1 }, { seats: [1, 2], note: "unwired 1" }]
    ])
  })
)

scenario("a defect leaves an unknown outcome, a typed error at the first attempt does not", (world) =>
  Effect.gen(function* () {
    const undone: Array<Undone> = []
    const second: Hook<Declined> = ({ runId }) => (runId === "a" ? Effect.dieMessage("no") : declined())
    const { engine } = yield* world.start({ workflows: trip(undone, { second }) })
    for (const runId of ["a", "b"]) {
      yield* engine.start(Trip, { n: 1 }, { runId })
      expect(yield* engine.awaitEnd(runId)).toMatchObject({ status: "compensated" })
    }
    const unknown = undone.filter(([, , outputs]) => outputs === null)
    expect(unknown).toEqual([["a/charge/2", { n: 2 }, null]])
    expect(keysOf(undone)).toContain("b/charge/1")
    expect(keysOf(undone)).not.toContain("b/charge/2")
  })
)

scenario("a compensation is tried again; one that fails for good fails the run, and a retry goes on there", (world) =>
  Effect.gen(function* () {
    const undone: Array<Undone> = []
    let tries = 0
    const undo: Hook<string> = ({ nodeId }) =>
      nodeId === "charge" && ++tries <= 3 ? Effect.fail("the bank is closed") : Effect.void
    const { engine } = yield* world.start({ workflows: trip(undone, { second: declined, undo }) })
    yield* engine.start(Trip, { n: 1 }, { runId: "a" })
    expect(yield* Effect.flip(engine.await(Trip, "a"))).toMatchObject({
      _tag: "RunFailed",
      failure: { nodeId: "$compensate", message: "compensation of charge/1: the bank is closed", attempt: 3 }
    })
    expect(yield* world.run("a")).toMatchObject({ status: "failed" })
    expect(undone).toEqual([])
    yield* engine.retry("a")
    yield* world.until("a", "compensated")
    expect(yield* Effect.flip(engine.await(Trip, "a"))).toMatchObject({ failure: { nodeId: "charge", kind: "error" } })
    expect(keysOf(undone)).toEqual(["a/charge/1", "a/reserve/1"])
    expect((yield* engine.get("a")).nodes.at(-1)).toMatchObject({ nodeId: "$compensate", status: "completed" })
  })
)

scenario("a compensation goes on in another worker, from what was not undone, with the steps it has done", (world) =>
  Effect.gen(function* () {
    const undone: Array<Undone> = []
    const calls: Array<string> = []
    const gate = yield* makeGate
    const undo =
      (last: Hook<never>): Hook<string> =>
      (context) =>
        Effect.gen(function* () {
          const key = `${context.nodeId}/${context.firing}`
          yield* Step.run("refund", {}, Effect.sync(() => calls.push(key)).pipe(Effect.asVoid))
          if (context.nodeId === "reserve") yield* last(context)
        })
    const first = yield* world.start({ workflows: trip(undone, { ship: declined, undo: undo(gate.hook) }) })
    yield* first.engine.start(Trip, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* world.kill(first)
    const second = yield* world.start({ workflows: trip(undone, { undo: undo(pass) }) })
    expect(yield* second.engine.awaitEnd("a")).toMatchObject({ status: "compensated" })
    expect(keysOf(undone).sort()).toEqual(["a/charge/1", "a/charge/2", "a/reserve/1"])
    expect(calls.sort()).toEqual(["charge/1", "charge/2", "reserve/1"])
    expect((yield* world.firings("a"))["$compensate/3"]).toMatchObject({ status: "completed", crashes: 1 })
  })
)

scenario("a compensation that sleeps costs rows only, and a run beyond its deadline undoes its work too", (world) =>
  Effect.gen(function* () {
    const undone: Array<Undone> = []
    const undo: Hook<string> = ({ nodeId }) => (nodeId === "reserve" ? Step.sleep("bank", "50 millis") : Effect.void)
    const workflows = trip(undone, { beside: () => Effect.never, undo })
    const { engine } = yield* world.start({ workflows, settings: { alwaysEvict: true } })
    const deadline = DateTime.add(yield* DateTime.now, { seconds: 5 })
    yield* engine.start(Trip, { n: 1 }, { runId: "a", deadline })
    expect(yield* Effect.flip(engine.await(Trip, "a"))).toMatchObject({ failure: { kind: "timeout" } })
    expect(keysOf(undone)).toEqual(["a/charge/2", "a/charge/1", "a/reserve/1"])
  })
)

scenario("a failed run that has nothing to undo is failed, and goes on by a retry", (world) =>
  Effect.gen(function* () {
    const Paid = Workflow.make("paid", { version: 1, input: { n: N } })
      .node("charge", Charge, ({ input }) => ({ n: input.n }))
      .node("beside", Beside, ({ input }) => ({ n: input.n }))
      .output(({ beside, charge }) => ({ receipt: charge.receipt, beside: beside.done }))
    let isOpen = false
    const gate = yield* makeGate
    const hooks: Hooks = {
      first: () => Effect.zipRight(gate.arrived, isOpen ? Effect.void : declined()),
      beside: (context) => (isOpen ? Effect.void : gate.hook(context))
    }
    const undone: Array<Undone> = []
    const { engine } = yield* world.start({ workflows: Paid.layer.pipe(Layer.provide(handlersOf(undone, hooks))) })
    yield* engine.start(Paid, { n: 1 }, { runId: "a" })
    expect(yield* engine.awaitEnd("a")).toMatchObject({ status: "failed" })
    isOpen = true
    yield* engine.retry("a")
    yield* world.until("a", "completed")
    expect(yield* engine.await(Paid, "a")).toEqual({ receipt: "paid 1", beside: "beside" })
    expect(undone).toEqual([])
  })
)

scenario("a parked run whose nodes compensate is undone when it is cancelled", (world) =>
  Effect.gen(function* () {
    const undone: Array<Undone> = []
    const sleeps = trip(undone, { ship: () => Step.sleep("long", "1 day") })
    const { engine } = yield* world.start({ workflows: sleeps, settings: { idleMs: 0 } })
    yield* engine.start(Trip, { n: 1 }, { runId: "a" })
    yield* world.untilReleased("a")
    yield* world.sql("update perdure.run_state set status = 'parked', reason = 'Poison: by hand', due_at = null")
    yield* engine.cancel("a")
    expect(yield* engine.awaitEnd("a")).toMatchObject({ status: "compensated" })
    expect(keysOf(undone)).toHaveLength(3)
    expect(yield* world.sql("select kind, status from perdure.run_commands")).toEqual([
      { kind: "cancel", status: "applied" }
    ])
  })
)

scenario("a run nobody here knows is left to whoever can undo its work", (world) =>
  Effect.gen(function* () {
    const undone: Array<Undone> = []
    const sleeps = trip(undone, { ship: () => Step.sleep("long", "1 day") })
    const first = yield* world.start({ workflows: sleeps, settings: { idleMs: 0 } })
    yield* first.engine.start(Trip, { n: 1 }, { runId: "a" })
    yield* world.untilReleased("a")
    yield* first.stop
    const stranger = yield* world.start({ workflows: chain() })
    expect(yield* stranger.engine.cancel("a")).toBe("cancelling")
    // Another run that it does end was asked for later.
    yield* stranger.engine.start(Chain, { n: 1 }, { runId: "b" })
    yield* stranger.engine.awaitEnd("b")
    expect(yield* world.run("a")).toMatchObject({ status: "cancelling", endedAt: null })
    const second = yield* world.start({ workflows: sleeps })
    expect(yield* second.engine.awaitEnd("a")).toMatchObject({ status: "compensated" })
    expect(keysOf(undone)).toHaveLength(3)
  })
)

const Count = Node.make("count", {
  inputs: { n: Input.stream(N), shared: Input.shared(S) },
  outputs: { count: N },
  compensate: {}
})

/** Counts what comes as a stream, and fails behind that. */
const Counting = Workflow.make("counting", { version: 1, input: { n: N, name: S } })
  .node("reserve", Reserve, ({ input }) => ({ n: input.n }))
  .node("count", Count, ({ input, reserve }) => ({ n: reserve.seats, shared: input.name }))
  .node("beside", Beside, ({ count }) => ({ n: count.count }))
  .output(({ beside }) => ({ done: beside.done }))

scenario("what has read a stream is undone with what it took besides", (world) =>
  Effect.gen(function* () {
    const undone: Array<Undone> = []
    const note = (inputs: unknown, outputs: Option.Option<unknown>) =>
      Effect.map(NodeContext, ({ idempotencyKey }) => {
        undone.push([idempotencyKey, inputs, Option.getOrNull(outputs)])
      })
    const { engine } = yield* world.start({
      workflows: Counting.layer.pipe(
        Layer.provide([
          Reserve.toLayer(({ n }) => Effect.succeed({ seats: [n, n + 1], note: "" }), note),
          Count.toLayer(({ n }) => Effect.map(Stream.runCount(n), (count) => ({ count })), note),
          Beside.toLayer(() => Effect.dieMessage("full"))
        ])
      )
    })
    yield* engine.start(Counting, { n: 1, name: "x" }, { runId: "a" })
    expect((yield* engine.awaitEnd("a")).status).toBe("compensated")
    expect(undone).toEqual([
      ["a/count/1", { shared: "x" }, { count: 2 }],
      ["a/reserve/1", { n: 1 }, { seats: [1, 2], note: "" }]
    ])
  })
)

const Give = Node.make("give", { inputs: { n: N }, outputs: { n: Output.many(N) } })

/** Somebody gives without end, and somebody whose work can be undone reads. */
const Endless = Workflow.make("endless", { version: 1, input: { n: N, name: S } })
  .node("give", Give, ({ input }) => ({ n: input.n }))
  .node("count", Count, ({ give, input }) => ({ n: give.n, shared: input.name }))
  .output(({ count }) => ({ count: count.count }))

scenario("who reads a stream is not waited for when its run is cancelled: nobody gives any more", (world) =>
  Effect.gen(function* () {
    const undone: Array<Undone> = []
    const read = yield* Deferred.make<void>()
    const { engine } = yield* world.start({
      workflows: Endless.layer.pipe(
        Layer.provide([
          Give.toLayer(({ n }) => Effect.succeed({ n: Stream.concat(Stream.succeed(n), Stream.never) })),
          Count.toLayer(
            ({ n }) =>
              Effect.as(
                Stream.runForEach(n, () => Deferred.succeed(read, undefined)),
                { count: 1 }
              ),
            (inputs, outputs) => Effect.sync(() => undone.push(["count", inputs, Option.getOrNull(outputs)]))
          )
        ])
      )
    })
    yield* engine.start(Endless, { n: 1, name: "x" }, { runId: "a" })
    yield* Deferred.await(read)
    yield* engine.cancel("a")
    expect((yield* engine.awaitEnd("a")).status).toBe("compensated")
    expect(undone).toEqual([["count", { shared: "x" }, null]])
  })
)
