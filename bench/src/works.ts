import type { Arguments } from "./arguments.js"
import { difference } from "./counters.js"
import type { EngineProcess } from "./EngineProcess.js"
import type { EngineEntry } from "./engines.js"
import { type Figures, percentile, summary } from "./figures.js"
import { measureReady } from "./ready.js"
import { Site } from "./Site.js"
import { chainSteps, fanWidth } from "./session.js"
import type { Sizes } from "./sizes.js"

/** One work of one engine, about to be measured. */
export interface Task {
  readonly engine: EngineEntry
  readonly sizes: Sizes
  readonly given: Arguments
  /** The database server, as its superuser. */
  readonly server: string
}

/** What is printed of it, one line each; `variant` tells lines of one work apart. */
export type Line = Readonly<Record<string, unknown>>

/** The numbers of the rounds, from 1. */
export const roundsOf = ({ given, sizes }: Task): ReadonlyArray<number> =>
  Array.from({ length: given.rounds ?? sizes.rounds }, (_, i) => i + 1)

/** Does something at a fresh site, and leaves nothing of it. */
export const at = async <A>({ engine, given, server }: Task, body: (site: Site) => Promise<A>): Promise<A> => {
  const site = await Site.create(engine, given, server)
  try {
    return await body(site)
  } finally {
    await site.dispose()
  }
}

/** Rounds one after the other in one process, with what they cost per run and per step. */
const costed = async (
  site: Site,
  child: EngineProcess,
  amount: { readonly runs: number; readonly stepsPerRun: number; readonly rounds: ReadonlyArray<number> },
  round: (number: number) => Promise<Figures>
): Promise<Line> => {
  const [before, cpu, serverCpu] = [await site.counters(), await child.call("cpu", null), site.serverCpuMs()]
  const figures: Array<Figures> = []
  for (const number of amount.rounds) figures.push(await round(number))
  const cpuMs = (await child.call("cpu", null)) - cpu
  const serverCpuMs = site.serverCpuMs()
  const after = await site.counters()
  const runs = amount.runs * amount.rounds.length
  const steps = runs * amount.stepsPerRun
  const spent = before === undefined || after === undefined ? undefined : difference(before, after)
  return {
    ...summary(figures),
    cpuMicrosecondsPerStep: Math.round((cpuMs * 1_000) / steps),
    ...(serverCpuMs === undefined || serverCpu === undefined
      ? {}
      : { serverCpuMicrosecondsPerStep: Math.round(((serverCpuMs - serverCpu) * 1_000) / steps) }),
    ...(spent === undefined
      ? {}
      : {
          transactionsPerRun: Number((spent.transactions / runs).toFixed(3)),
          transactionsPerStep: Number((spent.transactions / steps).toFixed(3)),
          rowWritesPerStep: Number((spent.rowWrites / steps).toFixed(2)),
          auditRowsPerStep: Number((spent.auditRows / steps).toFixed(2)),
          walBytesPerStep: Math.round(spent.walBytes / steps)
        })
  }
}

const chains = async (task: Task, site: Site): Promise<Line> => {
  const { atOnce, runs, warmUp } = task.sizes.chain
  const child = await site.spawn()
  await child.call("runs", { kind: "chain", tag: "warm", count: warmUp, atOnce })
  return costed(site, child, { runs, stepsPerRun: chainSteps, rounds: roundsOf(task) }, async (number) => {
    const seconds = await child.call("runs", { kind: "chain", tag: `chain-${number}`, count: runs, atOnce })
    return { stepsPerSecond: (runs * chainSteps) / seconds }
  })
}

const w1 = (task: Task) => at(task, async (site) => [await chains(task, site)])

const w2 = (task: Task) =>
  at(task, async (site) => {
    const { atOnce, runs } = task.sizes.fan
    const stepsPerRun = fanWidth + 2
    const child = await site.spawn()
    await child.call("runs", { kind: "fan", tag: "warm", count: Math.ceil(runs / 10), atOnce })
    return [
      await costed(site, child, { runs, stepsPerRun, rounds: roundsOf(task) }, async (number) => {
        const seconds = await child.call("runs", { kind: "fan", tag: `fan-${number}`, count: runs, atOnce })
        return { stepsPerSecond: (runs * stepsPerRun) / seconds }
      })
    ]
  })

const w3 = (task: Task) =>
  at(task, async (site) => {
    const child = await site.spawn()
    await child.call("lone", { tag: "warm", count: Math.ceil(task.sizes.lone / 3) })
    const rounds: Array<Figures> = []
    for (const number of roundsOf(task)) {
      const times = await child.call("lone", { tag: `lone-${number}`, count: task.sizes.lone })
      rounds.push({ p50Ms: percentile(times, 0.5), p99Ms: percentile(times, 0.99) })
    }
    return [summary(rounds)]
  })

const resumeWithinMs = 300_000

/** From the start of the new process to the end of the last run. */
const resume = (task: Task, history: number, leaseMs: number | null) =>
  at(task, async (site) => {
    const count = task.sizes.resume.runs
    const options = { history, ...(leaseMs === null ? {} : { leaseMs }) }
    const doomed = await site.spawn({ ...options, hold: true })
    await doomed.call("hold", { tag: "long", count })
    await site.kill(doomed)
    const started = performance.now()
    const heir = await site.spawn(options)
    const openSeconds = (performance.now() - started) / 1_000
    await heir.call("resumed", { tag: "long", count }, resumeWithinMs)
    return { seconds: (performance.now() - started) / 1_000, openSeconds }
  })

