import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Node from "../../src/definition/Node.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Approved, Charged, Declined } from "./fixtures.js"
import { approved, charged } from "./handlers.js"
import { scenario, type World } from "./world.js"

const { Number: N, String: S } = Schema

const Order = Node.make("order", { inputs: { n: N }, outputs: { out: S }, error: Declined })
const Ordered = Workflow.make("ordered", { version: 1, input: { n: N } })
  .node("order", Order, ({ input }) => ({ n: input.n }))
  .output(({ order }) => ({ out: order.out }))

/** A parent whose child waits for an approval. */
const parent = Ordered.layer.pipe(
  Layer.provide(
    Order.toLayer(({ n }) =>
      Effect.map(Effect.orDie(Step.child("approval", Approved, { n })), ({ n: result }) => ({
        out: JSON.stringify(result)
      }))
    )
  )
)

const childOf = (world: World) =>
  Effect.map(world.untilRow("select child_id from perdure.run_children"), (row) => String(row["child_id"]))

scenario("a child has a run of its own, and its output comes back to the step that waits for it", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: Layer.merge(parent, approved()), settings: { idleMs: 0 } })
    yield* engine.start(Ordered, { n: 1 }, { runId: "a" })
    const child = yield* childOf(world)
    yield* world.untilReleased("a")
    yield* engine.trigger(Approved, child, "approval", { approved: true }, { inputId: "1" })
    expect(yield* engine.await(Ordered, "a")).toEqual({ out: '{"_id":"Option","_tag":"Some","value":4}' })
    expect((yield* world.run(child)).status).toBe("completed")
  })
)

scenario("a child goes on when its parent's worker is dead, and is not started again", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({ workflows: Layer.merge(parent, approved()) })
    yield* first.engine.start(Ordered, { n: 1 }, { runId: "a" })
    const child = yield* childOf(world)
    yield* world.kill(first)
    const second = yield* world.start({ workflows: approved() })
    yield* second.engine.trigger(Approved, child, "approval", { approved: true }, { inputId: "1" })
    yield* second.engine.awaitEnd(child)
    const third = yield* world.start({ workflows: Layer.merge(parent, approved()) })
    expect((yield* third.engine.awaitEnd("a")).status).toBe("completed")
    expect(yield* world.sql("select from perdure.run_state")).toHaveLength(2)
  })
)

scenario("the typed failure of a child comes back, and its handler may catch it", (world) =>
  Effect.gen(function* () {
    const catching = Ordered.layer.pipe(
      Layer.provide(
        Order.toLayer(({ n }) =>
          Step.child("charge", Charged, { n }).pipe(
            Effect.map((output) => ({ out: String(output.n) })),
            Effect.catchTag("RunFailed", ({ failure }) => Effect.succeed({ out: JSON.stringify(failure.error) })),
            Effect.catchTag("RunCancelled", () => Effect.succeed({ out: "cancelled" }))
          )
        )
      )
    )
    const { engine } = yield* world.start({
      workflows: Layer.merge(
        catching,
        charged((n) => new Declined({ code: n }))
      )
    })
    yield* engine.start(Ordered, { n: 7 }, { runId: "a" })
    expect(yield* engine.await(Ordered, "a")).toEqual({ out: '{"code":7,"_tag":"Declined"}' })
  })
)

class Late extends Schema.TaggedError<Late>()("Late", { due: Schema.Date, amount: Schema.BigInt }) {}

const Pay = Node.make("pay", { inputs: { n: N }, outputs: { out: S }, error: Late })
const Paid = Workflow.make("paid", { version: 1, input: { n: N } })
  .node("pay", Pay, ({ input }) => ({ n: input.n }))
  .output(({ pay }) => ({ out: pay.out }))
const Outer = Node.make("outer", {
  inputs: { n: N },
  outputs: { out: S },
  error: Schema.Union(Late, Node.ChildFailure)
})
const Outermost = Workflow.make("outermost", { version: 1, input: { n: N } })
  .node("outer", Outer, ({ input }) => ({ n: input.n }))
  .output(({ outer }) => ({ out: outer.out }))

