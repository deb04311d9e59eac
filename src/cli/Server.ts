import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import type { Registry } from "../definition/Registry.js"
import type { Engine } from "../Engine.js"
import { layerCounted } from "../engine/CountedAudit.js"
import * as Effects from "../example/Effects.js"
import * as OrderExample from "../example/order.js"
import * as Readiness from "../http/Readiness.js"
import { HttpSettings } from "../http/Settings.js"
import * as HttpServer from "../http/server.js"
import { tokenOf } from "../http/Tokens.js"
import * as Perdure from "../layers.js"
import { type Configuration, logLevelOf } from "./config.js"

/** Workflows with their handlers, as a module that is served exports them. */
export type Workflows<E = unknown> = Layer.Layer<never, E, Engine | Registry>

const database = (configuration: Configuration, onStopped: Effect.Effect<void>) => {
  const { databaseDirectUrl, databaseUrl, dataDir, maxConnections, readConnections, schema } = configuration
  return databaseUrl === undefined
    ? Perdure.layerEmbedded({ dataDir, schema, onStopped })
    : Perdure.layerPostgres({
        url: databaseUrl,
        maxConnections,
        maxReadConnections: readConnections,
        schema,
        ...(databaseDirectUrl === undefined ? {} : { directUrl: databaseDirectUrl })
      })
}

const engine = (configuration: Configuration) => {
  const {
    childDepth,
    childFanOut,
    graceMs,
    idleMs,
    leaseMs,
    maxRuns,
    pollMs,
    retention,
    slots,
    unknownAfterMs,
    workerId
  } = configuration
  return Perdure.layerEngine({
    ...{ childDepth, childFanOut, graceMs, idleMs, leaseMs, maxRuns, pollMs, slots, unknownAfterMs, workerId },
    heartbeatMs: Math.floor(leaseMs / 5),
    ...Object.fromEntries(retention)["*"],
    retention: Object.fromEntries(retention.filter(([workflow]) => workflow !== "*"))
  })
}

/** The bundled example. */
export const example = ({ exampleDelayMs, exampleLedger }: Configuration) =>
  OrderExample.Order.layer.pipe(
    Layer.provide(OrderExample.handlers),
    Layer.provide(
      Effects.layer({ delayMs: exampleDelayMs, ...(exampleLedger === undefined ? {} : { ledger: exampleLedger }) })
    )
  )

const httpSettings = (configuration: Configuration) => {
  const { bodyLimitBytes, callsPerSecond, hosts, maxClients, maxStreams, origins, token, tokens, webhooks } =
    configuration
  const admin = token === undefined ? [] : [tokenOf("admin", "admin", token)]
  return Layer.effect(
    HttpSettings,
    Effect.map(HttpSettings, (defaults) => ({
      ...defaults,
      ...{ bodyLimitBytes, callsPerSecond, hosts, maxStreams, origins, webhooks },
      maxConnections: maxClients,
      tokens: [...admin, ...tokens]
    }))
  )
}

/** A worker: workflows, the engine, the database; closed from the top. */
export const worker = <E>(configuration: Configuration, workflows: Workflows<E>, onStopped: Effect.Effect<void>) => {
  const stores = database(configuration, onStopped)
  return workflows.pipe(
    Layer.provideMerge(engine(configuration)),
    Layer.provideMerge(Layer.provideMerge(layerCounted, stores))
  )
}

/** A worker that is served over HTTP. */
export const server = <E>(configuration: Configuration, workflows: Workflows<E>, onStopped: Effect.Effect<void>) =>
  HttpServer.layer({ host: configuration.host, port: configuration.port }).pipe(
    Layer.provide(httpSettings(configuration)),
    Layer.provide(Readiness.layer),
    Layer.provide(Perdure.layerOperator),
    Layer.provideMerge(worker(configuration, workflows, onStopped))
  )

/** A collector is to be told, and the package that can is not installed. */
class TracesUnavailable extends Data.TaggedError("TracesUnavailable")<{ readonly message: string }> {}

/** Spans go where the settings say, if anywhere; the package for that is only loaded then. */
export const traces = ({ tracesUrl }: Configuration): Layer.Layer<never, TracesUnavailable> =>
  tracesUrl === undefined
    ? Layer.empty
    : Layer.unwrapEffect(
        Effect.tryPromise({
          try: () => import("../opentelemetry/index.js"),
          catch: () =>
            new TracesUnavailable({
              message: "PERDURE_TRACES_URL: expected the package @effect/opentelemetry beside it"
            })
        }).pipe(Effect.map(({ layer }) => layer({ url: Redacted.value(tracesUrl) })))
      )

/** The log goes to standard error: standard output has one line, the one that says where the server is. */
export const logging = ({ logFormat, logLevel, workerId }: Configuration) =>
  Layer.mergeAll(
    Layer.scopedDiscard(
      Effect.locallyScopedWith(FiberRef.currentLogAnnotations, HashMap.set("workerId", workerId as unknown))
    ),
    Logger.replace(
      Logger.defaultLogger,
      Logger.withConsoleError(
        { logfmt: Logger.logfmtLogger, json: Logger.jsonLogger, pretty: Logger.stringLogger }[logFormat]
      )
    ),
    Logger.minimumLogLevel(logLevelOf(logLevel))
  )
