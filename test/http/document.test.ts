import type * as OpenApi from "@effect/platform/OpenApi"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { expect, it } from "vitest"
import * as Effects from "../../src/example/Effects.js"
import { handlers, Order } from "../../src/example/order.js"
import { Api } from "../../src/http/Contract.js"
import { documentOf } from "../../src/http/OpenApiDocument.js"
import { routesAt, routesOf } from "../../src/http/Routes.js"
import * as Perdure from "../../src/layers.js"
import type { RawRow, Transactor } from "../../src/store/Transactor.js"
import { query } from "../postgres/harness.js"
import { type Answer, type Call, orderBody, serving } from "./harness.js"
import { anyCall } from "./hostileCalls.js"
import { misfits, unforeseen } from "./openapi.js"

/** Calls of the hostile caller. */
const calls = 10_000

/** What looks into the database behind the server. */
let ask: (text: string) => Promise<ReadonlyArray<RawRow>> = () => Promise.reject(new Error("nothing is served yet"))

const stores = Layer.provideMerge(
  Layer.effectDiscard(
    Effect.map(Effect.context<Transactor>(), (context) => {
      ask = (text) => Effect.runPromise(Effect.provide(query(text), context))
    })
  ),
  Perdure.layerEmbedded({})
)
const engine = Order.layer.pipe(
  Layer.provide(handlers),
  Layer.provide(Effects.layer()),
  Layer.provideMerge(Perdure.layerEngine({ pollMs: 200 })),
  Layer.provideMerge(stores)
)
const operated = Layer.provideMerge(Perdure.layerOperator, engine)

const server = serving(operated, {
  operator: operated,
  settings: { callsPerSecond: 0, webhooks: [{ name: "mail", key: Redacted.make(Buffer.from("0123456789abcdef")) }] }
})

const document = documentOf(Api)
const routes = routesOf(Api)

const operationOf = (method: string, path: string): OpenApi.OpenAPISpecOperation | undefined => {
  const route = routesAt(routes, path.split("?")[0]!).find((one) => one.method === method)
  const item = route && document.paths[route.path.replaceAll(/:(\w+)/g, "{$1}")]
  return item?.[route!.method.toLowerCase() as "get"]
}

/** Calls of the first test that were refused. */
const refused: Array<Call> = []

/** What the heart of a worker writes, whoever calls or not. */
const beats = "'{served_at,heartbeat_at,session,room}'::text[]"

/** How many rows each table has, and what is in them. */
const fingerprint = async (): Promise<Readonly<Record<string, unknown>>> => {
  const tables = await ask(
    "select relname as name from pg_class where relnamespace = 'perdure'::regnamespace and relkind = 'r'"
  )
  const entries: Array<readonly [string, unknown]> = []
  for (const { name } of tables) {
    const [row] = await ask(
      `select count(*)::int4 as count, md5(coalesce(string_agg(x::text, '' order by x::text), '')) as hash
      from (select to_jsonb(t) - ${beats} as x from perdure.${name} t) t`
    )
    entries.push([String(name), row])
  }
  return Object.fromEntries(entries)
}

/** Waits until nothing is under way: no run that could go on, nothing that came, no event that waits to be written. */
const rest = async (): Promise<void> => {
  for (;;) {
    const [busy] = await ask(`select (
      (select count(*) from perdure.run_state where status not in ('completed', 'failed', 'cancelled', 'compensated', 'suspended', 'paused', 'parked') or worker is not null)
      + (select count(*) from perdure.trigger_inputs where status = 'new')
      + (select count(*) from perdure.run_commands where status = 'new')
    )::int4 as count`)
    // Whoever asks for events of a run gets all that there are: what waits is written first.
    const [some] = await ask('select run_id as "runId" from perdure.run_state limit 1')
    expect(
      (await server.send({ path: `/api/runs/${encodeURIComponent(String(some?.["runId"]))}/events` })).status
    ).toBe(200)
    if (busy?.["count"] === 0) return
  }
}

