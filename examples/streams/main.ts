import { Effect, Layer } from "effect"
import { Engine, Perdure } from "perdure"
import { Ledger, LedgerLayer } from "./workflow.js"

const App = LedgerLayer.pipe(Layer.provideMerge(Perdure.layerEngine()), Layer.provide(Perdure.layerEmbedded()))

const program = Effect.gen(function* () {
  const engine = yield* Engine
  const { runId } = yield* engine.start(Ledger, { count: 1_000 }, { runId: "ledger-1" })
  yield* Effect.log(yield* engine.await(Ledger, runId))
})

await Effect.runPromise(program.pipe(Effect.provide(App)))
