import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { endAll, perdure } from "./process.js"
import { endTerminals, inTerminal, noTerminal } from "./terminal.js"

const folder = mkdtempSync(join(tmpdir(), "perdure-terminal-"))
const patienceMs = 300_000
const interrupt = "\u0003"

let environment: Record<string, string> = {}

beforeAll(async () => {
  if (noTerminal !== undefined) return
  const served = perdure(["serve"], {
    PERDURE_PORT: "0",
    PERDURE_DATA_DIR: join(folder, "served"),
    PERDURE_LOG_LEVEL: "none"
  })
  const [, url] = await served.line(/perdure is ready at (\S+)\n/)
  environment = { PERDURE_URL: url! }
}, patienceMs)

afterAll(() => {
  endTerminals()
  endAll()
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
})

// biome-ignore lint/suspicious/noControlCharactersInRegex: what moves the cursor of a terminal begins with one
const moving = /\u001b\[[0-9;]*[A-HJKSTfsu]|\u001bc/

const order = JSON.stringify({ order: { id: "o-1", item: "book", quantity: 1, amount: 400, card: "ok" } })
const approval = JSON.stringify({ approved: true, by: "ada" })

const run = (...args: ReadonlyArray<string>) => inTerminal(args, environment).ended

const title = `In a real terminal${noTerminal === undefined ? "" : ` (not looked at here: ${noTerminal})`}`

describe.runIf(noTerminal === undefined)(title, () => {
  it(
    "a run is watched while it goes on, to its end",
    async () => {
      expect((await run("runs", "start", "order", "--input", order, "--run-id", "w-1")).code).toBe(0)
      const watching = inTerminal(["runs", "watch", "w-1"], environment)
      const before = await watching.until(/firing\.suspended approval\/1/)
      expect(before).not.toContain("completed\r\n")
      const sent = await run("trigger", "w-1", "approval", "--payload", approval, "--input-id", "i-1")
      expect(sent).toMatchObject({ code: 0, shown: "accepted as i-1\r\n", isRestored: true })
      const { code, isRestored, shown } = await watching.ended
      expect({ code, isRestored }).toEqual({ code: 0, isRestored: true })
      expect(shown.slice(before.length)).toMatch(/firing\.completed approval\/1[\s\S]*\ncompleted\r\n$/)
    },
    patienceMs
  )

  it(
    "Ctrl-C ends what is watched with 130, says nothing and leaves the terminal and the run as they were",
    async () => {
      expect((await run("runs", "start", "order", "--input", order, "--run-id", "c-1")).code).toBe(0)
      const watching = inTerminal(["runs", "watch", "c-1"], environment)
      const before = await watching.until(/firing\.suspended approval\/1[\s\S]*suspended/)
      watching.type(interrupt)
      const { code, isRestored, shown } = await watching.ended
      expect({ code, isRestored }).toEqual({ code: 130, isRestored: true })
      expect(shown.slice(before.length).replace("^C", "").trim()).not.toMatch(/perdure:|Error|at /)
      expect((await run("runs", "show", "c-1")).shown).toMatch(/^status +suspended\r$/m)
    },
    patienceMs
  )

  it(
    "Ctrl-C stops a server in order",
    async () => {
      const serving = inTerminal(["serve"], { PERDURE_PORT: "0", PERDURE_DATA_DIR: join(folder, "stopped") })
      await serving.until(/perdure is ready at /)
      serving.type(interrupt)
      expect(await serving.ended).toMatchObject({ code: 0, isRestored: true })
    },
    patienceMs
  )

  it.each([
    [["--help"], 0, /USAGE[\s\S]*runs[\s\S]*perdure <command> --help tells more/],
    [["runs", "--help"], 0, /retry[\s\S]*unpark/],
    [["runs", "list", "--help"], 0, /--status/],
    [["--completions", "bash"], 0, /complete -F/],
    [["--completions", "zsh"], 0, /#compdef perdure/],
    [["--completions", "fish"], 0, /complete -c perdure/],
    [["frobnicate"], 2, /frobnicate|Invalid subcommand/],
    [["runs", "list", "--limit", "x"], 2, /integer/],
    [["runs", "show", "nobody"], 4, /perdure: no run nobody\r\n$/],
    [["runs", "unpark", "w-1"], 1, /perdure: can't unpark run w-1: it is completed\r\n$/],
    [["runs", "list", "--url", "http://127.0.0.1:1"], 3, /can't be reached[\s\S]*start it with perdure serve/]
  ] as ReadonlyArray<readonly [ReadonlyArray<string>, number, RegExp]>)(
    "%j ends with %d and says why",
    async (args, code, says) => {
      const ended = await run(...args)
      expect(ended).toMatchObject({ code, isRestored: true, shown: expect.stringMatching(says) })
      // Nothing that moves the cursor or clears what was there.
      expect(ended.shown).not.toMatch(moving)
    },
    patienceMs
  )
})
