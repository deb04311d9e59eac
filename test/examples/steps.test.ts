import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Engine, Perdure } from "perdure"
import { Order, OrderLayer, Packed, Pickup } from "../../examples/steps/workflow.js"

const App = OrderLayer.pipe(Layer.provideMerge(Perdure.layerEngine()), Layer.provide(Perdure.layerEmbedded()))

it.live("an order is packed line by line and waits to be picked up", () =>
  Effect.gen(function* () {
    const engine = yield* Engine
    yield* engine.start(Order, { lines: ["book", "lamp"] }, { runId: "order-1" })
    yield* engine.signal(Order, "order-1", "fulfil", Pickup, { by: "Ada" }, { inputId: "door-17" })
    expect(yield* engine.await(Order, "order-1")).toEqual({ note: "picked up by Ada" })
    expect(yield* engine.query(Order, "order-1", "fulfil", Packed)).toEqual(Option.some(2))
  }).pipe(Effect.provide(Layer.orDie(App)))
)
