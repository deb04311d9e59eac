import { execFile } from "node:child_process"
import { createHmac } from "node:crypto"
import { readFileSync } from "node:fs"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { describe, expect, it } from "vitest"
import type { RunDetail } from "../../src/Engine.js"
import { includes, type Scope, scopes } from "../../src/http/Access.js"
import { Api } from "../../src/http/Contract.js"
import { rateLimit } from "../../src/http/RateLimit.js"
import { routesOf } from "../../src/http/Routes.js"
import { findToken, parseToken, showToken, tokenOf } from "../../src/http/Tokens.js"
import { RunNotFound } from "../../src/model/Errors.js"
import { RunId } from "../../src/model/Ids.js"
import { type Call, engineOf, serving } from "./harness.js"

const aRun: RunDetail = {
  ...{ runId: RunId.make("r-1"), workflow: "order", workflowVersion: 1, status: "suspended", reason: null },
  ...{ version: 1, fence: 1, worker: null, createdAt: new Date(0), endedAt: null, input: "{}", output: null },
  ...{ failure: null, nodes: [] }
}

const secretOf = (scope: Scope) => `${scope}-token-of-this-test`
const tokens = scopes.map((scope) => tokenOf(scope, scope, Redacted.make(secretOf(scope))))
const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })

const routes = routesOf(Api)
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
const concrete = (path: string) =>
  path
    .replace(":runId", "r-1")
    .replace(":nodeId", "n")
    .replace(":source", "s")
    .replace(":signal", "s")
    .replace(":query", "q")
const paths = [...new Set(routes.map(({ path }) => concrete(path)))]

it("every route says who may call it: what is forgotten wants the scope admin, and none does", () => {
  expect(routes.filter(({ access }) => access === "admin")).toEqual([])
  const said = new Set(routes.map(({ access }) => access))
  expect([...said].sort()).toEqual(["public", "read", "signed", "write"])
})

/** Ways in which a path was read in one form by a guard, and in another by what stood behind it. */
const tricks: ReadonlyArray<(path: string) => string> = [
  (path) => path,
  (path) => `${path}/`,
  (path) => `${path}//`,
  (path) => `/${path}`,
  (path) => path.replace(/\/([^/]+)$/, "//$1"),
  (path) => `${path}.`,
  (path) => `${path}.json`,
  (path) => `${path}%2f`,
  (path) => `${path}%00`,
  (path) => `${path};x=1`,
  (path) => `${path}%20`,
  (path) => `${path}?`,
  (path) => `${path}?token=admin-token-of-this-test`,
  (path) => path.toUpperCase(),
  (path) => path.replace(/^\/(.)/, (_, first: string) => `/%${first.charCodeAt(0).toString(16)}`),
  (path) => `/healthz/..${path}`,
  (path) => `/healthz/%2e%2e${path}`,
  (path) => `/healthz%2f..${path.replaceAll("/", "%2f")}`,
  (path) => `/healthz/../${path.slice(1)}`,
  (path) => `/.${path}`,
  (path) => `/healthz#${path}`.replace("#", "%23")
]

/** What is not the right token. */
const strangers: ReadonlyArray<readonly [string, Call["headers"]]> = [
  ["no token", {}],
  ["an empty one", { authorization: "" }],
  ["only the word", { authorization: "Bearer" }],
  ["another one", bearer("admin-token-of-this-tesT")],
  ["the beginning of one", bearer(secretOf("admin").slice(0, -1))],
  ["one in another scheme", { authorization: `Basic ${Buffer.from(`admin:${secretOf("admin")}`).toString("base64")}` }],
  ["its digest", bearer(Redacted.value(tokens[2]!.digest).toString("hex"))],
  ["one in another header", { "x-token": secretOf("admin"), cookie: `token=${secretOf("admin")}` }],
  ["two at once", { authorization: `Bearer x Bearer ${secretOf("admin")}` }]
]

const isOpen = (method: string, path: string): boolean =>
  routes.some(
    (route) =>
      ["public", "signed"].includes(route.access) &&
      concrete(route.path) === path.replace(/\?$/, "") &&
      route.method === (method === "HEAD" ? "GET" : method)
  )

