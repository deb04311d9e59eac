import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Engine } from "../Engine.js"
import { readBody } from "./Body.js"
import { Api } from "./Contract.js"
import { onTheWire } from "./Failures.js"
import { answer } from "./Respond.js"
import * as Shapes from "./Shapes.js"

/** The calls that start runs. */
export const layer = HttpApiBuilder.group(Api, "starts", (handlers) =>
  Effect.gen(function* () {
    const engine = yield* Engine
    return handlers
      .handleRaw("start", ({ request }) =>
        Effect.gen(function* () {
          const body = yield* readBody(request, Shapes.StartRun)
          const { created, runId, status } = yield* onTheWire(engine.startEncoded(body))
          return yield* answer(Shapes.Started, { runId, status }, created ? 201 : 200)
        })
      )
      .handleRaw("startMany", ({ request }) =>
        Effect.gen(function* () {
          const { runs } = yield* readBody(request, Shapes.StartRuns)
          const started = yield* engine.startManyEncoded(runs)
          const results = yield* Effect.forEach(started, (result) => Effect.either(onTheWire(result)))
          return yield* answer(Shapes.StartedRuns, {
            results: results.map((result) => (Either.isLeft(result) ? { error: result.left } : result.right))
          })
        })
      )
  })
)
