import * as Redacted from "effect/Redacted"
import { describe, expect, it } from "vitest"
import { parseOrigin } from "../../src/http/Origins.js"
import { tokenOf } from "../../src/http/Tokens.js"
import { engineOf, send, serving } from "./harness.js"

const site = "https://app.example"
const settings = { origins: [site], tokens: [tokenOf("ops", "write", Redacted.make("t".repeat(32)))] }
const server = serving(engineOf({}), { settings })
const authorization = `Bearer ${"t".repeat(32)}`

describe("A page of another site", () => {
  it("that is named may call, and read the answer, with a token like every caller", async () => {
    const headers = { origin: site, authorization }
    const answer = await server.send({ path: "/api/runs", body: {}, headers })
    expect(answer).toMatchObject({ status: 400, body: { _tag: "InvalidInput" } })
    expect(answer.headers).toMatchObject({ "access-control-allow-origin": site, vary: "origin" })
    const stranger = await server.send({ path: "/api/runs", body: {}, headers: { origin: site } })
    expect(stranger).toMatchObject({ status: 401, headers: { "access-control-allow-origin": site } })
  })

  it("that is named is told before what it may send", async () => {
    const headers = { origin: "HTTPS://app.example", "access-control-request-method": "POST" }
    const answer = await server.send({ method: "OPTIONS", path: "/api/anything", headers })
    expect(answer).toMatchObject({ status: 204, headers: { "access-control-allow-origin": site } })
    expect(answer.headers["access-control-allow-headers"]).toContain("authorization")
    const other = await server.send({
      method: "OPTIONS",
      path: "/api/runs",
      headers: { ...headers, host: "evil.example" }
    })
    expect(other).toMatchObject({ status: 403, body: { _tag: "ForbiddenHost" } })
  })

  it.each(["https://app.example.evil", "https://app.example:8443", "http://app.example", "null"])(
    "that is not named may neither call nor read: %s",
    async (origin) => {
      const call = await server.send({ path: "/api/runs", body: {}, headers: { origin, authorization } })
      expect(call).toMatchObject({ status: 403, body: { _tag: "ForbiddenOrigin" } })
      expect(call.headers["access-control-allow-origin"]).toBeUndefined()
      const headers = { origin, "access-control-request-method": "POST" }
      const asked = await server.send({ method: "OPTIONS", path: "/api/runs", headers })
      expect(asked.status).toBe(401)
      expect(asked.headers["access-control-allow-origin"]).toBeUndefined()
      const read = await send(server.port, { path: "/api/runs", headers: { origin, authorization } })
      expect(read.headers["access-control-allow-origin"]).toBeUndefined()
    }
  )

  it.each(["*", "app.example", "https://app.example/path", "https://", "ftp://app.example"])(
    "can't be named as %s",
    (text) => expect(parseOrigin(text)._tag).toBe("Left")
  )
})
