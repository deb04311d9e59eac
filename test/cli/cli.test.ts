import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { endAll, perdure, type Running } from "./process.js"

const folder = mkdtempSync(join(tmpdir(), "perdure-cli-"))
const module = fileURLToPath(new URL("workflows.ts", import.meta.url))
const patienceMs = 300_000

const input = (amount: number) =>
  JSON.stringify({ order: { id: "o-1", item: "book", quantity: 1, amount, card: "ok" } })

let server: Running
let environment: Record<string, string> = {}

const run = (args: ReadonlyArray<string>, given = "") => perdure(args, environment, given).ended

beforeAll(async () => {
  server = perdure(["serve"], {
    PERDURE_PORT: "0",
    PERDURE_DATA_DIR: join(folder, "served"),
    PERDURE_LOG_LEVEL: "none"
  })
  const [, url] = await server.line(/perdure is ready at (\S+)\n/)
  environment = { PERDURE_URL: url! }
}, patienceMs)

afterAll(() => {
  endAll()
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
})

describe("The commands", () => {
  it(
    "start, show, trigger and follow a run",
    async () => {
      const args = ["runs", "start", "order", "--input", "-", "--run-id", "r-1", "--attribute", "customer=c-1"]
      expect(await run(args, input(400))).toMatchObject({ code: 0, stderr: "", stdout: expect.stringMatching(/^r-1 /) })
      const watching = perdure(["runs", "watch", "r-1"], environment)
      await watching.line(/firing\.suspended approval\/1/)
      const shown = await run(["runs", "show", "r-1"])
      expect(shown.stdout).toMatch(/^status +suspended$/m)
      expect(shown.stdout).toMatch(/^WaitsForTrigger /m)
      const payload = JSON.stringify({ approved: true, by: "ada" })
      const sent = ["trigger", "r-1", "approval", "--payload", payload, "--input-id", "i-1"]
      expect((await run(sent)).stdout).toBe("accepted as i-1\n")
      expect(await watching.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/\ncompleted\n$/) })
      const json = JSON.parse((await run(["runs", "show", "r-1", "--json"])).stdout)
      expect(json).toMatchObject({ status: "completed", output: { receipt: { status: "shipped" } } })
      const list = JSON.parse((await run(["runs", "list", "--attribute", "customer=c-1", "--json"])).stdout)
      expect(list.runs.map(({ runId }: { runId: string }) => runId)).toEqual(["r-1"])
      expect((await run(["runs", "rerun", "r-1", "--run-id", "r-2"])).stdout).toMatch(/^r-2 /)
    },
    patienceMs
  )

  it(
    "steer a run, and say what does not fit with exit code 1",
    async () => {
      const args = ["runs", "start", "order", "--workflow-version", "1", "--input", input(400), "--run-id", "s-1"]
      expect(await run(args)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^s-1 /) })
      expect((await run(["runs", "pause", "s-1"])).code).toBe(0)
      expect((await run(["runs", "cancel", "s-1"])).code).toBe(0)
      const watched = await run(["runs", "watch", "s-1"])
      expect(watched).toMatchObject({ code: 1, stderr: "perdure: the run is cancelled\n" })
      const again = ["runs", "start", "order", "--input", input(400), "--run-id", "s-2"]
      expect((await run(again)).code).toBe(0)
      expect(await run(["runs", "pause", "s-2"])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^s-2 /) })
      const following = perdure(["runs", "watch", "s-2"], environment)
      await following.line(/^paused/m)
      expect(await run(["runs", "retry", "s-2"])).toMatchObject({
        code: 1,
        stderr: "perdure: can't retry run s-2: it is paused; to let it go on, resume it\n"
      })
      expect((await run(["runs", "resume", "s-2"])).code).toBe(0)
      const refused = JSON.stringify({ approved: false, by: "ada" })
      expect((await run(["trigger", "s-2", "approval", "--payload", refused])).code).toBe(0)
      expect(await following.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/\ncompleted\n$/) })
      expect((await run(["runs", "rerun", "s-2", "--run-id", "s-3"])).code).toBe(0)
      const shown = JSON.parse((await run(["runs", "show", "s-3", "--json"])).stdout)
      expect(shown).toMatchObject({ workflow: "order", input: JSON.parse(input(400)) })
      expect(await run(["runs", "resume", "s-1"])).toMatchObject({
        code: 1,
        stderr: "perdure: can't resume run s-1: it is cancelled\n"
      })
    },
    patienceMs
  )

  it(
    "tell of the installation",
    async () => {
      expect((await run(["workflows"])).stdout).toMatch(/^order +1 +5 /m)
      expect((await run(["workers"])).stdout).toMatch(/^server +alive /m)
      expect(await run(["stuck"])).toMatchObject({ code: 0, stdout: "nothing is stuck\n" })
      expect(await run(["doctor"])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^workers +ok /m) })
    },
    patienceMs
  )

  it.each([
    [["runs", "show", "nobody"], 4, /^perdure: no run nobody\n$/],
    [["runs", "show", "a b"], 2, /^perdure: runId: expected /],
    [["runs", "start", "nope", "--input", "{}"], 4, /^perdure: no workflow nope /],
    [["runs", "start", "order", "--input", "{"], 2, /^perdure: --input: expected JSON/],
    [["runs", "start", "order", "--input", "@/nowhere"], 2, /^perdure: --input: can't read/],
    [["runs", "list", "--since", "yesterday"], 2, /^perdure: .*expected a time/],
    [["runs", "list", "--limit", "x"], 2, /./],
    [["frobnicate"], 2, /./],
    [["runs", "start", "order", "--version", "1", "--input", "{}"], 2, /^perdure: .* is --workflow-version\n$/],
    [["runs", "start", "order", "--workflow-version", "7", "--input", input(40)], 4, /^perdure: no workflow order /],
    [["runs", "start", "a b", "--input", "{}"], 2, /^perdure: workflow: expected a letter/],
    [["runs", "start", "order", "--input", "{}", "--priority", "500"], 2, /^perdure: priority: .*between -100 and 100/],
    [["runs", "start", "order", "--input", "{}", "--attribute", "a b=x"], 2, /^perdure: attributes: expected names/],
    [["trigger", "r-1", "a b", "--payload", "{}"], 2, /^perdure: nodeId: expected a letter/],
    [["stuck", "--limit", "0"], 2, /^perdure: limit: expected an integer from 1 to 500\n$/],
    [["migrate", "--json"], 2, /^perdure: DATABASE_URL: expected a database to migrate\n$/],
    [["runs", "frobnicate"], 2, /^perdure: runs has no command frobnicate: one of cancel, .* watch\n$/],
    [["runs", "list", "--url", "ftp://x"], 2, /^perdure: PERDURE_URL: expected a URL/],
    [["serve", "--workflows", "/nowhere.js"], 2, /^perdure: can't load \/nowhere\.js/]
  ])(
    "%j end with %d and say why",
    async (args, code, message) => {
      const ended = await run(args as ReadonlyArray<string>)
      expect({ code: ended.code, said: `${ended.stderr}${ended.stdout}` }).toEqual({
        code,
        said: expect.stringMatching(message as RegExp)
      })
    },
    patienceMs
  )

  it(
    "end with 3 where no server answers",
    async () => {
      const ended = await run(["runs", "list", "--url", "http://127.0.0.1:1"])
      expect(ended).toMatchObject({
        code: 3,
        stderr: expect.stringMatching(
          /^perdure: the server can't be reached: .* \(asked at http:\/\/127\.0\.0\.1:1; start it with perdure serve, or see PERDURE_URL and --url\)\n$/
        )
      })
    },
    patienceMs
  )

  it(
    "end on Ctrl-C",
    async () => {
      await run(["runs", "start", "order", "--input", input(400), "--run-id", "c-1"])
      const watching = perdure(["runs", "watch", "c-1"], environment)
      await watching.line(/suspended/)
      watching.child.kill("SIGINT")
      expect(await watching.ended).toMatchObject({ code: 130, stderr: "" })
    },
    patienceMs
  )

  it(
    "explain and complete themselves",
    async () => {
      for (const args of [["--help"], ["runs", "--help"], ["runs", "start", "--help"], ["doctor", "--help"]]) {
        const { code, stdout } = await run(args)
        expect(code).toBe(0)
        expect(stdout).toContain("USAGE")
        expect(stdout, "no colours where there is no terminal").not.toContain("\u001b")
      }
      const wrong = await run(["runs", "start", "order"])
      expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/--input/) })
      expect(wrong.stderr).not.toContain("\u001b")
      expect((await run(["--completions", "bash"])).stdout).toContain("perdure")
    },
    patienceMs
  )

  it(
    "send signals, ask queries, and keep secrets to themselves",
    async () => {
      const own = perdure(["serve", "--workflows", module], {
        PERDURE_PORT: "0",
        PERDURE_DATA_DIR: join(folder, "signalled"),
        PERDURE_LOG_LEVEL: "none"
      })
      const [, url] = await own.line(/perdure is ready at (\S+)\n/)
      const ask = (...args: ReadonlyArray<string>) => perdure(args, { PERDURE_URL: url! }).ended
      const times = ["--deadline", "2999-01-01", "--priority", "5"]
      expect(
        await ask("runs", "start", "session", "--input", '{"password":"tell nobody"}', "--run-id", "s-1", ...times)
      ).toMatchObject({ code: 0, stderr: "" })
      const watching = perdure(["runs", "watch", "s-1"], { PERDURE_URL: url! })
      await watching.line(/firing\.suspended login\/1/)
      expect(await ask("query", "s-1", "login", "progress")).toMatchObject({ code: 0, stdout: '{"percent":50}\n' })
      expect(await ask("query", "s-1", "login", "nothing")).toMatchObject({
        code: 4,
        stderr: expect.stringMatching(/no answer/)
      })
      expect(await ask("signal", "s-1", "login", "nothing", "--payload", "1")).toMatchObject({ code: 4 })
      const wrong = await ask("signal", "s-1", "login", "code", "--payload", '{"code":[4711]}')
      expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/payload\.code: does not fit/) })
      expect(wrong.stderr).not.toContain("4711")
      const sent = ["signal", "s-1", "login", "code", "--payload", '{"code":"4711"}', "--input-id", "i-1"]
      expect((await ask(...sent)).stdout).toBe("accepted as i-1\n")
      expect(await watching.ended).toMatchObject({ code: 0 })
      const shown = await ask("runs", "show", "s-1")
      expect(shown.stdout).toContain('{"password":"<redacted>"}')
      expect(await ask("runs", "rerun", "s-1")).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/holds secrets/)
      })
      expect(
        (await ask("runs", "start", "meeting", "--input", '{"name":"Ada"}', "--run-id", "m-1", "--watch")).code
      ).toBe(1)
      expect(await ask("runs", "unpark", "m-1")).toMatchObject({
        code: 1,
        stderr: "perdure: can't unpark run m-1: it is failed; to let it go on, retry it\n"
      })
      expect(await ask("runs", "retry", "m-1")).toMatchObject({ code: 0, stdout: "m-1 pending\n" })
      // It was answered before the run has taken it: until then it is what it was.
      while ((await ask("runs", "watch", "m-1")).code !== 0);
      const met = JSON.parse((await ask("runs", "show", "m-1", "--json")).stdout)
      expect(met).toMatchObject({ status: "completed", output: { greeting: "Hello, Ada" } })
      await ask("runs", "start", "story", "--input", '{"name":"Ada"}', "--run-id", "t-1")
      const parked = /t-1 [\s\S]*parked[\s\S]*NonDeterministicEmission: tell\/1\.words/
      while (!parked.test((await ask("stuck")).stdout));
      expect(await ask("runs", "resume", "t-1")).toMatchObject({ code: 1, stderr: expect.stringMatching(/unpark/) })
      expect(await ask("runs", "unpark", "t-1")).toMatchObject({ code: 0, stdout: expect.stringMatching(/^t-1 /) })
      while ((await ask("runs", "watch", "t-1")).code !== 0);
      const told = JSON.parse((await ask("runs", "show", "t-1", "--json")).stdout)
      expect(told).toMatchObject({ status: "completed", output: { count: 700 } })
      const late = await ask("runs", "start", "session", "--input", '{"password":"x"}', "--start-at", "tomorrow")
      expect(late).toMatchObject({ code: 2, stderr: expect.stringMatching(/expected a time like/) })
      own.child.kill("SIGTERM")
      expect((await own.ended).code).toBe(0)
    },
    patienceMs
  )

  it(
    "make a token, and a server that wants it",
    async () => {
      const { entry, token } = JSON.parse((await run(["token", "ci", "--scope", "read", "--json"])).stdout)
      expect(entry).toMatch(/^ci:read:[0-9a-f]{64}$/)
      const guarded = perdure(["serve", "--workflows", module], {
        PERDURE_PORT: "0",
        PERDURE_HOST: "0.0.0.0",
        PERDURE_TOKENS: entry,
        PERDURE_DATA_DIR: join(folder, "guarded"),
        PERDURE_LOG_LEVEL: "none"
      })
      const [, port] = await guarded.line(/perdure is ready at http:\/\/0\.0\.0\.0:(\d+)\n/)
      const url = `http://127.0.0.1:${port}`
      expect((await perdure(["workflows"], { PERDURE_URL: url }).ended).code).toBe(1)
      const known = { PERDURE_URL: url, PERDURE_TOKEN: token }
      expect((await perdure(["workflows"], known).ended).stdout).toMatch(/^hello +1 /m)
      const denied = await perdure(["runs", "start", "hello", "--input", '{"name":"Ada"}'], known).ended
      expect(denied).toMatchObject({ code: 1, stderr: expect.stringMatching(/wants a token of scope write/) })
      guarded.child.kill("SIGTERM")
      expect((await guarded.ended).code).toBe(0)
    },
    patienceMs
  )
})