it("10,000 hostile calls get what the document foresees, no failure of ours, and only what was accepted is there", async () => {
  const statuses = new Map<number, number>()
  const started = new Set<string>()
  const property = FastCheck.asyncProperty(anyCall, async (call) => {
    const answer = await server.send(call)
    if (answer.status >= 400) refused.push(call)
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
    expect(answer.status).toBeLessThan(500)
    if (answer.status === 201) started.add(String(answer.body?.["runId"]))
    if (call.path.startsWith("/api/batches") && answer.status === 200) {
      const results = answer.body?.["results"] as ReadonlyArray<{ runId?: string; created?: boolean }>
      for (const result of results) if (result.created === true) started.add(result.runId!)
    }
    const operation = operationOf(call.method!, call.path)
    const seen = { status: answer.status, contentType: answer.headers["content-type"] ?? "", body: answer.body }
    if (operation === undefined) expect([400, 404, 405]).toContain(answer.status)
    else expect(unforeseen(document, operation, seen)).toEqual([])
  })
  await FastCheck.assert(property, { numRuns: calls, endOnFailure: true })
  // The rarer ones, 202, 409 and 415, need not come up; refusals.test.ts calls for each.
  for (const status of [200, 201, 400, 401, 403, 404, 405]) expect([...statuses.keys()]).toContain(status)
  const found = new Set<string>()
  let cursor: unknown
  do {
    const query = cursor === undefined ? "" : `&cursor=${String(cursor)}`
    const page = await server.send({ path: `/api/runs?limit=500${query}` })
    for (const run of page.body!["runs"] as ReadonlyArray<{ runId: string }>) found.add(run.runId)
    cursor = page.body!["nextCursor"]
  } while (cursor !== undefined)
  expect(found).toEqual(started)
  expect(Object.prototype).not.toHaveProperty("polluted")
}, 600_000)

it("what is refused writes nothing, to no table", async () => {
  await rest()
  expect(Object.keys(await fingerprint()).length).toBeGreaterThan(10)
  // What found no run at first may find one now: only what is refused again is looked at.
  let calls = refused.filter(({ method }) => method !== "GET" && method !== "HEAD").slice(0, 3_000)
  let accepted = Number.POSITIVE_INFINITY
  while (accepted > 0) {
    const before = await fingerprint()
    const answers: Array<Answer> = []
    for (const call of calls) answers.push(await server.send(call))
    const again = calls.filter((_, place) => answers[place]!.status >= 400)
    accepted = calls.length - again.length
    calls = again
    await rest()
    if (accepted === 0) expect(await fingerprint()).toEqual(before)
  }
  expect(calls.length).toBeGreaterThan(1_000)
  // The look would notice.
  const before = await fingerprint()
  expect((await server.send({ path: "/api/runs", body: orderBody({}, { runId: "noticed" }) })).status).toBe(201)
  await rest()
  const changed = Object.entries(await fingerprint()).filter(
    ([name, seen]) => JSON.stringify(seen) !== JSON.stringify(before[name])
  )
  expect(changed.map(([name]) => name)).toEqual(expect.arrayContaining(["run_state", "run_values", "run_events"]))
}, 600_000)

it("a head that is too long is foreseen, wherever it comes", async () => {
  const answer = await server.send({ path: `/api/runs?workflow=${"x".repeat(20_000)}` })
  expect(answer.status).toBe(431)
  const seen = { status: 431, contentType: "application/json", body: answer.body }
  for (const item of Object.values(document.paths)) {
    for (const operation of Object.values(item)) expect(unforeseen(document, operation, seen)).toEqual([])
  }
})

it("a shape that the document does not foresee is seen (this test would notice)", () => {
  const schema = { type: "object", required: ["a"], properties: { a: { type: "string" } }, additionalProperties: false }
  expect(misfits(document, schema, { a: "x" })).toEqual([])
  expect(misfits(document, schema, { a: 1 })).toHaveLength(1)
  expect(misfits(document, schema, {})).toHaveLength(1)
  expect(misfits(document, schema, { a: "x", b: 1 })).toHaveLength(1)
  expect(misfits(document, { anyOf: [schema, { type: "null" }] }, 7)).toHaveLength(1)
  expect(
    unforeseen(document, document.paths["/healthz"]!.get!, { status: 418, contentType: "", body: 1 })
  ).toHaveLength(1)
})
