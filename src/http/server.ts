import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpRouter from "@effect/platform/HttpRouter"
import type { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Engine } from "../Engine.js"
import type { Operator } from "../Operator.js"
import { Api } from "./Contract.js"
import * as DecodeErrors from "./DecodeErrors.js"
import * as Feed from "./Feed.js"
import { guarded } from "./Gate.js"
import * as Handlers from "./Handlers.js"
import { hostsOf } from "./Loopback.js"
import * as Metrics from "./Metrics.js"
import * as OperatorHandlers from "./OperatorHandlers.js"
import { rateLimit } from "./RateLimit.js"
import type { Readiness } from "./Readiness.js"
import { routesOf } from "./Routes.js"
import * as RunHandlers from "./RunHandlers.js"
import { HttpSettings } from "./Settings.js"
import * as StartHandlers from "./StartHandlers.js"
import * as Stopping from "./Stopping.js"
import * as StreamHandlers from "./StreamHandlers.js"
import * as WebhookHandlers from "./WebhookHandlers.js"
import { finishUpload, refuseMalformed } from "./Wire.js"

/** The server could not listen. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  host: Schema.String,
  port: Schema.Int,
  code: Schema.String
}) {
  override get message(): string {
    const where = `${this.host} port ${this.port}`
    return this.code === "EADDRINUSE"
      ? `${where} is in use by another program`
      : `can't listen on ${where}: ${this.code}`
  }
}

/** Where the server listens. */
export class HttpAddress extends Context.Tag("perdure/http/Address")<
  HttpAddress,
  { readonly url: string; readonly port: number }
>() {}

/** A port to listen on; 0 takes a free one. */
export interface ListenOptions {
  readonly host: string
  readonly port: number
}

type NodeHandler = (request: Http.IncomingMessage, response: Http.ServerResponse) => void

/** Parameters come as they were sent, up to the length a request line can have. */
const routerConfig = {
  caseSensitive: true,
  ignoreDuplicateSlashes: false,
  ignoreTrailingSlash: false,
  maxParamLength: 16_384
}

/** The application: every endpoint of the contract, without the gate. */
class Application extends Context.Tag("perdure/http/Application")<Application, HttpApp.Default<never, Scope.Scope>>() {}

const application = Layer.effect(
  Application,
  Effect.gen(function* () {
    const services = yield* Effect.context<HttpRouter.HttpRouter.DefaultServices>()
    const app = yield* HttpRouter.withRouterConfig(HttpApiBuilder.httpApp, routerConfig)
    return Effect.mapInputContext(app, (input: Context.Context<HttpServerRequest | Scope.Scope>) =>
      Context.merge(services, input)
    )
  })
).pipe(
  Layer.provide(HttpApiBuilder.api(Api)),
  Layer.provide([
    DecodeErrors.layer,
    Handlers.health,
    Handlers.workflows,
    StartHandlers.layer,
    RunHandlers.layer,
    StreamHandlers.layer,
    OperatorHandlers.layer,
    WebhookHandlers.layer
  ]),
  Layer.provide([Feed.layer, Metrics.layer])
)

const open = ({ host, port }: ListenOptions): Effect.Effect<Http.Server, ListenFailed> =>
  Effect.async((resume) => {
    const server = Http.createServer({
      headersTimeout: 10_000,
      requestTimeout: 60_000,
      connectionsCheckingInterval: 5_000,
      keepAlive: true
    })
    const onError = (error: Error & { readonly code?: string }) =>
      resume(Effect.fail(new ListenFailed({ host, port, code: error.code ?? error.message })))
    server.once("error", onError)
    server.listen({ host, port }, () => {
      server.off("error", onError)
      resume(Effect.succeed(server))
    })
    return Effect.sync(() => server.close())
  })

/** Stops accepting, lets answers that are under way end, then cuts what is left. */
const close = (server: Http.Server, stopMs: number): Effect.Effect<void> => {
  const closed = Effect.async<void>((resume) => {
    server.close(() => resume(Effect.void))
    server.closeIdleConnections()
  })
  return Effect.raceFirst(
    closed,
    Effect.zipRight(
      Effect.delay(
        Effect.sync(() => server.closeAllConnections()),
        Duration.millis(stopMs)
      ),
      Effect.never
    )
  ).pipe(Effect.interruptible)
}

const serve = (server: Http.Server, handler: NodeHandler): void => {
  server.on("request", (request, response) => {
    response.once("finish", () => finishUpload(request))
    handler(request, response)
  })
  server.on("clientError", (error, socket) => refuseMalformed(error, socket as Socket))
}

const listen = (
  options: ListenOptions
): Effect.Effect<(typeof HttpAddress)["Service"], ListenFailed, Application | Stopping.Stopping | Scope.Scope> =>
  Effect.gen(function* () {
    const app = yield* Application
    const stopping = yield* Stopping.Stopping
    const settings = yield* HttpSettings
    const server = yield* Effect.acquireRelease(open(options), (server) =>
      Effect.zipRight(stopping.begin, close(server, settings.stopMs))
    )
    const { port } = server.address() as AddressInfo
    server.maxConnections = settings.maxConnections
    const gate = guarded({
      routes: routesOf(Api),
      hosts: hostsOf(options.host, port, settings.hosts),
      origins: new Set(settings.origins.map((origin) => origin.toLowerCase())),
      tokens: settings.tokens,
      limit: rateLimit(settings.callsPerSecond)
    })
    serve(server, yield* NodeHttpServer.makeHandler(gate(app)))
    const shownHost = options.host.includes(":") ? `[${options.host}]` : options.host
    return { url: `http://${shownHost}:${port}`, port }
  })

/**
 * The HTTP server, for as long as the layer lives.
 *
 * **Details** A close stops accepting at once, tells long answers to end and waits for the others for a bounded time.
 */
export const layer = (options: ListenOptions): Layer.Layer<HttpAddress, ListenFailed, Engine | Operator | Readiness> =>
  Layer.scoped(HttpAddress, listen(options)).pipe(
    Layer.provide(application),
    Layer.provide(Stopping.layer),
    Layer.provide([HttpApiBuilder.Router.Live, HttpApiBuilder.Middleware.layer, NodeHttpServer.layerContext])
  )