const resumes = async (task: Task, history: number, leaseMs: number | null): Promise<Line> => {
  const head = { history, leaseMs: leaseMs ?? "default" }
  try {
    const rounds: Array<Figures> = []
    for (const _ of roundsOf(task)) rounds.push(await resume(task, history, leaseMs))
    return { ...head, ...summary(rounds) }
  } catch (cause) {
    // a history too long for an engine must not hide what it does with shorter ones
    return { ...head, failed: String(cause) }
  }
}

const w4 = async (task: Task): Promise<ReadonlyArray<Line>> => {
  const lines: Array<Line> = []
  for (const leaseMs of task.engine.store === "postgres" ? task.engine.leasesMs : [null])
    for (const history of task.sizes.resume.histories) lines.push(await resumes(task, history, leaseMs))
  return lines
}

const waitingOnce = (task: Task, emptyRssMb: number, emptyHeapMb: number) =>
  at(task, async (site) => {
    const { callers, runs, settleMs } = task.sizes.wait
    const settled = () => new Promise((resolve) => setTimeout(resolve, settleMs))
    const child = await site.spawn()
    const waitSeconds = await child.call("wait", { tag: "wait", count: runs, atOnce: callers })
    await settled()
    const holding = await child.call("memory", null)
    const firstWakeSeconds = await child.call("wake", { tag: "wait", count: runs, atOnce: callers })
    // the code of a wake is compiled by now, as that of a step is after the warm-up of W1
    await child.call("wait", { tag: "again", count: runs, atOnce: callers })
    const wakeSeconds = await child.call("wake", { tag: "again", count: runs, atOnce: callers })
    // those of another crowd are left to a process that finds them in its tables
    await child.call("wait", { tag: "later", count: runs, atOnce: callers })
    await settled()
    await site.kill(child)
    const heir = await site.spawn()
    await settled()
    const found = await heir.call("memory", null)
    return {
      firstWakesPerSecond: runs / firstWakeSeconds,
      wakesPerSecond: runs / wakeSeconds,
      waitsPerSecond: runs / waitSeconds,
      rssMb: holding.rssMb - emptyRssMb,
      heapMb: holding.heapMb - emptyHeapMb,
      afterRestartRssMb: found.rssMb - emptyRssMb,
      afterRestartHeapMb: found.heapMb - emptyHeapMb
    }
  })

const w5 = async (task: Task): Promise<ReadonlyArray<Line>> => {
  const rounds: Array<Figures> = []
  for (const _ of roundsOf(task)) {
    const empty = await at(task, async (site) => {
      const child = await site.spawn()
      await new Promise((resolve) => setTimeout(resolve, task.sizes.wait.settleMs))
      return child.call("memory", null)
    })
    rounds.push({ emptyRssMb: empty.rssMb, ...(await waitingOnce(task, empty.rssMb, empty.heapMb)) })
  }
  return [summary(rounds)]
}

const w6 = async (task: Task): Promise<ReadonlyArray<Line>> => {
  const { callers, runs } = task.sizes.start
  let oneCall = false
  const rounds: Array<Figures> = []
  for (const _ of roundsOf(task)) {
    rounds.push(
      await at(task, async (site) => {
        const child = await site.spawn({ execution: "paused" })
        await child.call("starts", { tag: "warm", count: Math.ceil(runs / 10), atOnce: callers })
        const oneByOne = await child.call("starts", { tag: "one", count: runs, atOnce: callers })
        const batch = await child.call("batch", { tag: "batch", count: runs })
        oneCall = batch.oneCall
        return { oneByOnePerSecond: runs / oneByOne, batchPerSecond: runs / batch.seconds }
      })
    )
  }
  // without a call for many, all calls for one are made at once
  return [{ ...summary(rounds), batchCall: oneCall }]
}

const fillAtOnce = 500
const fillIdleMs = 100

const w7 = (task: Task) =>
  at(task, async (site) => {
    const runs = task.given.fill ?? task.sizes.fill
    const filler = await site.spawn({ idleMs: fillIdleMs })
    const ended = await filler.call("runs", { kind: "chain", tag: "ended", count: runs, atOnce: fillAtOnce })
    const suspended = await filler.call("wait", { tag: "suspended", count: runs, atOnce: fillAtOnce })
    await site.close(filler)
    await site.settle()
    const line = await chains(task, site)
    return [{ ...line, endedRuns: runs, suspendedRuns: runs, fillSeconds: Math.round(ended + suspended) }]
  })

const ready = async ({ engine, given, server, sizes }: Task): Promise<ReadonlyArray<Line>> => {
  const rounds: Array<Figures> = []
  for (const _ of roundsOf({ engine, given, server, sizes })) rounds.push(await measureReady())
  return [summary(rounds)]
}

/** Each work, and the lines it gives. */
export const works = { ready, W1: w1, W2: w2, W3: w3, W4: w4, W5: w5, W6: w6, W7: w7 } as const
