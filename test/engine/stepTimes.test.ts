import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Node from "../../src/definition/Node.js"
import type { NodeContext } from "../../src/definition/NodeContext.js"
import * as Signal from "../../src/definition/Signal.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Declined } from "./fixtures.js"
import { scenario } from "./world.js"

const { Number: N } = Schema

const Go = Signal.make("go", { payload: N })

/** Bounded in both ways, and tried once. */
const bounds = { timeout: "2 seconds", heartbeat: "2 seconds" } as const
const Brisk = Node.make("brisk", { inputs: { n: N }, outputs: { n: N }, signals: [Go], ...bounds })
const Bounded = Workflow.make("bounded", { version: 1, input: { n: N } })
  .node("brisk", Brisk, ({ input }) => ({ n: input.n }))
  .output(({ brisk }) => ({ n: brisk.n }))

const bounded = (steps: Effect.Effect<unknown, never, NodeContext>) =>
  Bounded.layer.pipe(Layer.provide(Brisk.toLayer(({ n }) => Effect.as(steps, { n }))))

const failing = Effect.suspend(() => new Declined({ code: 1 }))
const retried = { error: Declined, retry: { times: 1, schedule: Schedule.spaced("3 seconds") } } as const

/** In memory, and in rows. */
for (const idleMs of [60_000, 0]) {
  scenario(`a wait in a step is none of an attempt's time, with an idle time of ${idleMs} ms`, (world) =>
    Effect.gen(function* () {
      const { engine } = yield* world.start({
        settings: { idleMs },
        workflows: bounded(
          Effect.zipRight(Step.sleep("long", "3 seconds"), Effect.ignore(Step.run("again", retried, failing)))
        )
      })
      yield* engine.start(Bounded, { n: 1 }, { runId: "a" })
      expect(yield* engine.await(Bounded, "a")).toEqual({ n: 1 })
      expect((yield* world.firings("a"))["brisk/1"]).toMatchObject({ attempt: 1 })
    })
  )
}

scenario("what is at work beside a wait is bounded", (world) =>
  Effect.gen(function* () {
    const beside = [Step.sleep("long", "10 seconds"), Step.run("endless", {}, Effect.never)]
    const { engine } = yield* world.start({
      settings: { idleMs: 60_000 },
      workflows: bounded(Effect.all(beside, { concurrency: "unbounded" }))
    })
    yield* engine.start(Bounded, { n: 1 }, { runId: "a" })
    expect(yield* Effect.flip(engine.await(Bounded, "a"))).toMatchObject({ failure: { kind: "timeout" } })
  })
)

scenario("after a wait the time begins anew, and is over when it is over", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      settings: { idleMs: 60_000 },
      workflows: bounded(Effect.zipRight(Step.sleep("short", "100 millis"), Effect.never))
    })
    yield* engine.start(Bounded, { n: 1 }, { runId: "a" })
    expect(yield* Effect.flip(engine.await(Bounded, "a"))).toMatchObject({ failure: { kind: "timeout" } })
  })
)

scenario("a signal by a name of the engine's own, or of another payload than the node lists, is refused", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      settings: { idleMs: 0 },
      workflows: bounded(Step.awaitSignal(Go))
    })
    yield* engine.start(Bounded, { n: 1 }, { runId: "a" })
    const refused = { _tag: "InvalidInput", field: "signal" }
    const sent = (signal: Signal.Signal<typeof N> | Signal.Signal<typeof Schema.String>, payload: never) =>
      Effect.flip(engine.signal(Bounded, "a", "brisk", signal, payload, { inputId: "1" }))
    expect(yield* sent(Signal.make("$child", { payload: N }), 1 as never)).toMatchObject(refused)
    expect(yield* sent(Signal.make("go", { payload: Schema.String }), "1" as never)).toMatchObject(refused)
    expect(yield* world.sql("select from perdure.trigger_inputs")).toEqual([])
    yield* engine.signal(Bounded, "a", "brisk", Go, 1, { inputId: "1" })
    expect(yield* engine.await(Bounded, "a")).toEqual({ n: 1 })
  })
)
