import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { Api } from "../../src/http/Contract.js"
import { routesOf } from "../../src/http/Routes.js"
import { type Call, engineOf, orderBody, send, serving } from "./harness.js"

const server = serving(engineOf({}))

/** Asserts that a call is refused before the engine, which fails whatever is asked of it, has seen it. */
const refuses = async (call: Call, status: number, body: object) => {
  expect(await server.send(call)).toMatchObject({ status, body })
}

const routes = routesOf(Api)
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
const paths = [...new Set(routes.map(({ path }) => path))]
const concrete = (path: string) => path.replace(":runId", "r-1").replace(":nodeId", "n").replace(":source", "s")

const known = (path: string) => {
  const own = routes.filter((route) => route.path === path).map(({ method }) => method)
  return own.includes("GET") ? [...own, "HEAD"] : own
}

describe("The route table", () => {
  it("has what the contract names, once each", () => {
    expect(routes.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(
      [
        "GET /healthz",
        "GET /readyz",
        "GET /api/workflows",
        "POST /api/runs",
        "GET /api/runs",
        "GET /api/runs/:runId",
        "GET /api/runs/:runId/result",
        "GET /api/runs/:runId/events",
        "POST /api/runs/:runId/triggers/:nodeId",
        "POST /api/runs/:runId/signals/:nodeId/:signal",
        "GET /api/runs/:runId/queries/:nodeId/:query",
        "POST /api/runs/:runId/cancel",
        "POST /api/runs/:runId/pause",
        "POST /api/runs/:runId/resume",
        "POST /api/runs/:runId/retry",
        "POST /api/runs/:runId/unpark",
        "POST /api/batches",
        "GET /api/runs/:runId/explain",
        "GET /api/runs/:runId/stream",
        "GET /api/stream",
        "GET /api/workers",
        "GET /api/stuck",
        "GET /api/doctor",
        "GET /metrics",
        "GET /docs",
        "GET /openapi.json",
        "POST /hooks/:source/runs/:runId/triggers/:nodeId"
      ].sort()
    )
  })

  it("opens to anybody only what probes ask", () => {
    expect(routes.filter((route) => route.access === "public").map(({ path }) => path)).toEqual(["/healthz", "/readyz"])
  })

  it.each(
    paths.flatMap((path) => methods.filter((method) => !known(path).includes(method)).map((method) => [method, path]))
  )("refuses %s %s and says what is allowed", async (method, path) => {
    const allow = known(path).sort().join(", ")
    const answer = await server.send({ method: method!, path: concrete(path!) })
    expect(answer.status).toBe(405)
    expect(answer.headers["allow"]).toBe(allow)
    if (method !== "HEAD") expect(answer.body).toMatchObject({ _tag: "MethodNotAllowed", allow: allow.split(", ") })
  })

  it.each(
    [
      ...paths.map((path) => `${concrete(path)}/`),
      ...paths.map((path) => `/${concrete(path)}`),
      ...paths.filter((path) => path !== "/api/runs").map((path) => concrete(path).toUpperCase()),
      "/",
      "/api",
      "/api/runs/r-1/nope",
      "/api/runs//result",
      "/docs/index.html",
      "/openapi.yaml",
      "/metrics/x",
      "/api/runs/r-1/streams",
      "/.git/config",
      "/api/../healthz",
      "/%61pi/runs"
    ].filter((path) => path !== "/api/runs/r-1/triggers/n".toUpperCase())
  )("knows no path %s", async (path) => {
    for (const method of ["GET", "POST", "DELETE"]) {
      await refuses({ method, path }, 404, { _tag: "RouteNotFound" })
    }
  })

  const ofText = ["/docs", "/metrics", "/api/stream"]

  it.each(routes.filter(({ method, path }) => method === "GET" && !ofText.includes(path)).map(({ path }) => path))(
    "answers HEAD %s like GET, without a body",
    async (path) => {
      const [get, head] = await Promise.all(
        ["GET", "HEAD"].map((method) => server.send({ method, path: concrete(path) }))
      )
      expect(head?.status).toBe(get?.status)
      expect(head?.headers["content-type"]).toBe("application/json")
      expect(head?.body).toBeUndefined()
    }
  )
})

describe("Names and origins", () => {
  const all = routes.map(({ method, path }) => [method, concrete(path)] as const)

  it.each(all)("%s %s is refused under another name", async (method, path) => {
    const { port } = server
    const hosts = [
      "evil.example",
      `evil.example:${port}`,
      "127.0.0.1",
      `127.0.0.1:${port + 1}`,
      `localhost.evil:${port}`
    ]
    for (const host of hosts) await refuses({ method, path, headers: { host } }, 403, { _tag: "ForbiddenHost" })
  })

  it.each(["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])("goes by the name %s", async (name) => {
    const headers = { host: `${name}:${server.port}` }
    expect((await server.send({ path: "/healthz", headers })).status).toBe(200)
  })

  it.each(all.filter(([method]) => method !== "GET"))(
    "%s %s is refused to another site's page",
    async (method, path) => {
      const { port } = server
      const origins = ["http://evil.example", "null", `https://127.0.0.1:${port}`, `http://127.0.0.1:${port + 1}`]
      for (const origin of origins) {
        await refuses({ method, path, headers: { origin } }, 403, { _tag: "ForbiddenOrigin" })
      }
    }
  )

  it("lets a page of its own in", async () => {
    const headers = { origin: `http://127.0.0.1:${server.port}` }
    await refuses({ path: "/api/runs", body: {}, headers }, 400, { _tag: "InvalidInput" })
  })
})

describe("A query", () => {
  it.each([
    ["/api/runs?limit=abc", "limit"],
    ["/api/runs?limit=0", "limit"],
    ["/api/runs?limit=501", "limit"],
    ["/api/runs?limit=-1", "limit"],
    ["/api/runs?limit=1e2", "limit"],
    ["/api/runs?limit=", "limit"],
    ["/api/runs?limit=5&limit=6", "limit"],
    ["/api/runs?cursor=nonsense", "cursor"],
    ["/api/runs?cursor=MTpi!", "cursor"],
    [`/api/runs?cursor=${Buffer.from("1:b\u0000").toString("base64url")}`, "cursor"],
    [`/api/runs?cursor=${Buffer.from("99999999999999999:b").toString("base64url")}`, "cursor"],
    [`/api/runs?cursor=${Buffer.from("01:b").toString("base64url")}`, "cursor"],
    ["/api/runs?cursor=MTpi&cursor=MTpi", "cursor"],
    ["/api/runs?status=done", "status"],
    ["/api/runs?status=completed%20", "status"],
    ["/api/runs?workflow=a%20b", "workflow"],
    ["/api/runs?workflow=%00", "workflow"],
    ["/api/runs?workflow=%ED%A0%80", "workflow"],
    ["/api/runs?workflow=%ff", "workflow"],
    ["/api/runs?workflow=%zz", "query"],
    ["/api/runs?nope=1", "nope"],
    ["/api/runs?__proto__=1", "__proto__"],
    ["/api/runs?constructor=1", "constructor"],
    ["/api/runs?=1", "query"],
    ["/api/runs/r-1?x=1", "x"],
    ["/api/runs/r-1/result?wait=61", "wait"],
    ["/api/runs/r-1/result?wait=-1", "wait"],
    ["/api/runs/r-1/result?wait=ten", "wait"],
    ["/api/runs/r-1/result?wait=Infinity", "wait"],
    ["/api/runs/r-1/events?cursor=x", "cursor"],
    ["/api/runs/r-1/events?limit=0", "limit"],
    ["/api/runs/r-1/events?nodeId=%2F", "nodeId"],
    ["/api/workflows?x", "x"],
    ["/healthz?x=1", "x"]
  ])("%s is refused at %s", (path, field) => refuses({ path }, 400, { _tag: "InvalidInput", field }))
})

describe("An id in a path", () => {
  it.each([
    ["%00", "runId"],
    ["a%00b", "runId"],
    ["a%20b", "runId"],
    ["a%2Fb", "runId"],
    ["%2e%2e%2f", "runId"],
    ["a%3Bb", "runId"],
    ["%F0%9F%92%A9", "runId"],
    ["x".repeat(201), "runId"],
    ["x".repeat(4_000), "runId"],
    ["%ED%A0%80", "path"],
    ["%ff", "path"],
    ["%", "path"],
    ["%zz", "path"],
    ["a;b", "path"],
    ["a\\b", "path"]
  ])("%s is refused as %s", async (id, field) => {
    await refuses({ path: `/api/runs/${id}` }, 400, { _tag: "InvalidInput", field })
    await refuses({ path: `/api/runs/${id}/cancel`, method: "POST" }, 400, { _tag: "InvalidInput", field })
  })

  it.each(["%00", "a%20b", "1st", "x".repeat(101), "a.b"])("%s is no node", (id) =>
    refuses({ path: `/api/runs/r-1/triggers/${id}`, body: { inputId: "i", payload: 1 } }, 400, {
      _tag: "InvalidInput",
      field: "nodeId"
    })
  )
})

describe("A body", () => {
  const post = (body: unknown, headers: Call["headers"] = {}) => ({ path: "/api/runs", body, headers })
  const json = { "content-type": "application/json" }

  it.each([
    [undefined],
    ["text/plain"],
    ["application/x-www-form-urlencoded"],
    ["multipart/form-data; boundary=x"],
    ["application/jsonp"],
    ["application/json; charset=latin1"],
    ["application/vnd.api+json"]
  ])("of type %s is not taken", (type) =>
    refuses(post("{}", type === undefined ? {} : { "content-type": type }), 415, { _tag: "UnsupportedMediaType" })
  )

  it("that is compressed is not taken", () =>
    refuses(post("{}", { ...json, "content-encoding": "gzip" }), 415, { _tag: "UnsupportedMediaType" }))

  it.each([
    "application/json",
    "Application/JSON",
    "application/json;charset=UTF-8",
    'application/json; charset="utf-8"'
  ])("of type %s is read", (type) =>
    refuses(post("{}", { "content-type": type }), 400, { _tag: "InvalidInput", field: "workflow" })
  )

  it.each([
    ["nothing", ""],
    ["half an object", "{"],
    ["two values", "{} {}"],
    ["a comment", "{/**/}"],
    ["single quotes", "{'a':1}"],
    ["NaN", "NaN"],
    ["a byte order mark", "\uFEFF{}"],
    ["bytes that are no UTF-8", Buffer.from([0x7b, 0xff, 0x7d])],
    ["half a million brackets", "[".repeat(500_000)]
  ])("that is %s is no JSON", (_, body) => refuses(post(body, json), 400, { _tag: "InvalidJson" }))

  it.each([
    ["[]", "body"],
    ["null", "body"],
    ['"text"', "body"],
    ["1", "body"],
    ['{"workflow":1,"input":{}}', "workflow"],
    ['{"workflow":"a b","input":{}}', "workflow"],
    ['{"workflow":"order"}', "input"],
    ['{"workflow":"order","input":{},"extra":1}', "extra"],
    ['{"workflow":"order","input":{},"version":0}', "version"],
    ['{"workflow":"order","input":{},"version":1.5}', "version"],
    ['{"workflow":"order","input":{},"version":"1"}', "version"],
    ['{"workflow":"order","input":{},"runId":""}', "runId"],
    ['{"workflow":"order","input":{},"runId":"a/b"}', "runId"],
    ['{"workflow":"order","input":{},"runId":null}', "runId"],
    ['{"workflow":"order","input":{},"runId":"a\\u0000"}', "runId"],
    ['{"workflow":"order","input":{},"__proto__":{"runId":"x"}}', "__proto__"],
    ['{"workflow":"order","input":{"order":{"__proto__":{}}}}', "input.order.__proto__"],
    ['{"workflow":"order","input":{"order":{"id":"\\u0000"}}}', "input.order.id"],
    ['{"workflow":"order","input":{"order":{"id":"\\ud800"}}}', "input.order.id"],
    ['{"workflow":"order","input":{"order":{"ids":["ok","\\udfff"]}}}', "input.order.ids.1"],
    ['{"workflow":"order","input":{"order":{"\\u0000":1}}}', "input.order.\uFFFD"],
    ['{"workflow":"order","input":{"order":{"amount":1e999}}}', "input.order.amount"]
  ])("%s is refused at %s", (body, field) => refuses(post(body, json), 400, { _tag: "InvalidInput", field }))

  it.each([
    [{ payload: 1 }, "inputId"],
    [{ inputId: "", payload: 1 }, "inputId"],
    [{ inputId: "a\nb", payload: 1 }, "inputId"],
    [{ inputId: "x".repeat(201), payload: 1 }, "inputId"],
    [{ inputId: 7, payload: 1 }, "inputId"],
    [{ inputId: "\ud800", payload: 1 }, "inputId"],
    [{ inputId: "i" }, "payload"],
    [{ inputId: "i", payload: { by: "a\u0000" } }, "payload.by"],
    [{ inputId: "i", payload: 1, more: 1 }, "more"]
  ])("of a trigger %j is refused at %s", (body, field) =>
    refuses({ path: "/api/runs/r-1/triggers/n", body }, 400, { _tag: "InvalidInput", field })
  )

  it("of 10,000 levels is refused", async () => {
    const deep = `{"workflow":"order","input":${"[".repeat(10_000)}${"]".repeat(10_000)}}`
    const answer = await server.send(post(deep, json))
    expect(answer).toMatchObject({ status: 400, body: { _tag: "InvalidInput" } })
    expect(String(answer.body?.["field"])).toMatch(/^input\.0\.0\./)
    expect(String(answer.body?.["field"]).length).toBeLessThan(500)
  })

  it.each(["cancel", "pause", "resume"])("may be missing in %s, and must be empty or right", async (verb) => {
    const path = `/api/runs/r-1/${verb}`
    await refuses({ path, body: { now: true } }, 400, { _tag: "InvalidInput", field: "now" })
    await refuses({ path, body: "x" }, 415, { _tag: "UnsupportedMediaType" })
    await refuses({ path, body: "x", headers: json }, 400, { _tag: "InvalidJson" })
  })
})

describe("What reaches the engine", () => {
  const seen: Array<unknown> = []
  const counting = serving(
    engineOf({
      startEncoded: (request) => {
        seen.push(request)
        return Effect.succeed({ runId: "r-1", status: "pending", created: true })
      }
    })
  )

  it("is what was sent, with every character that is text", async () => {
    const body = orderBody({ id: 'ü "😀" \u2028 \\ </script>' }, { runId: "r-1", version: 1 })
    expect((await send(counting.port, { path: "/api/runs", body })).status).toBe(201)
    expect(seen).toEqual([body])
  })
})
