import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import { NodeContext } from "../../src/definition/NodeContext.js"
import * as Output from "../../src/definition/Output.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Approved, Charged, Declined } from "./fixtures.js"
import { approved, charged, makeGate } from "./handlers.js"
import { scenario, type World } from "./world.js"

const { Number: N, String: S } = Schema

const Tell = Node.make("tell", { inputs: { why: Node.ChildFailure }, outputs: { said: S } })

/** The failure of a child as text. */
const tell = Tell.toLayer(({ why }) =>
  Effect.succeed({ said: why._tag === "RunFailed" ? JSON.stringify(why.failure.error) : why._tag })
)

const Charging = Node.child("charging", Charged)
const Caught = Workflow.make("caught", { version: 1, input: { n: N } })
  .node("charging", Charging, ({ input }) => ({ n: input.n }))
  .node("tell", Tell, ({ charging }) => ({ why: charging.error }))
  .output(({ charging, tell }) => ({ n: Workflow.maybe(charging.n), said: tell.said }))

const children = (world: World) =>
  Effect.map(world.sql("select child_id from perdure.run_children order by child_id"), (rows) =>
    rows.map((row) => String(row["child_id"]))
  )

const childOf = (world: World) =>
  Effect.map(world.untilRow("select child_id from perdure.run_children"), (row) => String(row["child_id"]))

scenario(
  "a node that is a workflow has no handler to write; its outputs, or its typed failure, are its ports",
  (world) =>
    Effect.gen(function* () {
      const { engine } = yield* world.start({
        workflows: Layer.merge(
          Caught.layer.pipe(Layer.provide(tell)),
          charged((n) => (n < 5 ? Effect.succeed({ out: n * 10 }) : new Declined({ code: n })))
        )
      })
      yield* engine.start(Caught, { n: 1 }, { runId: "a" })
      expect(yield* engine.await(Caught, "a")).toEqual({ n: Option.some(10), said: Option.none() })
      yield* engine.start(Caught, { n: 7 }, { runId: "b" })
      expect(yield* engine.await(Caught, "b")).toEqual({
        n: Option.none(),
        said: Option.some('{"code":7,"_tag":"Declined"}')
      })
      expect(yield* engine.list({ workflow: "charged", limit: 10 })).toHaveLength(2)
    })
)

const Spread = Node.make("spread", {
  inputs: { n: N },
  outputs: { part: Output.many(N), odd: Output.optional(N), all: N }
})
const Spreading = Workflow.make("spreading", { version: 1, input: { n: N } })
  .node("spread", Spread, ({ input }) => ({ n: input.n }))
  .output(({ spread }) => ({ parts: spread.part, odd: spread.odd, all: spread.all }))
const Sum = Node.make("sum", { inputs: { parts: Input.all(N) }, outputs: { sum: N } })
const Modes = Workflow.make("modes", { version: 1, input: { n: N } })
  .node("spreading", Node.child("spreading", Spreading), ({ input }) => ({ n: input.n }))
  .node("sum", Sum, ({ spreading }) => ({ parts: spreading.parts }))
  .output(({ spreading, sum }) => ({ parts: spreading.parts, odd: spreading.odd, all: spreading.all, sum: sum.sum }))

scenario("an output that may not come is a route, one of many gives a message per element", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: Layer.merge(
        Modes.layer.pipe(
          Layer.provide(Sum.toLayer(({ parts }) => Effect.succeed({ sum: parts.reduce((a, b) => a + b, 0) })))
        ),
        Spreading.layer.pipe(
          Layer.provide(
            Spread.toLayer(({ n }) =>
              Effect.succeed({
                part: Array.from({ length: n }, (_, i) => i),
                all: n,
                ...(n % 2 === 1 ? { odd: n } : {})
              })
            )
          )
        )
      )
    })
    yield* engine.start(Modes, { n: 4 }, { runId: "even" })
    expect(yield* engine.await(Modes, "even")).toEqual({ parts: [0, 1, 2, 3], odd: Option.none(), all: 4, sum: 6 })
    yield* engine.start(Modes, { n: 1 }, { runId: "odd" })
    expect(yield* engine.await(Modes, "odd")).toEqual({ parts: [0], odd: Option.some(1), all: 1, sum: 0 })
    const messages = yield* world.sql(
      "select from perdure.run_inbox_messages where run_id = 'even' and node_id = 'sum' and handle = 'parts'"
    )
    expect(messages).toHaveLength(4)
  })
)

