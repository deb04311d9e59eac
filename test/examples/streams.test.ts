import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Engine, Perdure } from "perdure"
import { Ledger, LedgerLayer } from "../../examples/streams/workflow.js"

const App = LedgerLayer.pipe(Layer.provideMerge(Perdure.layerEngine()), Layer.provide(Perdure.layerEmbedded()))

it.live("a thousand lines stream through three nodes", () =>
  Effect.gen(function* () {
    const engine = yield* Engine
    yield* engine.start(Ledger, { count: 1_000 }, { runId: "ledger-1" })
    expect(yield* engine.await(Ledger, "ledger-1")).toEqual({ total: 1_001_000 })
  }).pipe(Effect.provide(Layer.orDie(App)))
)
