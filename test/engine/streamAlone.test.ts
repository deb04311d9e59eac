import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import { NodeContext } from "../../src/definition/NodeContext.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Limits } from "../../src/model/Limits.js"
import { type Hook, makeGate } from "./handlers.js"
import type { EngineProcess } from "./process.js"
import { N } from "./streamFixtures.js"
import { scenario, type World } from "./world.js"

const Ask = Node.trigger("ask", { payload: N, outputs: { n: N } })
const Both = Node.make("both", { inputs: { n: Input.stream(N), more: Input.stream(N) }, outputs: { sum: N } })
const Beside = Node.make("beside", { inputs: { n: N }, outputs: { n: N } })

/** Its reader begins at once and waits for what somebody is asked for. */
const Asked = Workflow.make("asked", { version: 1, input: { n: N } })
  .node("ask", Ask, () => ({}))
  .node("both", Both, ({ ask, input }) => ({ n: input.n, more: ask.n }))
  .output(({ both }) => ({ sum: both.sum }))

/** The same, with a step beside it. */
const Busy = Workflow.make("busy", { version: 1, input: { n: N } })
  .node("ask", Ask, () => ({}))
  .node("both", Both, ({ ask, input }) => ({ n: input.n, more: ask.n }))
  .node("beside", Beside, ({ input }) => ({ n: input.n }))
  .output(({ beside, both }) => ({ n: beside.n, sum: both.sum }))

const Lone = Workflow.make("lone", { version: 1, input: { n: N } })
  .node("beside", Beside, ({ input }) => ({ n: input.n }))
  .output(({ beside }) => ({ n: beside.n }))

const nothing: Hook = () => Effect.void

const workflows = (beside: Hook = nothing, begins: Effect.Effect<unknown> = Effect.void) =>
  Layer.mergeAll(Asked.layer, Busy.layer, Lone.layer).pipe(
    Layer.provide([
      Ask.toLayer((_, n) => Effect.succeed({ n })),
      Beside.toLayer(({ n }) => Effect.as(Effect.flatMap(NodeContext, beside), { n })),
      Both.toLayer(({ more, n }) =>
        Effect.zipRight(
          begins,
          Effect.map(Stream.runSum(Stream.concat(n, more)), (sum) => ({ sum }))
        )
      )
    ])
  )

type Does = (process: EngineProcess) => Effect.Effect<unknown, unknown>

/** Lets processes die while a step runs until it has to run alone: the first begins the run, and the last does something before. */
const suspected = (world: World, begin: Does, last: Does = () => Effect.void) =>
  Effect.gen(function* () {
    for (let life = 1; life <= Limits.crashesBeforeAlone; life++) {
      const gate = yield* makeGate
      const process = yield* world.start({ workflows: workflows(gate.hook) })
      if (life === 1) yield* begin(process)
      yield* gate.arrived
      if (life === Limits.crashesBeforeAlone) yield* last(process)
      yield* world.kill(process)
    }
  })

scenario("a reader of another run gives way to what must run alone, and is not charged with its deaths", (world) =>
  Effect.gen(function* () {
    yield* suspected(
      world,
      ({ engine }) => engine.start(Lone, { n: 1 }, { runId: "alone" }),
      // Goes on when it is told to, in the next life.
      ({ engine }) => Effect.zipRight(engine.pause("alone"), world.until("alone", "paused"))
    )
    const gate = yield* makeGate
    const reading = yield* Effect.makeLatch()
    const first = yield* world.start({ workflows: workflows(gate.hook, reading.open) })
    yield* first.engine.start(Asked, { n: 5 }, { runId: "reads" })
    yield* reading.await
    yield* first.engine.resume("alone")
    yield* gate.arrived
    expect(yield* world.firings("reads")).toMatchObject({ "both/1": { status: "scheduled", crashes: 0 } })
    yield* world.kill(first)
    const second = yield* world.start({ workflows: workflows() })
    expect(yield* second.engine.await(Lone, "alone")).toEqual({ n: 1 })
    yield* second.engine.trigger(Asked, "reads", "ask", 45, { inputId: "45" })
    expect(yield* second.engine.await(Asked, "reads")).toEqual({ sum: 50 })
    expect(yield* world.firings("alone")).toMatchObject({ "beside/1": { crashes: Limits.crashesBeforeAlone + 1 } })
    expect(yield* world.firings("reads")).toMatchObject({ "both/1": { crashes: 0 } })
  })
)

scenario("a reader gives way to what must run alone in its own run, and goes on behind it", (world) =>
  Effect.gen(function* () {
    yield* suspected(world, ({ engine }) => engine.start(Busy, { n: 5 }, { runId: "a" }))
    const gate = yield* makeGate
    const last = yield* world.start({ workflows: workflows(gate.hook) })
    yield* gate.arrived
    expect(yield* world.firings("a")).toMatchObject({ "both/1": { status: "scheduled" } })
    yield* gate.open
    yield* last.engine.trigger(Busy, "a", "ask", 45, { inputId: "45" })
    expect(yield* last.engine.await(Busy, "a")).toEqual({ n: 5, sum: 50 })
  })
)