const Numbers = Node.make("numbers", { inputs: { n: N }, outputs: { one: Output.many(N) } })
const Wide = Workflow.make("wide", { version: 1, input: { n: N } })
  .node("numbers", Numbers, ({ input }) => ({ n: input.n }))
  .node("charging", Charging, ({ numbers }) => ({ n: numbers.one }))
  .output(({ charging }) => ({ all: charging.n }))

scenario(
  "no more children of a child node live at once than the setting says, and the others come after them",
  (world) =>
    Effect.gen(function* () {
      const gate = yield* makeGate
      const { engine } = yield* world.start({
        workflows: Layer.merge(
          Wide.layer.pipe(
            Layer.provide(
              Numbers.toLayer(({ n }) => Effect.succeed({ one: Array.from({ length: n }, (_, index) => index) }))
            )
          ),
          charged((n, context) => Effect.as(gate.hook(context), { out: n }))
        ),
        settings: { childFanOut: 3, idleMs: 0 }
      })
      yield* engine.start(Wide, { n: 10 }, { runId: "a" })
      yield* gate.arrived
      yield* world.untilRow("select from perdure.run_children having count(*) >= 3")
      yield* world.untilReleased("a")
      expect(yield* children(world)).toHaveLength(3)
      yield* gate.open
      const { all } = yield* engine.await(Wide, "a")
      expect(all).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      expect(yield* children(world)).toHaveLength(10)
    })
)

const Retried = Workflow.make("retried", { version: 1, input: { n: N } })
  .node(
    "charging",
    Node.child("charging", Charged, { retry: { times: 2, schedule: Schedule.spaced("1 millis") } }),
    ({ input }) => ({ n: input.n })
  )
  .output(({ charging }) => ({ n: charging.n }))

scenario("each attempt of a child node has a child of its own", (world) =>
  Effect.gen(function* () {
    let tries = 0
    const { engine } = yield* world.start({
      workflows: Layer.merge(
        Retried.layer,
        charged((n) => (++tries < 3 ? new Declined({ code: tries }) : Effect.succeed({ out: n })))
      ),
      settings: { alwaysEvict: true }
    })
    yield* engine.start(Retried, { n: 5 }, { runId: "a" })
    expect(yield* engine.await(Retried, "a")).toEqual({ n: 5 })
    expect(yield* children(world)).toHaveLength(3)
    expect((yield* world.firings("a"))["charging/1"]).toMatchObject({ status: "completed", attempt: 3 })
  })
)

const Waits = Workflow.make("waits", { version: 1, input: { n: N } })
  .node("approving", Node.child("approving", Approved), ({ input }) => ({ n: input.n }))
  .output(({ approving }) => ({ n: approving.n, no: approving.no }))

scenario("a child that is cancelled alone fails its node, which does not try it again", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: Layer.merge(Waits.layer, approved()),
      settings: { idleMs: 0 }
    })
    yield* engine.start(Waits, { n: 1 }, { runId: "a" })
    const child = yield* childOf(world)
    yield* world.until(child, "suspended")
    yield* engine.cancel(child)
    const { failure } = yield* engine.awaitEnd("a")
    expect(JSON.parse(failure!)).toMatchObject({ kind: "error", error: { _tag: "RunCancelled", runId: child } })
    expect(yield* children(world)).toHaveLength(1)
  })
)

const Fail = Node.make("fail", { inputs: { n: N, go: N }, outputs: {}, error: Declined })
const Gate = Node.trigger("gate", { payload: N, inputs: {}, outputs: { go: N } })
/** Fails when it is told to, while its child waits. */
const Failing = Workflow.make("failing", { version: 1, input: { n: N } })
  .node("approving", Node.child("approving", Approved), ({ input }) => ({ n: input.n }))
  .node("gate", Gate, () => ({}))
  .node("fail", Fail, ({ gate, input }) => ({ n: input.n, go: gate.go }))
  .output(({ approving }) => ({ n: approving.n }))

