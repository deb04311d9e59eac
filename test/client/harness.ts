import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { ClientApi } from "../../src/client/Client.js"
import { Client } from "../../src/client/Client.js"
import { layer as clientLayer } from "../../src/client/layer.js"
import type { ClientOptions } from "../../src/client/Options.js"
import type { Registry } from "../../src/definition/Registry.js"
import type { Engine } from "../../src/Engine.js"
import { Readiness } from "../../src/http/Readiness.js"
import { defaultHttpSettings, HttpSettings, type HttpSettingsShape } from "../../src/http/Settings.js"
import * as HttpServer from "../../src/http/server.js"
import * as Perdure from "../../src/layers.js"

const ready = Layer.succeed(Readiness, { obstacle: Effect.succeed(undefined) })

/** A served engine with workflows. */
export interface Served {
  readonly url: string
  readonly port: number
  /** A client of it. */
  readonly client: (options?: Partial<ClientOptions>) => Effect.Effect<ClientApi, never, Scope.Scope>
}

/** Serves workflows from an embedded database in memory. */
export const serve = <E>(
  workflows: Layer.Layer<never, E, Registry | Engine>,
  settings: Partial<HttpSettingsShape> = {}
): Effect.Effect<Served, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const engine = workflows.pipe(
      Layer.provideMerge(Perdure.layerEngine({ pollMs: 50 })),
      Layer.provideMerge(Perdure.layerEmbedded({}))
    )
    const http = HttpServer.layer({ host: "127.0.0.1", port: 0 }).pipe(
      Layer.provide(ready),
      Layer.provide(Layer.succeed(HttpSettings, { ...defaultHttpSettings, streamMs: 20, ...settings })),
      Layer.provide(Perdure.layerOperator),
      Layer.provide(engine)
    )
    const { port, url } = Context.get(yield* Layer.build(http), HttpServer.HttpAddress)
    const client = (options: Partial<ClientOptions> = {}) =>
      Effect.map(Layer.build(clientLayer({ url, ...options })), Context.get(Client))
    return { client, port, url }
  })
