import * as Http from "node:http"
import { connect } from "node:net"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import type { Engine, RunDetail } from "../../src/Engine.js"
import { Readiness } from "../../src/http/Readiness.js"
import * as HttpServer from "../../src/http/server.js"
import { DatabaseError, UndecodableRow } from "../../src/model/Errors.js"
import { RunId } from "../../src/model/Ids.js"
import { engineOf, type LogRecord, operatorOf, orderBody, read, send, serving } from "./harness.js"

const secret = "postgres://user:hunter2@10.0.0.7/db"

const run = (status: RunDetail["status"], rest: Partial<RunDetail> = {}): RunDetail => ({
  runId: RunId.make("r-1"),
  workflow: "order",
  workflowVersion: 1,
  status,
  reason: null,
  version: 1,
  fence: 1,
  worker: null,
  createdAt: new Date(0),
  endedAt: null,
  input: "{}",
  output: null,
  failure: null,
  nodes: [],
  ...rest
})

describe("Trouble", () => {
  const records: Array<LogRecord> = []
  const server = serving(
    engineOf({
      startEncoded: () =>
        Effect.fail(new DatabaseError({ outcome: "unknown", operation: "start", sqlState: "08006", reason: secret })),
      list: () => Effect.die(new Error(secret)),
      get: (runId) =>
        runId === "damaged"
          ? Effect.succeed(run("completed", { input: `{"a":` }))
          : Effect.fail(new UndecodableRow({ table: "run_state", key: "r-1", reason: secret }))
    }),
    { records }
  )

  it.each([
    ["of the database", { path: "/api/runs", body: orderBody() }, 503, "DatabaseUnavailable"],
    ["that is a bug", { path: "/api/runs" }, 500, "InternalError"],
    ["with a row", { path: "/api/runs/r-1" }, 500, "InternalError"],
    ["with a value", { path: "/api/runs/damaged" }, 500, "InternalError"]
  ])("%s is told by an id, whose details only the log has", async (_, call, status, tag) => {
    const answer = await server.send(call)
    expect(answer).toMatchObject({ status, body: { _tag: tag, id: expect.any(String) } })
    expect(Object.keys(answer.body ?? {}).sort()).toEqual(["_tag", "id", "message"])
    expect(JSON.stringify(answer)).not.toContain("hunter2")
    expect(records.filter(({ text }) => text.includes(String(answer.body?.["id"])))).toHaveLength(1)
  })
})

describe("A large body", () => {
  const server = serving(engineOf({}))
  const headers = { "content-type": "application/json" }
  const tooLarge = { status: 413, body: { _tag: "BodyTooLarge", limitBytes: 1_048_576 } }

  it("is refused, and its sender gets to read why", async () => {
    const body = Buffer.alloc(5_000_000, 0x20)
    expect(await server.send({ path: "/api/runs", headers, body })).toMatchObject(tooLarge)
    const chunked = { ...headers, "transfer-encoding": "chunked" }
    expect(await server.send({ path: "/api/runs", headers: chunked, body })).toMatchObject(tooLarge)
  })

  it("is refused by its announced length, before any of it was sent", async () => {
    const answer = await new Promise<Http.IncomingMessage>((resolve, reject) => {
      const request = Http.request({
        ...{ host: "127.0.0.1", port: server.port, method: "POST", path: "/api/runs", agent: false },
        headers: { ...headers, "content-length": 5_000_000 }
      })
      request.on("response", resolve).on("error", reject).flushHeaders()
    })
    expect(await read(answer)).toMatchObject(tooLarge)
    answer.destroy()
  })

  it("is refused while it is still coming, if nobody said how large it is", async () => {
    const answer = await new Promise<Http.IncomingMessage>((resolve, reject) => {
      const request = Http.request({
        ...{ host: "127.0.0.1", port: server.port, method: "POST", path: "/api/runs", agent: false },
        headers: { ...headers, "transfer-encoding": "chunked" }
      })
      request.on("response", resolve).on("error", reject)
      request.write(Buffer.alloc(1_048_577, 0x20))
    })
    expect(await read(answer)).toMatchObject(tooLarge)
    answer.destroy()
  })

  it("of just the limit is read", async () => {
    const body = `{${" ".repeat(1_048_574)}}`
    const answer = await server.send({ path: "/api/runs", headers, body })
    expect(answer).toMatchObject({ status: 400, body: { field: "workflow" } })
  })
})