describe("With tokens", () => {
  // An engine that fails whatever is asked of it: an answer of 500 would tell that a call got through.
  const server = serving(engineOf({}), { settings: { tokens, callsPerSecond: 0 } })

  it.each(strangers)("nothing but the public list answers to %s, whatever path and method", async (_, headers) => {
    for (const path of paths) {
      for (const trick of tricks) {
        for (const method of methods) {
          const tricked = trick(path)
          if (isOpen(method, tricked)) continue
          const answer = await server.send({ method, path: tricked, headers: headers! })
          expect([400, 401], `${method} ${tricked}`).toContain(answer.status)
          if (answer.status === 401) expect(answer.headers["www-authenticate"]).toBe("Bearer")
        }
      }
    }
  })

  it.each(
    routes
      .filter(({ access }) => access !== "public" && access !== "signed")
      .flatMap((route) =>
        scopes.filter((scope) => !includes(scope, route.access as Scope)).map((scope) => [scope, route])
      )
  )("a token of scope %s is refused what wants more: %j", async (scope, route) => {
    const { method, path } = route as (typeof routes)[number]
    const answer = await server.send({ method, path: concrete(path), headers: bearer(secretOf(scope as Scope)) })
    expect(answer).toMatchObject({ status: 403, body: { _tag: "Forbidden" } })
  })

  it("the public list answers to anybody, and it is short", async () => {
    expect(routes.filter(({ access }) => access === "public").map(({ path }) => path)).toEqual(["/healthz", "/readyz"])
    expect((await server.send({ path: "/healthz" })).status).toBe(200)
  })

  it("the right token opens what its scope holds", async () => {
    expect((await server.send({ path: "/api/workflows", headers: bearer(secretOf("read")) })).status).toBe(200)
    const body = { workflow: 1 }
    const started = { path: "/api/runs", body, headers: bearer(secretOf("write")) }
    expect(await server.send(started)).toMatchObject({ status: 400, body: { field: "workflow" } })
    expect((await server.send({ path: "/nope", headers: bearer(secretOf("read")) })).status).toBe(404)
  })
})

describe("A token", () => {
  it("is kept as its digest, and read back from it", () => {
    const token = tokenOf("ci", "write", Redacted.make("secret-of-ci"))
    const text = showToken(token)
    expect(text).toMatch(/^ci:write:[0-9a-f]{64}$/)
    expect(text).not.toContain("secret-of-ci")
    expect(JSON.stringify(token)).not.toMatch(/[0-9a-f]{64}/)
    const read = parseToken(text)
    expect(read._tag).toBe("Right")
    expect(read._tag === "Right" && findToken([read.right], "Bearer secret-of-ci")?.name).toBe("ci")
    expect(findToken([token], "Bearer secret-of-cI")).toBeUndefined()
  })

  it.each(["", "x", "ci:root:00", `ci:read:${"0".repeat(63)}`, `c i:read:${"0".repeat(64)}`])("%j is none", (text) => {
    expect(parseToken(text)._tag).toBe("Left")
  })
})

describe("A rate", () => {
  it("admits ten seconds' worth at once and then its rate, each caller by himself", () => {
    const limit = rateLimit(2)
    for (let i = 0; i < 20; i++) expect(limit("a", 0)).toBe(0)
    expect(limit("a", 0)).toBe(1)
    expect(limit("b", 0)).toBe(0)
    expect(limit("a", 499)).toBe(1)
    expect(limit("a", 1_000)).toBe(0)
    expect(limit("a", 1_000)).toBe(0)
    expect(limit("a", 1_000)).toBe(1)
  })

  it("forgets callers, and never more than it remembers", () => {
    const limit = rateLimit(1)
    for (let i = 0; i < 10; i++) limit("first", 0)
    expect(limit("first", 0)).toBe(1)
    for (let i = 0; i < 10_001; i++) limit(`caller ${i}`, 0)
    expect(limit("first", 0)).toBe(0)
  })

  const server = serving(engineOf({}), { settings: { callsPerSecond: 1 } })

  it("that is exceeded is told, with the time to wait", async () => {
    let answer = await server.send({ path: "/healthz" })
    while (answer.status === 200) answer = await server.send({ path: "/healthz" })
    expect(answer).toMatchObject({ status: 429, body: { _tag: "TooManyRequests", retryAfterSeconds: 1 } })
    expect(answer.headers["retry-after"]).toBe("1")
  })
})

