import { Effect, Layer } from "effect"
import { Engine, Perdure } from "perdure"
import { Order, Workflows } from "./workflow.js"

const App = Workflows.pipe(Layer.provideMerge(Perdure.layerEngine()), Layer.provide(Perdure.layerEmbedded()))

const program = Effect.gen(function* () {
  const engine = yield* Engine
  const { runId } = yield* engine.start(Order, { items: ["book", "unicorn"], gift: true }, { runId: "order-1" })
  yield* Effect.log(yield* engine.await(Order, runId))
})

await Effect.runPromise(program.pipe(Effect.provide(App)))
