import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Engine, Perdure } from "perdure"
import { Order, Workflows } from "../../examples/children/workflow.js"

const App = Workflows.pipe(Layer.provideMerge(Perdure.layerEngine()), Layer.provide(Perdure.layerEmbedded()))

it.live("each item of an order is a child whose result, or failure, is wired; a handler may have one as a step", () =>
  Effect.gen(function* () {
    const engine = yield* Engine
    yield* engine.start(Order, { items: ["book", "unicorn"], gift: true }, { runId: "order-1" })
    expect(yield* engine.await(Order, "order-1")).toEqual({
      lines: ["shelf 4, as a gift"],
      sorry: [expect.stringContaining("unicorn")]
    })
    // The one that failed was tried once more.
    expect(yield* engine.list({ workflow: "picking", limit: 10 })).toHaveLength(3)
    expect(yield* engine.list({ workflow: "wrapping", limit: 10 })).toHaveLength(1)
  }).pipe(Effect.provide(Layer.orDie(App)))
)
