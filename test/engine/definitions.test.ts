import { expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Workflow from "../../src/definition/Workflow.js"
import { Chain, First, Polled, Second } from "./fixtures.js"
import { chain, polled } from "./handlers.js"
import { scenario } from "./world.js"

/** The chain again, with its steps the other way round. */
const Turned = Workflow.make("chain", { version: 1, input: { n: Schema.Number } })
  .node("second", Second, ({ input }) => ({ in: input.n }))
  .node("first", First, ({ second }) => ({ in: second.out }))
  .output(({ first }) => ({ n: first.out }))

const handlers = [
  First.toLayer((inputs) => Effect.succeed({ out: inputs.in + 1 })),
  Second.toLayer((inputs) => Effect.succeed({ out: inputs.in * 2 }))
] as const

scenario("the same name and version with another graph refuses to start and says what differs", (world) =>
  Effect.gen(function* () {
    yield* world.start({ workflows: chain() })
    const exit = yield* Effect.exit(world.start({ workflows: Turned.layer.pipe(Layer.provide(handlers)) }))
    const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    expect(error).toMatchObject({ _tag: "DefinitionConflict", workflow: "chain", version: 1 })
    expect(String(error)).toContain("second")
    const stored = yield* world.sql("select hash from perdure.definitions")
    expect(stored).toEqual([{ hash: Chain.hash }])
  })
)

scenario("another version of a workflow runs beside the first, each run under its own", (world) =>
  Effect.gen(function* () {
    const Second2 = Workflow.make("chain", { version: 2, input: { n: Schema.Number } })
      .node("second", Second, ({ input }) => ({ in: input.n }))
      .output(({ second }) => ({ n: second.out }))
    const both = Layer.merge(chain(), Second2.layer.pipe(Layer.provide(handlers[1])))
    const { engine } = yield* world.start({ workflows: both })
    yield* engine.startEncoded({ workflow: "chain", input: { n: 5 }, runId: "newest" })
    yield* engine.startEncoded({ workflow: "chain", version: 1, input: { n: 5 }, runId: "first" })
    expect(yield* engine.await(Second2, "newest")).toEqual({ n: 10 })
    expect(yield* engine.await(Chain, "first")).toEqual({ n: 12 })
  })
)

scenario("a start of a workflow or version that is not here is a typed error", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain() })
    expect(yield* Effect.flip(engine.startEncoded({ workflow: "nothing", input: {} }))).toMatchObject({
      _tag: "WorkflowNotFound",
      workflow: "nothing"
    })
    expect(yield* Effect.flip(engine.startEncoded({ workflow: "chain", version: 9, input: {} }))).toMatchObject({
      _tag: "WorkflowNotFound",
      version: 9
    })
    expect(yield* world.sql("select from perdure.run_state")).toEqual([])
    expect((yield* engine.workflows).map(({ name, version }) => [name, version])).toEqual([["chain", 1]])
  })
)

scenario("a run of a workflow that this worker does not have is left to one that has", (world) =>
  Effect.gen(function* () {
    const client = yield* world.start({ workflows: Layer.merge(chain(), polled()), settings: { maxRuns: 0 } })
    yield* client.engine.start(Polled, { n: 0 }, { runId: "a" })
    const other = yield* world.start({ workflows: chain() })
    yield* client.engine.start(Chain, { n: 1 }, { runId: "mine" })
    yield* other.engine.awaitEnd("mine")
    expect(yield* world.run("a")).toMatchObject({ status: "pending", fence: 0 })
    yield* world.start({ workflows: polled() })
    expect(yield* client.engine.await(Polled, "a")).toEqual({ answer: "nothing after 0" })
  })
)

scenario("a run of a workflow that nobody has served for long is parked, and goes on when it is registered", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({ workflows: polled(), settings: { idleMs: 0 } })
    yield* first.engine.start(Polled, { n: 1 }, { runId: "a" })
    yield* world.untilReleased("a")
    yield* first.stop
    const other = yield* world.start({ workflows: chain() })
    yield* other.engine.trigger(Polled, "a", "poll", "x", { inputId: "1" })
    // a minute and more passes
    yield* world.sql(
      "update perdure.definitions set served_at = served_at - interval '2 minutes' where workflow = 'polled'"
    )
    expect(yield* world.until("a", "parked")).toMatchObject({ reason: expect.stringContaining("UnknownWorkflow: ") })
    expect(yield* world.inputs("a")).toMatchObject([{ status: "held" }])
    const again = yield* world.start({ workflows: polled() })
    expect(yield* again.engine.await(Polled, "a")).toEqual({ answer: "x after 1" })
  })
)
