import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import { Engine } from "../Engine.js"
import { Api } from "./Contract.js"
import type { NotReady } from "./Errors.js"
import { Readiness } from "./Readiness.js"
import { answer } from "./Respond.js"
import * as Shapes from "./Shapes.js"
import { Stopping } from "./Stopping.js"

const notReady = (reason: string): NotReady => ({ _tag: "NotReady", message: reason })

/** Whether the process lives, and whether it can take work. */
export const health = HttpApiBuilder.group(Api, "health", (handlers) =>
  Effect.gen(function* () {
    const readiness = yield* Readiness
    const stopping = yield* Stopping
    const readyz = Effect.gen(function* () {
      const obstacle = (yield* stopping.hasBegun) ? "the server is stopping" : yield* readiness.obstacle
      if (obstacle !== undefined) return yield* Effect.fail(notReady(obstacle))
      return yield* answer(Shapes.Ready, { status: "ready" as const })
    })
    return handlers
      .handleRaw("healthz", () => answer(Shapes.Healthy, { status: "ok" as const }))
      .handleRaw("readyz", () => readyz)
  })
)

/** What this process can execute. */
export const workflows = HttpApiBuilder.group(Api, "workflows", (handlers) =>
  Effect.map(Engine, (engine) =>
    handlers.handleRaw("workflows", () =>
      Effect.flatMap(engine.workflows, (all) =>
        answer(
          Shapes.Workflows,
          all.map(({ graph, hash, name, version }) => ({ name, version, hash, graph }))
        )
      )
    )
  )
)