scenario(
  "a handler passes the typed error of a child on, or its whole failure, and neither is encoded twice",
  (world) =>
    Effect.gen(function* () {
      const late = new Late({ due: new Date("2026-11-23T08:30:00Z"), amount: 7n })
      const paid = Paid.layer.pipe(Layer.provide(Pay.toLayer(() => Effect.fail(late))))
      const outer = Outermost.layer.pipe(
        Layer.provide(
          Outer.toLayer(({ n }) =>
            Step.child("paid", Paid, { n }).pipe(
              Effect.catchTag("RunFailed", (failed) => Effect.fail(n === 1 ? (failed.error ?? failed) : failed))
            )
          )
        )
      )
      const { engine } = yield* world.start({ workflows: Layer.merge(paid, outer) })
      const failedOf = (n: number) =>
        Effect.gen(function* () {
          yield* engine.start(Outermost, { n }, { runId: `r-${n}` })
          const failed = yield* Effect.flip(engine.await(Outermost, `r-${n}`))
          return failed._tag === "RunFailed" ? failed : yield* Effect.die(failed)
        })
      const passed = yield* failedOf(1)
      expect(passed.error).toEqual(late)
      expect(passed.failure.error).toEqual({ _tag: "Late", due: "2026-11-23T08:30:00.000Z", amount: "7" })
      const whole = yield* failedOf(2)
      const inner = whole.error
      if (inner?._tag !== "RunFailed") return expect.fail(String(inner))
      expect(inner.failure.error).toEqual(passed.failure.error)
      expect((yield* Workflow.failed(Paid, inner)).error).toEqual(late)
      expect(JSON.stringify(whole.failure.error)).toContain('"amount":"7"')
    })
)

scenario("the error of a child of another build is told as one that can't be read", (world) =>
  Effect.gen(function* () {
    const Other = Workflow.make("paid", { version: 1, input: { n: N } })
      .node("pay", Node.make("pay", { inputs: { n: N }, outputs: { out: S }, error: S }), ({ input }) => input)
      .output(({ pay }) => ({ out: pay.out }))
    const late = new Late({ due: new Date(0), amount: 7n })
    const paid = Paid.layer.pipe(Layer.provide(Pay.toLayer(() => Effect.fail(late))))
    const outer = Ordered.layer.pipe(
      Layer.provide(
        Order.toLayer(({ n }) =>
          Step.child("paid", Other, { n }).pipe(
            Effect.catchTag("RunFailed", ({ error, failure }) =>
              Effect.succeed({ out: `${failure.kind} ${error} ${failure.message}` })
            ),
            Effect.orDie
          )
        )
      )
    )
    const { engine } = yield* world.start({ workflows: Layer.merge(paid, outer) })
    yield* engine.start(Ordered, { n: 1 }, { runId: "a" })
    const { out } = yield* engine.await(Ordered, "a")
    expect(out).toMatch(/^undecodable undefined .*pay\.error: Expected string/)
  })
)

scenario("cancel, pause and resume of a parent travel down to its children", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: Layer.merge(parent, approved()), settings: { idleMs: 0 } })
    yield* engine.start(Ordered, { n: 1 }, { runId: "a" })
    const child = yield* childOf(world)
    yield* world.until(child, "suspended")
    yield* engine.pause("a")
    yield* world.until(child, "paused")
    yield* engine.resume("a")
    yield* world.until(child, "suspended")
    yield* engine.cancel("a")
    yield* world.until(child, "cancelled")
    expect((yield* engine.awaitEnd("a")).status).toBe("cancelled")
  })
)

scenario("a child that is cancelled by itself tells its parent", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: Layer.merge(parent, approved()), settings: { idleMs: 0 } })
    yield* engine.start(Ordered, { n: 1 }, { runId: "a" })
    const child = yield* childOf(world)
    yield* world.until(child, "suspended")
    yield* engine.cancel(child)
    const { failure } = yield* engine.awaitEnd("a")
    expect(failure).toContain(`run ${child} was cancelled`)
  })
)

