import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { parseArgs } from "node:util"
import type { LedgerEntry } from "../../src/example/Effects.js"
import { api, type RunDetail, type RunSummary } from "./api.js"
import { type DemoServer, startServer } from "./server.js"

/** `--orders N` and `--kills N` for those who want to see more of it. */
const { values: flags } = parseArgs({
  options: { orders: { type: "string", default: "20" }, kills: { type: "string", default: "5" } }
})
const orders = Number(flags.orders)
const kills = Number(flags.kills)
const ended = new Set(["completed", "failed", "cancelled"])
const folder = mkdtempSync(join(tmpdir(), "perdure-demo-"))
const ledgerFile = join(folder, "ledger.jsonl")

const environment = {
  PERDURE_PORT: "0",
  PERDURE_DATA_DIR: join(folder, "data"),
  PERDURE_EXAMPLE_LEDGER: ledgerFile,
  // Long enough to be seen, and to be killed in the middle.
  PERDURE_EXAMPLE_DELAY_MS: "400",
  PERDURE_LOG_LEVEL: "warning"
}

const card = (index: number): string => {
  if (index % 7 === 0) return "declined"
  return index % 5 === 0 ? "flaky" : "ok"
}

/** Every third order wants an approval; every fifth card fails twice, every seventh is declined. */
const order = (index: number) => ({
  id: `demo-${index}`,
  item: "book",
  quantity: 1,
  amount: index % 3 === 0 ? 140 : 40,
  card: card(index)
})

const runIds = Array.from({ length: orders }, (_, index) => `demo-${index + 1}`)

const say = (line: string) => process.stderr.write(`${line}\n`)

const show = (runs: ReadonlyArray<RunSummary>): string => {
  const marks: Record<string, string> = { completed: "■", failed: "✗", suspended: "…", running: "▶", recovering: "↻" }
  const by = new Map(runs.map((run) => [run.runId, run.status]))
  return runIds.map((runId) => marks[by.get(runId) ?? ""] ?? "·").join(orders > 40 ? "" : " ")
}

const readLedger = (): ReadonlyArray<LedgerEntry> =>
  existsSync(ledgerFile)
    ? readFileSync(ledgerFile, "utf8")
        .trim()
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as LedgerEntry)
    : []

/**
 * Waits until a firing runs, so that the kill hits it, and something has been done since the last one: a firing that is killed five
 * times is taken for the cause, and its run is parked.
 */
const untilInFlight = async (server: DemoServer, doneBefore: number): Promise<boolean> => {
  for (let look = 0; look < 500; look++) {
    const runs = await api(server.url).list()
    if (readLedger().length > doneBefore && runs.some((run) => run.status === "running")) return true
    if (runs.length === orders && runs.every((run) => ended.has(run.status) || run.status === "suspended")) return false
    await delay(20)
  }
  return false
}

const approveWaiting = async (server: DemoServer, most: number): Promise<void> => {
  const waiting = (await api(server.url).list()).filter((run) => run.status === "suspended")
  for (const run of waiting.slice(0, most)) await api(server.url).approve(run.runId, true)
}

/** Starts, kills and starts again: some orders are started and some approved between any two kills. */
const torment = async (first: DemoServer): Promise<{ readonly server: DemoServer; readonly inFlight: number }> => {
  let server = first
  let inFlight = 0
  let done = 0
  for (let round = 1; round <= kills; round++) {
    const perRound = Math.ceil(orders / kills)
    for (const [offset, runId] of runIds.slice((round - 1) * perRound, round * perRound).entries()) {
      await api(server.url).start(runId, order((round - 1) * perRound + offset + 1))
    }
    await approveWaiting(server, 2)
    const hit = await untilInFlight(server, done)
    done = readLedger().length
    if (hit) inFlight++
    say(`  ${show(await api(server.url).list())}   SIGKILL ${round}${hit ? " with firings in flight" : ""}`)
    await server.kill()
    server = await startServer(environment)
  }
  return { server, inFlight }
}

/** Approves what still waits until every order has ended. */
const finish = async (server: DemoServer): Promise<ReadonlyArray<RunDetail>> => {
  for (let look = 0; look < 300; look++) {
    await approveWaiting(server, orders)
    const runs = await api(server.url).list()
    if (runs.length === orders && runs.every((run) => ended.has(run.status))) break
    await delay(100)
  }
  const runs = await api(server.url).list()
  say(`  ${show(runs)}   the end`)
  return Promise.all(runIds.map((runId) => api(server.url).get(runId)))
}

/** Nodes of the example that have an outside effect when they complete. */
const effectNodes = new Set(["reserve", "charge", "ship", "notify"])

/** Compares what the outside world saw with what the runs say. */
const compare = (runs: ReadonlyArray<RunDetail>, ledger: ReadonlyArray<LedgerEntry>) => {
  const seen = new Set(ledger.map((entry) => entry.key))
  const expected = new Set(
    runs.flatMap((run) =>
      run.nodes
        .filter((node) => node.status === "completed" && effectNodes.has(node.nodeId))
        .map((node) => `${run.runId}/${node.nodeId}/${node.firing}`)
    )
  )
  const missing = [...expected].filter((key) => !seen.has(key))
  const unexpected = [...seen].filter((key) => !expected.has(key))
  const open = runs.filter((run) => run.status !== "completed")
  return { expected: expected.size, seen: seen.size, missing, unexpected, open: open.map((run) => run.runId) }
}

const main = async (): Promise<void> => {
  say(`${orders} orders, ${kills} kills, everything in ${folder}`)
  const { inFlight, server } = await torment(await startServer(environment))
  const runs = await finish(server)
  const code = await server.stop()
  const ledger = readLedger()
  const found = compare(runs, ledger)
  const violations = found.missing.length + found.unexpected.length + found.open.length + (inFlight < kills ? 1 : 0)
  for (const key of found.missing) say(`  missing in the ledger: ${key}`)
  for (const key of found.unexpected) say(`  nobody committed: ${key}`)
  for (const runId of found.open) say(`  has not completed: ${runId}`)
  say(`  ${found.seen} effects, each under one key; ${ledger.length - found.seen} were asked for again after a kill`)
  process.stdout.write(
    `${JSON.stringify({
      runs: runs.length,
      completed: runs.filter((run) => run.status === "completed").length,
      kills,
      killsInFlight: inFlight,
      effects: found.seen,
      expectedEffects: found.expected,
      repeatedUnderTheirKey: ledger.length - found.seen,
      exitCode: code,
      violations
    })}\n`
  )
  process.exitCode = violations === 0 && code === 0 ? 0 : 1
  rmSync(folder, { recursive: true, force: true })
}

await main()
