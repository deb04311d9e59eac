import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Engine, Perdure } from "perdure"
import { Receipts, ReceiptsLayer } from "../../examples/policies/workflow.js"

const App = ReceiptsLayer.pipe(Layer.provideMerge(Perdure.layerEngine()), Layer.provide(Perdure.layerEmbedded()))

it.live("a charge is tried again, a declined one is notified, pages fan out and join", () =>
  Effect.gen(function* () {
    const engine = yield* Engine
    yield* engine.start(Receipts, { amount: 40 }, { runId: "a" })
    expect(yield* engine.await(Receipts, "a")).toEqual({ done: "12 lines" })
    yield* engine.start(Receipts, { amount: -1 }, { runId: "b" })
    expect(yield* engine.await(Receipts, "b")).toEqual({ done: "declined" })
  }).pipe(Effect.provide(Layer.orDie(App)))
)
