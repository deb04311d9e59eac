import * as Http from "node:http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { afterAll, beforeAll } from "vitest"
import { Engine } from "../../src/Engine.js"
import { Readiness } from "../../src/http/Readiness.js"
import { defaultHttpSettings, HttpSettings, type HttpSettingsShape } from "../../src/http/Settings.js"
import * as HttpServer from "../../src/http/server.js"
import { Incarnation } from "../../src/model/Ids.js"
import { Operator } from "../../src/Operator.js"
import type { Standing } from "../../src/runtime/Condition.js"

type OperatorApi = (typeof Operator)["Service"]
type EngineApi = (typeof Engine)["Service"]

/** A request as it goes over the wire; nothing is added but `Host`, and `content-length` or chunks where there is a body. */
export interface Call {
  readonly method?: string
  readonly path: string
  readonly headers?: Http.OutgoingHttpHeaders
  /** Text and bytes go as they are, anything else as JSON with its content type. */
  readonly body?: unknown
}

/** An answer, its body read as JSON if it is said to be that. */
export interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly body: { readonly [field: string]: unknown } | undefined
  readonly text: string
}

const encode = ({ body, headers = {} }: Call): { headers: Http.OutgoingHttpHeaders; payload?: string | Buffer } => {
  if (body === undefined) return { headers }
  if (typeof body === "string" || Buffer.isBuffer(body)) return { headers, payload: body }
  return { headers: { "content-type": "application/json", ...headers }, payload: JSON.stringify(body) }
}

/** Reads an answer to its end. */
export const read = (response: Http.IncomingMessage): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const chunks: Array<Buffer> = []
    response.on("data", (chunk: Buffer) => chunks.push(chunk))
    response.on("error", reject)
    response.on("end", () => {
      const text = Buffer.concat(chunks).toString("utf8")
      const isJson = response.headers["content-type"]?.startsWith("application/json") === true
      const body = isJson && text !== "" ? JSON.parse(text) : undefined
      resolve({ text, status: response.statusCode ?? 0, headers: response.headers, body })
    })
  })

/** Sends a call to a port of this machine. */
export const send = (port: number, call: Call): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { headers, payload } = encode(call)
    const method = call.method ?? (call.body === undefined ? "GET" : "POST")
    const options = { host: "127.0.0.1", port, method, path: call.path, headers, agent: false }
    const request = Http.request(options, (response) => read(response).then(resolve, reject))
    request.on("error", reject)
    request.end(payload)
  })

/** A server of one test file. */
export interface TestServer {
  readonly port: number
  readonly send: (call: Call) => Promise<Answer>
}

/** What the server logged. */
export interface LogRecord {
  readonly text: string
}

const ready = Layer.succeed(Readiness, { obstacle: Effect.succeed(undefined) })

/** Serves an engine for the tests of a file; the log goes to `records`. */
export const serving = <E, E2 = never>(
  engine: Layer.Layer<Engine, E>,
  options: {
    readonly readiness?: Layer.Layer<Readiness>
    readonly operator?: Layer.Layer<Operator, E2>
    readonly settings?: Partial<HttpSettingsShape>
    readonly records?: Array<LogRecord>
  } = {}
): TestServer => {
  const { operator = operatorOf(), readiness = ready, records = [], settings = {} } = options
  const keep = Logger.make((entry) => {
    records.push({ text: Logger.stringLogger.log(entry) })
  })
  const runtime = ManagedRuntime.make(
    HttpServer.layer({ host: "127.0.0.1", port: 0 }).pipe(
      Layer.provide([
        readiness,
        operator,
        engine,
        Layer.succeed(HttpSettings, { ...defaultHttpSettings, ...settings })
      ]),
      Layer.provideMerge(Logger.replace(Logger.defaultLogger, keep))
    )
  )
  let port = 0
  beforeAll(async () => {
    port = Context.get((await runtime.runtime()).context, HttpServer.HttpAddress).port
  })
  afterAll(() => runtime.dispose())
  return {
    get port() {
      return port
    },
    send: (call) => send(port, call)
  }
}

const untouched = (name: string) => () => Effect.dieMessage(`${name} was not expected to be called`)

/** An engine that does nothing but what a test gives it; every call of anything else is a defect. */
export const engineOf = (given: Partial<EngineApi>): Layer.Layer<Engine> =>
  Layer.succeed(Engine, {
    start: untouched("start"),
    startMany: untouched("startMany"),
    startEncoded: untouched("startEncoded"),
    startManyEncoded: untouched("startManyEncoded"),
    trigger: untouched("trigger"),
    triggerEncoded: untouched("triggerEncoded"),
    signal: untouched("signal"),
    signalEncoded: untouched("signalEncoded"),
    query: untouched("query"),
    queryEncoded: untouched("queryEncoded"),
    await: untouched("await"),
    awaitEnd: untouched("awaitEnd"),
    get: untouched("get"),
    list: untouched("list"),
    events: untouched("events"),
    cancel: untouched("cancel"),
    pause: untouched("pause"),
    resume: untouched("resume"),
    retry: untouched("retry"),
    unpark: untouched("unpark"),
    recover: untouched("recover"),
    resumability: untouched("resumability"),
    explain: untouched("explain"),
    workflows: Effect.succeed([]),
    inTransaction: (_, effect) => effect,
    drain: Effect.void,
    ...given
  })

/** A worker that goes well. */
export const standing: Standing = {
  ...{ incarnation: Incarnation.make("00000000-0000-4000-8000-000000000001"), listening: "heard" },
  ...{ sweptMsAgo: 10, sweepLateMs: 10_000, slots: { taken: 0, size: 1 }, runs: { held: 0, most: 1 }, auditWaiting: 0 }
}

/** An operator's facade in which nothing is wrong, and what a test gives it. */
export const operatorOf = (given: Partial<OperatorApi> = {}): Layer.Layer<Operator> =>
  Layer.succeed(Operator, {
    attributes: () => Effect.succeed({}),
    workers: Effect.succeed([]),
    condition: Effect.succeed(standing),
    troubled: () => Effect.succeed([]),
    backlog: Effect.succeed({ ready: 0, due: 0, inputs: 0, commands: 0, parked: 0, orphaned: 0 }),
    recent: () => Effect.succeed({ rows: [], last: 0n }),
    watched: () => Effect.succeed([]),
    diagnose: Effect.succeed([]),
    ...given
  })

/** The body of a start of the example. */
export const orderBody = (order: object = {}, rest: object = {}) => ({
  workflow: "order",
  input: { order: { id: "o-1", item: "book", quantity: 1, amount: 40, card: "ok", ...order } },
  ...rest
})
