import { readFileSync } from "node:fs"
import pg from "pg"
import { readCounters } from "./counters.js"
import type { EngineProcess } from "./EngineProcess.js"
import { type Figures, summary } from "./figures.js"
import type { Site } from "./Site.js"
import { at, type Line, roundsOf, type Task } from "./works.js"

/** Idle workers that are looked at together; more would be kept waiting by their own machine. */
const crowdSize = 8

const watchedMs = 20_000

/** Sessions that listen while hints are sent. */
const listeners = [1, 10, 100]

const hintsSent = 500

/** Ticks of the kernel's clock in a second, where processes have a page under `/proc`. */
const ticksPerSecond = 100

/** Processor time of a process so far in milliseconds; none where there is no such page. */
const cpuMsOf = (pid: number): number => {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ")
    return ((Number(fields[11]) + Number(fields[12])) * 1_000) / ticksPerSecond
  } catch {
    return 0
  }
}

const ask = async <Row extends pg.QueryResultRow>(url: string, text: string): Promise<ReadonlyArray<Row>> => {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

/** Processor time of the sessions of a database so far, and how many there are. */
const sessionsOf = async (site: Site) => {
  const rows = await ask<{ readonly pid: number }>(
    site.url,
    "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
  )
  return { count: rows.length, cpuMs: rows.reduce((sum, { pid }) => sum + cpuMsOf(pid), 0) }
}

/** What one worker costs while it has nothing to do. */
const idle = (task: Task): Promise<Figures> =>
  at(task, async (site) => {
    const children: Array<EngineProcess> = []
    for (let index = 0; index < crowdSize; index++) children.push(await site.spawn())
    const cpuOf = async () => {
      const each = await Promise.all(children.map((child) => child.call("cpu", null)))
      return each.reduce((sum, ms) => sum + ms, 0)
    }
    const began = performance.now()
    const [before, cpuBefore, sessionsBefore] = [await readCounters(site.url), await cpuOf(), await sessionsOf(site)]
    await new Promise((resolve) => setTimeout(resolve, watchedMs))
    const [sessionsAfter, cpuAfter, after] = [await sessionsOf(site), await cpuOf(), await readCounters(site.url)]
    const seconds = (performance.now() - began) / 1_000
    const perWorkerSecond = (total: number, over: number) => total / crowdSize / over
    const watched = watchedMs / 1_000
    return {
      sessionsPerWorker: sessionsAfter.count / crowdSize,
      transactionsPerSecond: perWorkerSecond(after.transactions - before.transactions, seconds),
      rowWritesPerSecond: perWorkerSecond(after.rowWrites - before.rowWrites, seconds),
      walBytesPerSecond: perWorkerSecond(after.walBytes - before.walBytes, seconds),
      serverCpuMsPerSecond: perWorkerSecond(sessionsAfter.cpuMs - sessionsBefore.cpuMs, watched),
      workerCpuMsPerSecond: perWorkerSecond(cpuAfter - cpuBefore, watched)
    }
  })

/** Milliseconds that a hint takes with so many sessions that listen. */
const hint = (task: Task, count: number): Promise<Figures> =>
  at(task, async (site) => {
    const sessions = Array.from({ length: count + 1 }, () => new pg.Client(site.url))
    const [speaker, ...heard] = sessions
    await Promise.all(sessions.map((session) => session.connect()))
    await Promise.all(heard.map((session) => session.query("listen perdure_bench")))
    let told = 0
    const all = new Promise<void>((resolve) => {
      for (const session of heard) session.on("notification", () => ++told === count * hintsSent && resolve())
    })
    const began = performance.now()
    for (let sent = 0; sent < hintsSent; sent++)
      await speaker!.query("select pg_notify('perdure_bench', $1)", [`r${sent}`])
    const spokenMs = performance.now() - began
    await all
    const heardMs = performance.now() - began
    await Promise.all(sessions.map((session) => session.end()))
    return { listeners: count, sayMs: spokenMs / hintsSent, allHeardMs: heardMs / hintsSent }
  })

/** What many workers cost the server before they do anything: a line for an idle one, and one for each crowd of listeners. */
export const crowd = async (task: Task): Promise<ReadonlyArray<Line>> => {
  const rounds: Array<Figures> = []
  for (const _ of roundsOf(task)) rounds.push(await idle(task))
  const lines: Array<Line> = [{ of: "an idle worker", ...summary(rounds) }]
  for (const count of listeners) {
    const hints: Array<Figures> = []
    for (const _ of roundsOf(task)) hints.push(await hint(task, count))
    lines.push({ of: "a hint", ...summary(hints) })
  }
  return lines
}