describe("A signed event", () => {
  const key = "0123456789abcdef-canary"
  const seen: Array<unknown> = []
  const orders = new Set(["r-1", "o-1"])
  const server = serving(
    engineOf({
      get: (runId) =>
        orders.has(runId) || runId === "bill-1"
          ? Effect.succeed({ ...aRun, workflow: orders.has(runId) ? "order" : "bill" })
          : Effect.fail(new RunNotFound({ runId: RunId.make(runId) })),
      triggerEncoded: (request) => {
        seen.push(request)
        return Effect.succeed({ accepted: true })
      }
    }),
    {
      settings: {
        tokens,
        webhooks: [
          { name: "mail", key: Redacted.make(Buffer.from(key)) },
          { name: "orders", key: Redacted.make(Buffer.from(key)), workflow: "order" },
          { name: "boss", key: Redacted.make(Buffer.from(key)), workflow: "order", nodeId: "approval" }
        ]
      }
    }
  )

  const now = () => Math.floor(Date.now() / 1_000)

  const signed = (body: string, id = "m-1", time = now(), secret = key) => ({
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(time),
    "webhook-signature": `v1,${createHmac("sha256", secret).update(`${id}.${time}.${body}`).digest("base64")}`
  })

  const path = "/hooks/mail/runs/r-1/triggers/approval"
  const body = '{"approved":true,  "by":"ada"}'

  it("is taken, by its id, without a token", async () => {
    expect(await server.send({ path, body, headers: signed(body) })).toMatchObject({ status: 202 })
    expect(seen).toEqual([{ runId: "r-1", nodeId: "approval", inputId: "m-1", payload: { approved: true, by: "ada" } }])
  })

  it("may bear several signatures, one of which is right", async () => {
    const headers = signed(body)
    const several = { ...headers, "webhook-signature": `v1,AAAA v2,x ${headers["webhook-signature"]}` }
    expect((await server.send({ path, body, headers: several })).status).toBe(202)
  })

  it.each(["/hooks/orders/runs/r-1/triggers/ship", "/hooks/boss/runs/r-1/triggers/approval"])(
    "is taken where its sender may send: %s",
    async (where) => {
      expect((await server.send({ path: where, body, headers: signed(body) })).status).toBe(202)
    }
  )

  it("is signed and sent by the lines in the README", async () => {
    const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")
    const lines = /```sh\n(key=whsec_[\s\S]+?)```/.exec(readme)?.[1] ?? ""
    const script = lines
      .replace(/\$\(openssl rand .+?\)/, Buffer.from(key).toString("base64"))
      .replace("http://127.0.0.1:4400", `http://127.0.0.1:${server.port}`)
    const { stdout } = await promisify(execFile)("sh", ["-euc", script])
    expect(JSON.parse(stdout)).toEqual({ accepted: true })
    const payload = { approved: true, by: "ada" }
    expect(seen.at(-1)).toEqual({ runId: "o-1", nodeId: "approval", inputId: "mail-1", payload })
  })

  it.each([
    ["without a signature", body, { "content-type": "application/json" }, path],
    ["signed by another key", body, signed(body, "m-1", now(), "another-key-0123456789"), path],
    ["signed by an empty key", body, signed(body, "m-1", now(), ""), path],
    ["of another body", '{"approved":false}', signed(body), path],
    ["of the same meaning in other bytes", '{"approved":true,"by":"ada"}', signed(body), path],
    ["of another id", body, { ...signed(body), "webhook-id": "m-2" }, path],
    ["too old", body, signed(body, "m-1", now() - 301), path],
    ["of the future", body, signed(body, "m-1", now() + 3_600), path],
    ["without a time", body, { ...signed(body), "webhook-timestamp": "" }, path],
    ["of a sender without a key", body, signed(body), "/hooks/nobody/runs/r-1/triggers/approval"],
    ["for a run of another workflow", body, signed(body), "/hooks/orders/runs/bill-1/triggers/approval"],
    ["for a run that is not there", body, signed(body), "/hooks/orders/runs/none/triggers/approval"],
    ["for another node", body, signed(body), "/hooks/boss/runs/r-1/triggers/ship"],
    ["for that node of another workflow", body, signed(body), "/hooks/boss/runs/bill-1/triggers/approval"],
    ["with a token instead", body, { "content-type": "application/json", ...bearer(secretOf("admin")) }, path]
  ])("%s is refused", async (_, text, headers, where) => {
    const before = seen.length
    const answer = await server.send({ path: where, body: text, headers })
    expect(answer).toMatchObject({ status: 401, body: { _tag: "Unauthorized" } })
    expect(JSON.stringify(answer.body)).not.toContain("canary")
    expect(seen).toHaveLength(before)
  })
})
