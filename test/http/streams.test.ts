import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, expect, it } from "vitest"
import { endAll, perdure } from "../cli/process.js"
import { follow } from "./events.js"
import { orderBody, send } from "./harness.js"

const folder = mkdtempSync(join(tmpdir(), "perdure-streams-"))

afterAll(() => {
  endAll()
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
})

it("500 readers follow all runs of a server and get all its news; the 501st is refused politely", async () => {
  const server = perdure(["serve"], {
    PERDURE_PORT: "0",
    PERDURE_DATA_DIR: join(folder, "data"),
    PERDURE_LOG_LEVEL: "none"
  })
  const [, port] = await server.line(/perdure is ready at http:\/\/127\.0\.0\.1:(\d+)\n/)
  const readers = await Promise.all(Array.from({ length: 500 }, () => follow(Number(port), "/api/stream")))
  expect(new Set(readers.map(({ response }) => response.statusCode))).toEqual(new Set([200]))
  const refused = await send(Number(port), { path: "/api/stream" })
  expect(refused).toMatchObject({ status: 429, body: { _tag: "TooManyStreams", limit: 500 } })
  expect(refused.body?.["message"]).toMatch(/try again later/)

  // A stream begins with what comes after its first look, so that runs are started until everybody has been told of one.
  let isTold = false
  const told = Promise.all(readers.map(({ until }) => until(({ event }) => event === "runs"))).finally(() => {
    isTold = true
  })
  for (let n = 0; !isTold; n++) {
    const run = orderBody({}, { runId: `r-${n}` })
    expect((await send(Number(port), { path: "/api/runs", body: run })).status).toBe(201)
    expect((await send(Number(port), { path: `/api/runs/r-${n}/result?wait=30` })).status).toBe(200)
  }
  expect((await told).every((events) => events.length > 0)).toBe(true)
  expect((await send(Number(port), { path: "/readyz" })).status).toBe(200)

  // Whoever goes makes room.
  readers[0]?.close()
  let late = await follow(Number(port), "/api/stream")
  while (late.response.statusCode === 429) {
    late.close()
    late = await follow(Number(port), "/api/stream")
  }
  expect(late.response.statusCode).toBe(200)
  for (const reader of [...readers, late]) reader.close()
  server.child.kill("SIGTERM")
  expect((await server.ended).code).toBe(0)
})
