import { Effect, Layer, Ref } from "effect"
import { Engine, Perdure } from "perdure"
import { bookings, Trip, TripLayer } from "./workflow.js"

const App = TripLayer.pipe(Layer.provideMerge(Perdure.layerEngine()), Layer.provide(Perdure.layerEmbedded()))

const program = Effect.gen(function* () {
  const engine = yield* Engine
  const { runId } = yield* engine.start(Trip, { seats: 2 }, { runId: "trip-1" })
  const error = yield* Effect.flip(engine.await(Trip, runId))
  yield* Effect.log(error.message, (yield* engine.get(runId)).status, (yield* Ref.get(bookings)).size)
})

await Effect.runPromise(program.pipe(Effect.provide(App)))
