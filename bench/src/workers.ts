import pg from "pg"
import { type Figures, percentile, summary } from "./figures.js"
import type { Site } from "./Site.js"
import { chainSteps } from "./session.js"
import { at, type Line, roundsOf, type Task } from "./works.js"

/** Short, for its end is waited for; long enough for a worker on a busy machine. */
const leaseMs = 4_000

const withinMs = 300_000

/** Until everybody has said that it lives. */
const settleMs = 2_000

/** Milliseconds that are left of the lease of whoever holds runs. */
const leaseLeft = async (site: Site): Promise<number> => {
  const client = new pg.Client(site.url)
  await client.connect()
  try {
    const { rows } = await client.query<{ readonly left: string | null }>(`
      select max(extract(epoch from w.heartbeat_at - clock_timestamp()) * 1000 + w.lease_ms)::text as left
      from perdure.workers w
      where w.incarnation in (select worker from perdure.run_state where worker is not null)`)
    if (rows[0]?.left == null) throw new Error("nobody holds a run")
    return Number(rows[0].left)
  } finally {
    await client.end()
  }
}

/**
 * One of three workers goes with all runs in its hands: killed, which its session tells, or stopped, which only the end of its
 * lease tells. From there to the end of the last run.
 */
const takeover = (task: Task, history: number, how: "killed" | "stopped") =>
  at(task, async (site) => {
    const count = task.sizes.resume.runs
    const options = { history, ...(how === "stopped" ? { leaseMs } : {}) }
    const doomed = await site.spawn({ ...options, hold: true })
    await doomed.call("hold", { tag: "long", count })
    const heir = await site.spawn(options)
    await site.spawn(options)
    const ends = heir.call("resumed", { tag: "long", count }, withinMs)
    await new Promise((resolve) => setTimeout(resolve, settleMs))
    let begun = performance.now()
    if (how === "killed") await site.kill(doomed)
    else {
      doomed.stop()
      begun = performance.now() + (await leaseLeft(site))
    }
    await ends
    return { seconds: (performance.now() - begun) / 1_000 }
  })

/** A line for each way to go and each length of history. */
export const takeovers = async (task: Task): Promise<ReadonlyArray<Line>> => {
  const lines: Array<Line> = []
  for (const how of ["killed", "stopped"] as const) {
    for (const history of task.sizes.resume.histories) {
      const rounds: Array<Figures> = []
      for (const _ of roundsOf(task)) rounds.push(await takeover(task, history, how))
      lines.push({ worker: how, history, ...summary(rounds) })
    }
  }
  return lines
}

/** Milliseconds from the row of a run to the start of its first firing, by the clock of the database. */
const untilFirstFiring = async (site: Site, tag: string): Promise<ReadonlyArray<number>> => {
  const client = new pg.Client(site.url)
  await client.connect()
  try {
    const { rows } = await client.query<{ readonly ms: string }>(
      `select (extract(epoch from min(f.started_at) - r.created_at) * 1000)::text as ms
      from perdure.run_state r join perdure.firings f using (run_id)
      where r.run_id like $1 group by r.run_id, r.created_at`,
      [`${tag}-%`]
    )
    return rows.map(({ ms }) => Number(ms))
  } finally {
    await client.end()
  }
}

/** Lone runs that one process starts and awaits, and another one executes: how soon that one has heard. */
export const hinted = (task: Task): Promise<ReadonlyArray<Line>> =>
  at(task, async (site) => {
    const starter = await site.spawn({ execution: "paused" })
    await site.spawn()
    await starter.call("lone", { tag: "warm", count: Math.ceil(task.sizes.lone / 3) })
    const rounds: Array<Figures> = []
    for (const round of roundsOf(task)) {
      await starter.call("lone", { tag: `hinted-${round}`, count: task.sizes.lone })
      const times = await untilFirstFiring(site, `hinted-${round}`)
      rounds.push({ p50Ms: percentile(times, 0.5), p99Ms: percentile(times, 0.99) })
    }
    return [summary(rounds)]
  })

/** The chains of W1 by one worker, and shared out between two, in turn. */
export const pair = (task: Task): Promise<ReadonlyArray<Line>> =>
  at(task, async (site) => {
    const { atOnce, runs, warmUp } = task.sizes.chain
    const children = [await site.spawn(), await site.spawn()]
    const done = async (workers: typeof children, tag: string, total: number) => {
      const count = Math.ceil(total / workers.length)
      const began = performance.now()
      await Promise.all(
        workers.map((child, index) =>
          child.call("runs", { kind: "chain", tag: `${tag}-${index}`, count, atOnce: atOnce / workers.length })
        )
      )
      return (count * workers.length * chainSteps * 1_000) / (performance.now() - began)
    }
    await done(children, "warm", warmUp * 2)
    const rounds: Array<Figures> = []
    for (const round of roundsOf(task)) {
      const oneStepsPerSecond = await done(children.slice(0, 1), `one-${round}`, runs)
      const twoStepsPerSecond = await done(children, `two-${round}`, runs)
      rounds.push({ oneStepsPerSecond, twoStepsPerSecond, twoToOne: twoStepsPerSecond / oneStepsPerSecond })
    }
    return [summary(rounds)]
  })
