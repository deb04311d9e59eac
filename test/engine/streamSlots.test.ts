import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import * as Output from "../../src/definition/Output.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Limits } from "../../src/model/Limits.js"
import { expected, N, Produce, Sum, summing } from "./streamFixtures.js"
import { scenario, type World } from "./world.js"

/** Reads what comes at once, and what comes after somebody was asked. */
const Ask = Node.trigger("ask", { payload: N, outputs: { n: N } })
const Both = Node.make("both", { inputs: { n: Input.stream(N), more: Input.stream(N) }, outputs: { sum: N } })
const Asking = Workflow.make("asking", { version: 1, input: { count: N } })
  .node("produce", Produce, ({ input }) => ({ count: input.count }))
  .node("ask", Ask, () => ({}))
  .node("both", Both, ({ ask, produce }) => ({ n: produce.n, more: ask.n }))
  .output(({ both }) => ({ sum: both.sum }))

const asking = Asking.layer.pipe(
  Layer.provide([
    Produce.toLayer(({ count }) => Effect.succeed({ n: Stream.range(1, count) })),
    Ask.toLayer((_, n) => Effect.succeed({ n })),
    Both.toLayer(({ more, n }) => Effect.map(Stream.runSum(Stream.concat(n, more)), (sum) => ({ sum })))
  ])
)

/** Fires for each of many elements, all at once, and knows how many of them run. */
const Each = Node.make("each", { inputs: { n: N }, outputs: { n: N } })
const Split = Node.make("split", { inputs: { count: N }, outputs: { n: Output.many(N) } })
const Plain = Workflow.make("plain", { version: 1, input: { count: N } })
  .node("split", Split, ({ input }) => ({ count: input.count }))
  .node("each", Each, ({ split }) => ({ n: split.n }))
  .output(({ each }) => ({ n: each.n }))

const plain = () => {
  const seen = { now: 0, most: 0 }
  const counted = Effect.acquireUseRelease(
    Effect.sync(() => {
      seen.most = Math.max(seen.most, ++seen.now)
    }),
    () => Effect.yieldNow(),
    () => Effect.sync(() => seen.now--)
  )
  const layer = Plain.layer.pipe(
    Layer.provide([
      Split.toLayer(({ count }) => Effect.succeed({ n: Array.from({ length: count }, (_, n) => n) })),
      Each.toLayer(({ n }) => Effect.as(counted, { n }))
    ])
  )
  return { layer, seen }
}

type Started = Effect.Effect.Success<ReturnType<World["start"]>>

/** As many firings run at once as there are slots: none is lost, and none is there twice. */
const areWhole = ({ engine }: Started, seen: { most: number }, slots: number) =>
  Effect.gen(function* () {
    seen.most = 0
    yield* engine.start(Plain, { count: 40 }, { runId: "whole" })
    yield* engine.await(Plain, "whole")
    expect(seen.most).toBe(slots)
  })

scenario("with one slot a stream goes through all its nodes, and the slot is free again behind it", (world) =>
  Effect.gen(function* () {
    const { layer, seen } = plain()
    // Most of them go no further: the check of the rows takes longer the more there are.
    const double = (n: Stream.Stream<number>) => Stream.filter(n, (each) => each % 10 === 0)
    const process = yield* world.start({ workflows: Layer.merge(summing({ double }), layer), settings: { slots: 1 } })
    yield* process.engine.start(Sum, { count: 3_200 }, { runId: "a" })
    expect(yield* process.engine.await(Sum, "a")).toEqual({ sum: 5 * expected(320).sum, count: 320 })
    yield* areWhole(process, seen, 1)
  })
)

scenario("readers that wait in as many runs as there are slots leave them to others", (world) =>
  Effect.gen(function* () {
    const { layer, seen } = plain()
    const process = yield* world.start({ workflows: Layer.merge(asking, layer), settings: { slots: 3 } })
    const runIds = ["a", "b", "c"]
    for (const runId of runIds) yield* process.engine.start(Asking, { count: 10 }, { runId })
    yield* Effect.forEach(runIds, (runId) =>
      world.untilRow(
        "select from perdure.run_node_state where run_id = $1 and node_id = 'produce' and status = 'completed'",
        [runId]
      )
    )
    yield* areWhole(process, seen, 3)
    for (const runId of runIds) {
      yield* process.engine.trigger(Asking, runId, "ask", 45, { inputId: "more" })
      expect(yield* process.engine.await(Asking, runId)).toEqual({ sum: 100 })
    }
    seen.most = 0
    yield* process.engine.start(Plain, { count: 40 }, { runId: "after" })
    yield* process.engine.await(Plain, "after")
    expect(seen.most).toBe(3)
  })
)

scenario("slots that were lent are whole again when those who wait are interrupted", (world) =>
  Effect.gen(function* () {
    const { layer, seen } = plain()
    const stuck = yield* Deferred.make<void>()
    const double = (n: Stream.Stream<number>) => Stream.tap(n, () => Deferred.await(stuck))
    const workflows = Layer.mergeAll(summing({ double }), asking, layer)
    const process = yield* world.start({ workflows, settings: { slots: 2 } })
    yield* process.engine.start(Asking, { count: 10 }, { runId: "reads" })
    yield* process.engine.start(Sum, { count: 20_000 }, { runId: "gives" })
    yield* world.untilRow(`select from perdure.run_inbox_messages where ordinal >= ${Limits.edgeCredits - 1}`)
    for (const runId of ["reads", "gives"]) {
      yield* process.engine.cancel(runId)
      expect(yield* process.engine.awaitEnd(runId)).toMatchObject({ status: "cancelled" })
    }
    yield* areWhole(process, seen, 2)
  })
)
