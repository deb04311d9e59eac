import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Engine, Perdure } from "perdure"
import { Order, Workflows } from "../../examples/children/workflow.js"

const App = Workflows.pipe(Layer.provideMerge(Perdure.layerEngine()), Layer.provide(Perdure.layerEmbedded()))

it.live("each item of an order is a child whose result, or failure, comes back", () =>
  Effect.gen(function* () {
    const engine = yield* Engine
    yield* engine.start(Order, { items: ["book", "unicorn"] }, { runId: "order-1" })
    expect(yield* engine.await(Order, "order-1")).toEqual({
      lines: ["book from shelf 4", expect.stringContaining("unicorn: ")]
    })
    expect(yield* engine.list({ workflow: "picking", limit: 10 })).toHaveLength(2)
  }).pipe(Effect.provide(Layer.orDie(App)))
)
