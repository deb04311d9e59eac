import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { expect } from "vitest"
import { Client } from "../../src/client/Client.js"
import { layer as clientLayer } from "../../src/client/layer.js"
import type { Registry } from "../../src/definition/Registry.js"
import { layerCounted } from "../../src/engine/CountedAudit.js"
import { Readiness } from "../../src/http/Readiness.js"
import { defaultHttpSettings, HttpSettings } from "../../src/http/Settings.js"
import * as HttpServer from "../../src/http/server.js"
import { tokenOf } from "../../src/http/Tokens.js"
import * as Perdure from "../../src/layers.js"
import { query } from "../postgres/harness.js"
import { follow } from "./events.js"
import { type Call, send } from "./harness.js"
import { recordingTracer } from "./spans.js"

/** Every secret of these tests begins with it. */
const canary = "canary-"

/** A secret that says where it was. */
export const secret = (place: string) => Redacted.make(`${canary}${place}-0123456789`)
export const SecretText = Schema.Redacted(Schema.String.pipe(Schema.minLength(8)))

const token = secret("token")
const auth = { authorization: `Bearer ${Redacted.value(token)}` }

/** Everything that was written where it can be seen, by where. */
interface Seen {
  readonly logs: Array<string>
  readonly answers: Array<string>
}

const served = <E>(
  workflows: Layer.Layer<never, E, Registry>,
  seen: Seen,
  spans: ReturnType<typeof recordingTracer>
) => {
  const keep = Logger.make((entry) => {
    seen.logs.push(
      `${Logger.jsonLogger.log(entry)}\n${Logger.logfmtLogger.log(entry)}\n${Logger.stringLogger.log(entry)}`
    )
  })
  const observed = Layer.mergeAll(
    Logger.replace(Logger.defaultLogger, keep),
    Logger.minimumLogLevel(LogLevel.All),
    spans.layer
  )
  const stores = Layer.provideMerge(layerCounted, Perdure.layerEmbedded({}))
  const engine = workflows.pipe(Layer.provideMerge(Perdure.layerEngine({ pollMs: 50 })), Layer.provideMerge(stores))
  return HttpServer.layer({ host: "127.0.0.1", port: 0 }).pipe(
    Layer.provide(Layer.succeed(Readiness, { obstacle: Effect.succeed(undefined) })),
    Layer.provide(
      Layer.succeed(HttpSettings, {
        ...{ ...defaultHttpSettings, streamMs: 20, callsPerSecond: 0 },
        tokens: [tokenOf("all", "admin", token)],
        webhooks: [{ name: "mail", key: Redacted.make(Buffer.from(Redacted.value(secret("webhook")))) }]
      })
    ),
    Layer.provide(Perdure.layerOperator),
    Layer.provideMerge(engine),
    Layer.provideMerge(observed)
  )
}

/** A server of which everything is kept that can be seen. */
export const watched = <E>(workflows: Layer.Layer<never, E, Registry>) =>
  Effect.gen(function* () {
    const seen: Seen = { logs: [], answers: [] }
    const spans = recordingTracer()
    const context = yield* Layer.build(served(workflows, seen, spans))
    const { port, url } = Context.get(context, HttpServer.HttpAddress)
    const ask = (call: Call) =>
      Effect.promise(() => send(port, { ...call, headers: { ...auth, ...call.headers } })).pipe(
        Effect.tap(({ headers, status, text }) =>
          Effect.sync(() => seen.answers.push(`${call.path} ${status} ${JSON.stringify(headers)} ${text}`))
        )
      )
    const client = Context.get(yield* Layer.build(clientLayer({ url, token })), Client)

    /** Asks everything that people can ask. */
    const lookAt = (runIds: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        for (const runId of runIds) {
          for (const rest of ["", "/events?limit=500", "/explain"]) yield* ask({ path: `/api/runs/${runId}${rest}` })
          const stream = yield* Effect.promise(() => follow(port, `/api/runs/${runId}/stream`, auth))
          seen.answers.push(JSON.stringify(yield* Effect.promise(() => stream.until(({ event }) => event === "end"))))
        }
        for (const path of ["/api/runs", "/api/stuck", "/api/workers", "/api/doctor", "/api/workflows", "/metrics"]) {
          yield* ask({ path })
        }
      })

    /** No secret is in anything that was seen, nor in the audit log, whose text it gives. */
    const isSilent = Effect.gen(function* () {
      const audit = JSON.stringify(yield* Effect.provide(query("select events from perdure.run_events"), context))
      expect(spans.texts().length).toBeGreaterThan(10)
      for (const [place, texts] of Object.entries({ ...seen, audit: [audit], spans: spans.texts() })) {
        const found = texts.filter(
          (text) => text.includes(canary) || text.includes(Buffer.from(canary).toString("base64"))
        )
        expect(
          found.map((text) => text.slice(0, 3000)),
          place
        ).toEqual([])
      }
      return audit
    })
    return { ask, client, isSilent, lookAt, seen }
  })