const failing = (state: { fails: boolean }) =>
  Failing.layer.pipe(
    Layer.provide([
      Gate.toLayer((_, go) => Effect.succeed({ go })),
      Fail.toLayer(({ n }) => (state.fails ? new Declined({ code: n }) : Effect.succeed({})))
    ])
  )

/** A run whose child waits, and that fails after its gate for as long as the state says so. */
const waitingParent = (world: World) =>
  Effect.gen(function* () {
    const state = { fails: true }
    const { engine } = yield* world.start({
      workflows: Layer.merge(failing(state), approved()),
      settings: { idleMs: 0 }
    })
    yield* engine.start(Failing, { n: 1 }, { runId: "a" })
    return { engine, state, child: yield* childOf(world) }
  })

scenario("a parent that fails cancels its children, and has new ones when it is tried again", (world) =>
  Effect.gen(function* () {
    const { child: first, engine, state } = yield* waitingParent(world)
    yield* world.until(first, "suspended")
    yield* engine.trigger(Failing, "a", "gate", 1, { inputId: "1" })
    expect((yield* engine.awaitEnd("a")).status).toBe("failed")
    yield* world.until(first, "cancelled")
    state.fails = false
    yield* engine.retry("a")
    const second = String(
      (yield* world.untilRow(`select child_id from perdure.run_children where child_id <> '${first}'`))["child_id"]
    )
    yield* engine.trigger(Approved, second, "approval", { approved: true }, { inputId: "1" })
    expect(yield* engine.await(Failing, "a")).toEqual({ n: Option.some(4) })
  })
)

scenario("the end of a child that comes after its parent has failed is there when that is tried again", (world) =>
  Effect.gen(function* () {
    const { child, engine, state } = yield* waitingParent(world)
    yield* world.until(child, "suspended")
    // Takes away what the child would be cancelled by, as if it had ended in that very moment.
    yield* world.sql("delete from perdure.run_children")
    yield* engine.trigger(Failing, "a", "gate", 1, { inputId: "1" })
    expect((yield* engine.awaitEnd("a")).status).toBe("failed")
    yield* engine.trigger(Approved, child, "approval", { approved: true }, { inputId: "1" })
    yield* world.until(child, "completed")
    yield* world.untilRow(
      "select from perdure.trigger_inputs where run_id = 'a' and signal is not null and status = 'dead'"
    )
    state.fails = false
    yield* engine.retry("a")
    yield* world.until("a", "completed")
    expect(yield* engine.await(Failing, "a")).toEqual({ n: Option.some(4) })
    expect(yield* engine.list({ workflow: "approved", limit: 9 })).toHaveLength(1)
  })
)

const Undone = Node.child("charging", Charged, { compensate: {} })
const After = Node.make("after", { inputs: { n: N }, outputs: {}, error: Declined })
const Undoing = Workflow.make("undoing", { version: 1, input: { n: N } })
  .node("charging", Undone, ({ input }) => ({ n: input.n }))
  .node("after", After, ({ charging }) => ({ n: charging.n }))
  .output(({ charging }) => ({ n: charging.n }))

scenario("what a child has done is undone with its outputs when its parent fails", (world) =>
  Effect.gen(function* () {
    const undone: Array<unknown> = []
    const { engine } = yield* world.start({
      workflows: Layer.merge(
        Undoing.layer.pipe(
          Layer.provide([
            After.toLayer(({ n }) => new Declined({ code: n })),
            Undone.toLayer(({ n }, outputs) =>
              Effect.map(NodeContext, ({ nodeId }) => {
                undone.push([nodeId, n, outputs])
              })
            )
          ])
        ),
        charged((n) => Effect.succeed({ out: n + 1 }))
      )
    })
    yield* engine.start(Undoing, { n: 1 }, { runId: "a" })
    expect((yield* engine.awaitEnd("a")).status).toBe("compensated")
    expect(undone).toEqual([["charging", 1, Option.some({ n: 2 })]])
  })
)