describe("What is not HTTP", () => {
  const server = serving(engineOf({}))

  const speak = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(server.port, "127.0.0.1", () => socket.write(text))
      let heard = ""
      socket.on("data", (chunk) => {
        heard += chunk.toString()
      })
      socket.on("close", () => resolve(heard)).on("error", reject)
    })

  it.each([
    ["nonsense", "hello\r\n\r\n", 400],
    ["a request without a host", "GET /healthz HTTP/1.1\r\n\r\n", 400],
    ["an old request without a host", "GET /healthz HTTP/1.0\r\n\r\n", 403],
    ["a query without an end", `GET /api/runs?workflow=${"x".repeat(70_000)} HTTP/1.1\r\n\r\n`, 431],
    ["headers without an end", `GET /healthz HTTP/1.1\r\nx: ${"x".repeat(70_000)}\r\n\r\n`, 431]
  ])("like %s is answered and cut off", async (_, text, status) => {
    expect(await speak(text)).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  })

  it("like an upgrade is answered as the request it came with", async () => {
    const host = `127.0.0.1:${server.port}`
    const text = `GET /healthz HTTP/1.1\r\nhost: ${host}\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n`
    expect(await speak(text)).toMatch(/^HTTP\/1.1 200 /)
  })

  it("like an address of another server is a path that is not well formed", async () => {
    const host = `127.0.0.1:${server.port}`
    const text = `GET http://evil.example/healthz HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`
    expect(await speak(text)).toMatch(/^HTTP\/1.1 400 /)
  })
})

describe("A wait for a result", () => {
  /** An engine whose run never ends, and what became of those who wait for it. */
  const endless = Effect.gen(function* () {
    const waiting = yield* Deferred.make<void>()
    const leftAlone = yield* Deferred.make<void>()
    const engine = engineOf({
      get: () => Effect.succeed(run("suspended")),
      awaitEnd: () =>
        Effect.zipRight(Deferred.succeed(waiting, undefined), Effect.never).pipe(
          Effect.onInterrupt(() => Deferred.succeed(leftAlone, undefined))
        )
    })
    return { waiting: Deferred.await(waiting), leftAlone: Deferred.await(leftAlone), engine }
  })

  const serve = (engine: Layer.Layer<Engine>) =>
    Effect.gen(function* () {
      const scope = yield* Effect.acquireRelease(Scope.make(), (made) => Scope.close(made, Exit.void))
      const readiness = Layer.succeed(Readiness, { obstacle: Effect.succeed(undefined) })
      const layer = HttpServer.layer({ host: "127.0.0.1", port: 0 }).pipe(
        Layer.provide([engine, readiness, operatorOf()])
      )
      const { port } = Context.get(yield* Layer.buildWithScope(layer, scope), HttpServer.HttpAddress)
      return { port, stop: Scope.close(scope, Exit.void) }
    })

  const runScoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

  it("ends with 202 when its time is over", () =>
    runScoped(
      Effect.gen(function* () {
        const { engine, leftAlone } = yield* endless
        const { port } = yield* serve(engine)
        const answer = yield* Effect.promise(() => send(port, { path: "/api/runs/r-1/result?wait=0.05" }))
        expect(answer).toMatchObject({ status: 202, body: { status: "suspended" } })
        yield* leftAlone
      })
    ))

  it("ends when its client has gone", () =>
    runScoped(
      Effect.gen(function* () {
        const { engine, leftAlone, waiting } = yield* endless
        const { port } = yield* serve(engine)
        const request = Http.get({ host: "127.0.0.1", port, path: "/api/runs/r-1/result?wait=60", agent: false })
        request.on("error", () => undefined)
        yield* waiting
        request.destroy()
        yield* leftAlone
      })
    ))

  it("ends with 202 when the server stops, which takes nobody new", () =>
    runScoped(
      Effect.gen(function* () {
        const { engine, waiting } = yield* endless
        const { port, stop } = yield* serve(engine)
        const answer = yield* Effect.fork(Effect.promise(() => send(port, { path: "/api/runs/r-1/result?wait=60" })))
        yield* waiting
        yield* stop
        expect(yield* answer).toMatchObject({ status: 202, body: { status: "suspended" } })
        const refused = yield* Effect.exit(Effect.tryPromise(() => send(port, { path: "/healthz" })))
        expect(Exit.isFailure(refused)).toBe(true)
      })
    ))

  it("gives the failure of a run that failed", () =>
    runScoped(
      Effect.gen(function* () {
        const failure = { kind: "defect", message: "boom", nodeId: "charge", firing: 1, attempt: 2 }
        const engine = engineOf({
          awaitEnd: () => Effect.succeed(run("failed", { failure: JSON.stringify(failure), endedAt: new Date(1) }))
        })
        const { port } = yield* serve(engine)
        const answer = yield* Effect.promise(() => send(port, { path: "/api/runs/r-1/result?wait=5" }))
        expect(answer).toMatchObject({ status: 200, body: { status: "failed", error: failure } })
      })
    ))
})

describe("A probe", () => {
  const readiness = Layer.succeed(Readiness, { obstacle: Effect.succeed("the database does not answer") })
  const server = serving(engineOf({}), { readiness })

  it("is told that the server lives and why it is not ready", async () => {
    expect((await server.send({ path: "/healthz" })).status).toBe(200)
    expect(await server.send({ path: "/readyz" })).toMatchObject({
      status: 503,
      body: { _tag: "NotReady", message: "the database does not answer" }
    })
  })
})
