import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { expect, it } from "vitest"
import { engineOf, serving } from "./harness.js"

const calls: Array<unknown> = []
const server = serving(
  engineOf({
    startEncoded: (request) => {
      calls.push(request)
      return Effect.succeed({ runId: "r-1", status: "pending", created: true })
    }
  })
)

const poison = FastCheck.constantFrom("\u0000", "\ud800", "\udc00", "a\u0000b", "x\ud83d")
const harmless = FastCheck.string({ unit: "grapheme" })
const key = FastCheck.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 8 }).filter(
  (name) => name !== "__proto__"
)

/** A value with one poisoned string, key or `__proto__` somewhere in it. */
const poisoned: FastCheck.Arbitrary<string> = FastCheck.letrec<{ value: string; leaf: string }>((tie) => ({
  leaf: FastCheck.oneof(
    poison.map((text) => JSON.stringify(text)),
    poison.map((text) => `{${JSON.stringify(text)}:1}`),
    FastCheck.constant('{"__proto__":{"polluted":true}}'),
    FastCheck.constant("1e400")
  ),
  value: FastCheck.oneof(
    { maxDepth: 6, withCrossShrink: true },
    tie("leaf"),
    FastCheck.tuple(FastCheck.jsonValue(), tie("value")).map(
      ([before, inside]) => `[${JSON.stringify(before)},${inside}]`
    ),
    FastCheck.tuple(key, tie("value"), harmless).map(
      ([name, inside, text]) => `{"first":${JSON.stringify(text)},${JSON.stringify(`k${name}`)}:${inside}}`
    )
  )
})).value

const json = { "content-type": "application/json" }

it("no poisoned value reaches the engine, wherever it hides", async () => {
  const property = FastCheck.asyncProperty(poisoned, async (value) => {
    const answer = await server.send({
      path: "/api/runs",
      headers: json,
      body: `{"workflow":"order","input":${value}}`
    })
    expect(answer.status).toBe(400)
    expect(answer.body?.["_tag"]).toBe("InvalidInput")
    expect(String(answer.body?.["field"])).toMatch(/^input/)
  })
  await FastCheck.assert(property, { numRuns: 200 })
  expect(calls).toEqual([])
  expect({}).not.toHaveProperty("polluted")
})

it("no path or query of any characters is answered by anything but a typed 4xx", async () => {
  const piece = FastCheck.oneof(
    FastCheck.string({ unit: FastCheck.constantFrom(..."%/.;?&=+#:@!'\\0aZ~"), maxLength: 12 }),
    FastCheck.constantFrom("%00", "%ED%A0%80", "__proto__", "constructor", "..", "%2e%2e", "%25", "%2F", "api", "runs")
  )
  const url = FastCheck.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => `/api/runs/${pieces.join("/")}/x`)
  const property = FastCheck.asyncProperty(url, async (path) => {
    const answer = await server.send({ path: path.replaceAll("#", "%23") })
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.status).toBeLessThan(500)
    expect(answer.body).toMatchObject({ _tag: expect.any(String), message: expect.any(String) })
  })
  await FastCheck.assert(property, { numRuns: 300 })
})

it("a body of more keys than anyone needs is refused before anything reads it", async () => {
  const keys = (count: number) => Array.from({ length: count }, (_, n) => `"${n.toString(36)}":1`).join()
  const start = (input: string) =>
    server.send({ path: "/api/runs", headers: json, body: `{"workflow":"order","input":{"order":[${input}]}}` })
  const parts = (count: number) => Array.from({ length: count }, () => `{${keys(1_000)}}`).join()
  expect(await start(parts(50))).toMatchObject({
    status: 400,
    body: { _tag: "InvalidInput", field: "body", reason: "has more than 50000 keys" }
  })
  expect(await start(`{${keys(60_000)}}`)).toMatchObject({ status: 400, body: { field: "body" } })
  expect(calls).toEqual([])
  expect((await start(parts(49))).status).toBe(201)
  calls.length = 0
})

it("any bytes as a body are answered by a typed 4xx, unless they are a start", async () => {
  const property = FastCheck.asyncProperty(FastCheck.uint8Array({ maxLength: 200 }), async (bytes) => {
    const answer = await server.send({ path: "/api/runs", headers: json, body: Buffer.from(bytes) })
    expect(answer.status).toBe(400)
    expect(answer.body).toMatchObject({ _tag: expect.stringMatching(/^Invalid(Json|Input)$/) })
  })
  await FastCheck.assert(property, { numRuns: 200 })
})
