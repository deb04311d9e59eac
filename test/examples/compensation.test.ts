import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import { Engine, Perdure } from "perdure"
import { bookings, Trip, TripLayer } from "../../examples/compensation/workflow.js"

const App = TripLayer.pipe(Layer.provideMerge(Perdure.layerEngine()), Layer.provide(Perdure.layerEmbedded()))

it.live("a trip without a room gives back what was booked", () =>
  Effect.gen(function* () {
    const engine = yield* Engine
    yield* engine.start(Trip, { seats: 2 }, { runId: "trip-1" })
    expect(yield* Effect.flip(engine.await(Trip, "trip-1"))).toMatchObject({
      _tag: "RunFailed",
      failure: { nodeId: "hotel", error: { hotel: "Astoria" } }
    })
    expect((yield* engine.get("trip-1")).status).toBe("compensated")
    expect((yield* Ref.get(bookings)).size).toBe(0)
  }).pipe(Effect.provide(Layer.orDie(App)))
)
