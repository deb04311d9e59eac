import { Effect, Layer } from "effect"
import { Engine, Perdure } from "perdure"
import { Order, OrderLayer, Packed, Pickup } from "./workflow.js"

const App = OrderLayer.pipe(Layer.provideMerge(Perdure.layerEngine()), Layer.provide(Perdure.layerEmbedded()))

const program = Effect.gen(function* () {
  const engine = yield* Engine
  const { runId } = yield* engine.start(Order, { lines: ["book", "lamp"] }, { runId: "order-1" })
  yield* engine.signal(Order, runId, "fulfil", Pickup, { by: "Ada" }, { inputId: "door-17" })
  const { note } = yield* engine.await(Order, runId)
  yield* Effect.log(note, yield* engine.query(Order, runId, "fulfil", Packed))
})

await Effect.runPromise(program.pipe(Effect.provide(App)))
