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