const Nested = Node.make("nested", { inputs: { n: N }, outputs: { out: N } })
const Deep = Workflow.make("deep", { version: 1, input: { n: N } })
  .node("nested", Nested, ({ input }) => ({ n: input.n }))
  .output(({ nested }) => ({ out: nested.out }))

scenario("children are bounded in depth and in number", (world) =>
  Effect.gen(function* () {
    const deep = Deep.layer.pipe(
      Layer.provide(
        Nested.toLayer(({ n }) =>
          Effect.map(Effect.orDie(Step.child("deeper", Deep, { n: n + 1 })), ({ out }) => ({ out }))
        )
      )
    )
    const wide = Ordered.layer.pipe(
      Layer.provide(
        Order.toLayer(({ n }) =>
          Effect.as(
            Effect.forEach(
              Array.from({ length: n }),
              (_, index) => Effect.orDie(Step.child("one", Charged, { n: index }, { key: `${index}` })),
              { concurrency: "unbounded" }
            ),
            { out: `${n} children` }
          )
        )
      )
    )
    const { engine } = yield* world.start({
      workflows: Layer.mergeAll(
        deep,
        wide,
        charged((n) => Effect.succeed({ out: n }))
      ),
      settings: { childDepth: 2, childFanOut: 3 }
    })
    yield* engine.start(Deep, { n: 0 }, { runId: "deep" })
    expect((yield* engine.awaitEnd("deep")).failure).toContain("it would be a child 3 levels deep; 2 are allowed")
    yield* engine.start(Ordered, { n: 3 }, { runId: "three" })
    expect(yield* engine.await(Ordered, "three")).toEqual({ out: "3 children" })
    yield* engine.start(Ordered, { n: 4 }, { runId: "four" })
    expect((yield* engine.awaitEnd("four")).failure).toContain("the attempt has 3 children already")
  })
)

/** A parent that waits for its child for a moment only, and then does something else. */
const impatient = (then: Effect.Effect<string, Declined>) =>
  Ordered.layer.pipe(
    Layer.provide(
      Order.toLayer(({ n }) => {
        const approval = Effect.orDie(Effect.as(Step.child("approval", Approved, { n }), "approved"))
        const patience = Effect.zipRight(Step.sleep("patience", "100 millis"), then)
        return Effect.map(Effect.raceFirst(approval, patience), (out) => ({ out }))
      })
    )
  )

for (const idleMs of [60_000, 0]) {
  scenario(`a child that its step has left goes on, also when its parent has ended; idle time ${idleMs} ms`, (world) =>
    Effect.gen(function* () {
      const workflows = Layer.merge(impatient(Effect.succeed("left")), approved())
      const { engine } = yield* world.start({ workflows, settings: { idleMs } })
      yield* engine.start(Ordered, { n: 1 }, { runId: "a" })
      expect(yield* engine.await(Ordered, "a")).toEqual({ out: "left" })
      const child = yield* childOf(world)
      expect((yield* world.until(child, "suspended")).reason).toBe("approval: trigger")
      yield* engine.trigger(Approved, child, "approval", { approved: true }, { inputId: "1" })
      expect((yield* engine.awaitEnd(child)).status).toBe("completed")
    })
  )
}

scenario("a child that its step has left is cancelled when its parent fails", (world) =>
  Effect.gen(function* () {
    const workflows = Layer.merge(impatient(new Declined({ code: 1 })), approved())
    const { engine } = yield* world.start({ workflows, settings: { idleMs: 0 } })
    yield* engine.start(Ordered, { n: 1 }, { runId: "a" })
    expect((yield* engine.awaitEnd("a")).status).toBe("failed")
    yield* world.until(yield* childOf(world), "cancelled")
  })
)
