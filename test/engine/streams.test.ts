import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Node from "../../src/definition/Node.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Limits } from "../../src/model/Limits.js"
import { Declined } from "./fixtures.js"
import { expected, Fold, folded, N, Produce, Sum, summing, twice } from "./streamFixtures.js"
import { scenario } from "./world.js"

scenario("a stream goes through nodes that run side by side, in batches, and the rows have it all", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: summing() })
    yield* engine.start(Sum, { count: 1_234 }, { runId: "a" })
    expect(yield* engine.await(Sum, "a")).toEqual(expected(1_234))
    const [row] = yield* world.sql("select count(*)::int4 as n from perdure.run_inbox_messages where tombstone is null")
    expect(row?.["n"]).toBe(2 * 1_234 + 3)
    expect((yield* world.run("a")).version).toBeLessThan(100)
  })
)

scenario(
  "a stream goes on where it was committed when processes die, and no element is counted twice or lost",
  (world) =>
    Effect.gen(function* () {
      const count = 2_400
      // The first two lives stop in the middle: of the fold, then of what is between.
      let life = 0
      const stopping = (at: number) => (n: Stream.Stream<number>) =>
        Stream.tap(twice(n), (each) => (each === at ? Effect.never : Effect.void))
      for (const at of [1_400, 3_600]) {
        life++
        const dying = yield* world.start({ workflows: summing({ double: stopping(at) }) })
        if (life === 1) yield* dying.engine.start(Sum, { count }, { runId: "a" })
        yield* world.untilRow(
          `select from perdure.run_steps where kind = 'checkpoint' and (value::jsonb->'state'->>'count')::int4 >= ${at / 2 - 300}`
        )
        yield* world.kill(dying)
      }
      const last = yield* world.start({ workflows: summing() })
      expect(yield* last.engine.await(Sum, "a")).toEqual(expected(count))
    })
)

scenario("an element that is another one than before parks the run", (world) =>
  Effect.gen(function* () {
    let life = 0
    const drifting = () => Effect.sync(() => Stream.map(Stream.range(1, 1_200), (n) => (n === 700 ? n + life++ : n)))
    const gated = (n: Stream.Stream<number>) => Stream.tap(n, (each) => (each === 1_200 ? Effect.never : Effect.void))
    const workflows = summing({ produce: drifting, double: gated })
    const first = yield* world.start({
      workflows: summing({
        produce: () => Effect.succeed(Stream.concat(Stream.range(1, 1_200), Stream.never)),
        double: gated
      })
    })
    yield* first.engine.start(Sum, { count: 1 }, { runId: "a" })
    yield* world.untilRow("select from perdure.run_inbox_messages where producer = 'produce.n' and ordinal = 1100")
    yield* world.kill(first)
    life = 1
    yield* world.start({ workflows })
    expect(yield* world.until("a", "parked")).toMatchObject({
      reason: "NonDeterministicEmission: produce/1.n: element 699 is not what it was before"
    })
  })
)

scenario("a stream that ends sooner than before parks the run", (world) =>
  Effect.gen(function* () {
    const gated = (n: Stream.Stream<number>) => Stream.tap(n, (each) => (each === 1_200 ? Effect.never : Effect.void))
    const endless = () => Effect.succeed(Stream.concat(Stream.range(1, 1_200), Stream.never))
    const first = yield* world.start({ workflows: summing({ produce: endless, double: gated }) })
    yield* first.engine.start(Sum, { count: 600 }, { runId: "a" })
    yield* world.untilRow("select from perdure.run_inbox_messages where producer = 'produce.n' and ordinal = 1199")
    yield* world.kill(first)
    yield* world.start({ workflows: summing() })
    expect(yield* world.until("a", "parked")).toMatchObject({
      reason: "NonDeterministicEmission: produce/1.n: ended after 600 elements, it gave more before"
    })
  })
)

scenario("E7 a stream waits while its slow consumer is behind, and memory holds none of it", (world) =>
  Effect.gen(function* () {
    const stuck = (n: Stream.Stream<number>) => Stream.tap(n, () => Effect.never)
    const { engine } = yield* world.start({ workflows: summing({ double: stuck }) })
    yield* engine.start(Sum, { count: 20_000 }, { runId: "a" })
    yield* world.untilRow(`select from perdure.run_inbox_messages where ordinal >= ${Limits.edgeCredits - 1}`)
    const [before] = yield* world.sql("select max(ordinal)::int4 as n from perdure.run_inbox_messages")
    expect(Number(before?.["n"])).toBeLessThan(Limits.edgeCredits + 2 * Limits.streamBatch)
    yield* engine.cancel("a")
    expect(yield* engine.awaitEnd("a")).toMatchObject({ status: "cancelled" })
  })
)

scenario("a stream that fails by the node's typed error is tried again, and what it gave is not given twice", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: summing({
        produce: (count) =>
          Effect.succeed(Stream.concat(Stream.range(1, count), Stream.fail(new Declined({ code: 7 }))))
      })
    })
    yield* engine.start(Sum, { count: 700 }, { runId: "a" })
    expect(yield* Effect.flip(engine.await(Sum, "a"))).toMatchObject({
      failure: { nodeId: "produce", error: { code: 7 } }
    })
    yield* engine.retry("a")
    yield* world.untilRow(
      "select from perdure.run_node_state where node_id = 'produce' and attempt = 2 and status = 'failed'"
    )
    yield* world.until("a", "failed")
    const rows = yield* world.sql(
      "select count(*)::int4 as n from perdure.run_inbox_messages where producer = 'produce.n'"
    )
    expect(rows).toEqual([{ n: 700 }])
  })
)

scenario("a stream and a node that fires for each element go on where everything is evicted that can be", (world) =>
  Effect.gen(function* () {
    const Each = Node.make("each", { inputs: { n: N }, outputs: { n: N }, concurrency: 8 })
    const Mixed = Workflow.make("mixed", { version: 1, input: { count: N } })
      .node("produce", Produce, ({ input }) => ({ count: input.count }))
      .node("each", Each, ({ produce }) => ({ n: produce.n }))
      .node("fold", Fold, ({ each }) => ({ n: each.n }))
      .output(({ fold }) => ({ sum: fold.sum, count: fold.count }))
    const mixed = Mixed.layer.pipe(
      Layer.provide([
        Produce.toLayer(({ count }) => Effect.succeed({ n: Stream.range(1, count) })),
        Each.toLayer(({ n }) => Effect.succeed({ n: n * 2 })),
        Fold.toLayer(({ n }) => folded(n))
      ])
    )
    const { engine } = yield* world.start({ workflows: mixed, settings: { alwaysEvict: true } })
    yield* engine.start(Mixed, { count: 300 }, { runId: "a" })
    expect(yield* engine.await(Mixed, "a")).toEqual(expected(300))
  })
)
