import { Config, Effect } from "effect"
import { Engine } from "perdure"
import { Booking, layer } from "./app.js"

const program = Effect.gen(function* () {
  const engine = yield* Engine
  const { runId } = yield* engine.start(Booking, { account: "ada", amount: 40 })
  yield* Effect.log(yield* engine.await(Booking, runId))
})

const url = await Effect.runPromise(Config.redacted("DATABASE_URL"))
await Effect.runPromise(program.pipe(Effect.provide(layer(url))))
