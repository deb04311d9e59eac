import { expect } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import * as Output from "../../src/definition/Output.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Limits } from "../../src/model/Limits.js"
import { expected, Fold, folded, N, Sum, summing } from "./streamFixtures.js"
import { scenario, type World } from "./world.js"

const endless = Stream.iterate(1, (n) => n + 1)

/** Has enough after so many elements. */
const first = (count: number) => (n: Stream.Stream<number>) =>
  Effect.map(Stream.runCollect(Stream.take(n, count)), (taken) => ({
    sum: Chunk.reduce(taken, 0, (a, b) => a + b),
    count: taken.length
  }))

/** Every firing that gave a stream has ended, and its row counts exactly what stands in the rows. */
const counted = (world: World) =>
  Effect.gen(function* () {
    const rows = yield* world.sql(
      `select f.node_id, f.status, (f.emitted->>'n')::int4 as emitted, (
         select count(*)::int4 from perdure.run_inbox_messages m
         where m.run_id = f.run_id and m.producer = f.node_id || '.n' and m.firing = f.firing
       ) as there
       from perdure.run_node_state f where f.run_id = 'a' and f.node_id in ('produce', 'double') order by 1`
    )
    expect(rows.map(({ status }) => status)).toEqual(["completed", "completed"])
    for (const { emitted, there } of rows) expect(emitted).toBe(there)
  })

scenario("an endless stream ends when its readers have ended, its finalizers run, and so does the run", (world) =>
  Effect.gen(function* () {
    const closed = { produce: 0, double: 0 }
    const closing = <E, R>(stream: Stream.Stream<number, E, R>, who: keyof typeof closed) =>
      Stream.ensuring(
        stream,
        Effect.sync(() => closed[who]++)
      )
    const { engine } = yield* world.start({
      workflows: summing({
        produce: () => Effect.succeed(closing(endless, "produce")),
        double: (n) =>
          closing(
            Stream.map(n, (each) => each * 2),
            "double"
          ),
        fold: first(5)
      })
    })
    yield* engine.start(Sum, { count: 1 }, { runId: "a" })
    expect(yield* engine.await(Sum, "a")).toEqual(expected(5))
    expect(closed).toEqual({ produce: 1, double: 1 })
    yield* counted(world)
  })
)

scenario("an endless stream that has nothing to give for a long time ends with its readers, too", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: summing({
        produce: () => Effect.succeed(Stream.concat(Stream.range(1, 5), Stream.never)),
        fold: first(5)
      })
    })
    yield* engine.start(Sum, { count: 1 }, { runId: "a" })
    expect(yield* engine.await(Sum, "a")).toEqual(expected(5))
    yield* counted(world)
  })
)

scenario("what waits in a step while it gives an endless stream is woken when its readers have ended", (world) =>
  Effect.gen(function* () {
    const mayEnd = yield* Deferred.make<void>()
    const waiting = Stream.concat(Stream.range(1, 5), Stream.drain(Stream.fromEffect(Step.sleep("long", "1 hour"))))
    const { engine } = yield* world.start({
      settings: { idleMs: 0 },
      workflows: summing({
        produce: () => Effect.succeed(waiting),
        fold: (n) => Effect.tap(first(5)(n), () => Deferred.await(mayEnd))
      })
    })
    yield* engine.start(Sum, { count: 1 }, { runId: "a" })
    yield* world.untilRow(
      "select from perdure.run_node_state where run_id = 'a' and node_id = 'produce' and status = 'suspended'"
    )
    yield* Deferred.succeed(mayEnd, undefined)
    expect(yield* engine.await(Sum, "a")).toEqual(expected(5))
    yield* counted(world)
  })
)

scenario(
  "a process that dies after the last reader has ended leaves a stream that the next one does not begin again",
  (world) =>
    Effect.gen(function* () {
      // It can't be interrupted here, so that the first life does not see the stream end.
      const stuck = Stream.tap(endless, (n) => (n === 1_234 ? Effect.uninterruptible(Effect.never) : Effect.void))
      const fold = (n: Stream.Stream<number>) => first(600)(n)
      const dying = yield* world.start({ workflows: summing({ produce: () => Effect.succeed(stuck), fold }) })
      yield* dying.engine.start(Sum, { count: 1 }, { runId: "a" })
      yield* world.untilRow(
        "select from perdure.run_node_state where run_id = 'a' and node_id = 'double' and status = 'completed'"
      )
      yield* world.kill(dying)
      let given = 0
      const produce = () => Effect.succeed(Stream.tap(endless, () => Effect.sync(() => given++)))
      const last = yield* world.start({ workflows: summing({ produce, fold }) })
      expect(yield* last.engine.await(Sum, "a")).toEqual(expected(600))
      expect(given).toBe(0)
      yield* counted(world)
    })
)

scenario("a stream that ends by itself gives what it gave, whether its readers leave or stay", (world) =>
  Effect.gen(function* () {
    const count = 3 * Limits.edgeCredits
    const { engine } = yield* world.start({
      workflows: summing({ produce: () => Effect.succeed(Stream.range(1, count)), fold: first(7) })
    })
    yield* engine.start(Sum, { count }, { runId: "a" })
    expect(yield* engine.await(Sum, "a")).toEqual(expected(7))
    yield* counted(world)
  })
)

const Two = Node.make("two", { inputs: { count: N }, outputs: { some: Output.many(N), all: Output.many(N) } })
const First = Node.make("first", { inputs: { n: Input.stream(N) }, outputs: { sum: N, count: N } })
const Forked = Workflow.make("forked", { version: 1, input: { count: N } })
  .node("two", Two, ({ input }) => ({ count: input.count }))
  .node("first", First, ({ two }) => ({ n: two.some }))
  .node("fold", Fold, ({ two }) => ({ n: two.all }))
  .output(({ first, fold }) => ({ first: first.count, fold: fold.count }))

scenario("a stream whose readers have left ends alone: what else its node gives goes on to its end", (world) =>
  Effect.gen(function* () {
    const count = Limits.edgeCredits
    const forked = Forked.layer.pipe(
      Layer.provide([
        Two.toLayer(({ count }) => Effect.succeed({ some: endless, all: Stream.range(1, count) })),
        First.toLayer(({ n }) => first(3)(n)),
        Fold.toLayer(({ n }) => folded(n))
      ])
    )
    const { engine } = yield* world.start({ workflows: forked })
    yield* engine.start(Forked, { count }, { runId: "a" })
    expect(yield* engine.await(Forked, "a")).toEqual({ first: 3, fold: count })
  })
)

scenario("a defect in a finalizer of a stream that was ended is one of its attempt", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: summing({
        produce: () => Effect.succeed(Stream.ensuring(endless, Effect.dieMessage("it does not close"))),
        fold: first(5)
      })
    })
    yield* engine.start(Sum, { count: 1 }, { runId: "a" })
    const { failure, status } = yield* engine.awaitEnd("a")
    expect(status).toBe("failed")
    expect(JSON.parse(failure ?? "null")).toMatchObject({ nodeId: "produce", kind: "defect" })
    expect(failure).toContain("it does not close")
  })
)
