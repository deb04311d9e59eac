import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import { freshDatabase } from "../support/database.js"
import { orderBody, send } from "./harness.js"

const root = fileURLToPath(new URL("../..", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "perdure-main-"))
const dataDir = join(folder, "data")
const ledger = join(folder, "ledger.jsonl")
const patienceMs = 300_000

interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

interface ServerProcess {
  readonly child: ChildProcess
  /** The port it says it listens on. */
  readonly port: Promise<number>
  readonly exit: Promise<Exit>
}

const running = new Set<ChildProcess>()

const launch = (environment: Record<string, string>, args: ReadonlyArray<string> = []): ServerProcess => {
  const child = spawn(process.execPath, ["--import", "tsx", "src/main.ts", ...args], {
    cwd: root,
    env: { PATH: process.env["PATH"], PERDURE_PORT: "0", PERDURE_DATA_DIR: dataDir, ...environment }
  })
  running.add(child)
  let stdout = ""
  let stderr = ""
  child.stderr.on("data", (chunk) => {
    stderr += chunk
  })
  const exit = new Promise<Exit>((resolve) => {
    child.on("close", (code, signal) => {
      running.delete(child)
      resolve({ code, signal, stdout, stderr })
    })
  })
  const port = new Promise<number>((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      stdout += chunk
      const [, found] = /^perdure is ready at http:\/\/127\.0\.0\.1:(\d+)\n$/.exec(stdout) ?? []
      if (found !== undefined) resolve(Number(found))
    })
    child.on("close", () => reject(new Error(`ended before it was ready: ${stderr}`)))
  })
  // who only waits for the end is not interested in the port
  port.catch(() => undefined)
  return { child, port, exit }
}

const failing = async (environment: Record<string, string>) => {
  const { code, stderr, stdout } = await launch(environment).exit
  expect(code).toBe(1)
  expect(stdout).toBe("")
  expect(stderr).not.toMatch(/^\s+at /m)
  return stderr
}

const effectsOf = (runId: string) =>
  readFileSync(ledger, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter((entry) => entry.runId === runId)

afterEach(() => {
  for (const child of running) child.kill("SIGKILL")
})
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }))

describe("The server process", () => {
  it(
    "keeps a waiting order through SIGKILL, and stops on SIGTERM",
    async () => {
      const first = launch({ PERDURE_EXAMPLE_LEDGER: ledger })
      const port = await first.port
      let ready = await send(port, { path: "/readyz" })
      while (ready.status === 503) ready = await send(port, { path: "/readyz" })
      expect(ready).toMatchObject({ status: 200, body: { status: "ready" } })
      await send(port, { path: "/api/runs", body: orderBody({ amount: 400 }, { runId: "r-1" }) })

      expect(await failing({})).toBe(`perdure: the data folder ${dataDir} is in use by process ${first.child.pid}\n`)

      first.child.kill("SIGKILL")
      expect(await first.exit).toMatchObject({ signal: "SIGKILL" })

      const second = launch({ PERDURE_EXAMPLE_LEDGER: ledger })
      const body = { inputId: "i-1", payload: { approved: true, by: "ada" } }
      await send(await second.port, { path: "/api/runs/r-1/triggers/approval", body })
      const result = await send(await second.port, { path: "/api/runs/r-1/result?wait=30" })
      expect(result.body).toMatchObject({ status: "completed", output: { receipt: { status: "shipped" } } })
      const effects = effectsOf("r-1")
      expect(new Set(effects.map(({ effect }) => effect))).toEqual(new Set(["reserve", "charge", "ship"]))
      for (const { effect, key } of effects) expect(key).toBe(`r-1/${effect}/1`)

      second.child.kill("SIGTERM")
      second.child.kill("SIGTERM")
      expect(await second.exit).toMatchObject({ code: 0, stderr: "" })
    },
    patienceMs
  )

  it(
    "says in one line that its port is taken",
    async () => {
      const other = createServer()
      const port = await new Promise<number>((resolve) => {
        other.listen(0, "127.0.0.1", () => resolve((other.address() as { port: number }).port))
      })
      const line = await failing({ PERDURE_PORT: String(port) })
      other.close()
      expect(line).toBe(`perdure: 127.0.0.1 port ${port} is in use by another program\n`)
    },
    patienceMs
  )

  it(
    "says in one line that the database can't be reached, and keeps its password",
    async () => {
      const line = await failing({ DATABASE_URL: "postgres://me:hunter2@127.0.0.1:1/x" })
      expect(line).toMatch(/^perdure: the database can't be used: .*ECONNREFUSED.*\n$/)
      expect(line).not.toContain("hunter2")
    },
    patienceMs
  )

  it(
    "says in one line that its data folder is none",
    async () => {
      const file = join(folder, "file")
      writeFileSync(file, "")
      expect(await failing({ PERDURE_DATA_DIR: file })).toMatch(/^perdure: the data folder .* can't be used: .*\n$/)
    },
    patienceMs
  )

  it(
    "says in one line each what is wrong with its settings",
    async () => {
      expect((await failing({ PERDURE_PORT: "x", PERDURE_SLOTS: "0" })).split("\n")).toEqual([
        expect.stringMatching(/^perdure: PERDURE_PORT: /),
        expect.stringMatching(/^perdure: PERDURE_SLOTS: /),
        ""
      ])
    },
    patienceMs
  )

  it(
    "refuses a database of a newer version, in one line",
    () =>
      Effect.gen(function* () {
        const { pool, url } = yield* freshDatabase()
        yield* Effect.promise(() =>
          pool.query("insert into perdure.schema_migrations (id, name, checksum) values (9999, '9999_later', 'x')")
        )
        const line = yield* Effect.promise(() => failing({ DATABASE_URL: url }))
        expect(line).toMatch(/^perdure: .*9999_later.*newer.*\n$/)
      }).pipe(Effect.scoped, Effect.runPromise),
    patienceMs
  )

  it(
    "explains its settings",
    async () => {
      const { code, stdout } = await launch({}, ["--help"]).exit
      expect(code).toBe(0)
      expect(stdout).toContain("PERDURE_DATA_DIR")
    },
    patienceMs
  )
})
