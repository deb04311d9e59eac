import { Effect, Layer } from "effect"
import { Engine, Perdure } from "perdure"
import { Receipts, ReceiptsLayer } from "./workflow.js"

const App = ReceiptsLayer.pipe(Layer.provideMerge(Perdure.layerEngine()), Layer.provide(Perdure.layerEmbedded()))

const program = Effect.gen(function* () {
  const engine = yield* Engine
  for (const amount of [40, -1]) {
    const { runId } = yield* engine.start(Receipts, { amount }, { runId: `receipt${amount}` })
    yield* Effect.log(yield* engine.await(Receipts, runId))
  }
})

await Effect.runPromise(program.pipe(Effect.provide(App)))
