import { setTimeout as delay } from "node:timers/promises"
import { dump } from "./checks.js"
import type { FaultKind, PlannedFault } from "./plan.js"
import type { TcpProxy } from "./proxy.js"
import type { Rig } from "./rig.js"
import type { Worker } from "./workers.js"

/** What the faults came to. */
export class Toll {
  readonly happened = new Map<FaultKind, number>()
  /** From a worker's end until others had taken over all it held, in milliseconds. */
  readonly takeovers: Array<number> = []
  /** From when the server accepted connections again until a worker had committed something. */
  readonly returns: Array<number> = []
  /** Workers that were not gone when their grace time was over. */
  drainsCut = 0

  count(kind: FaultKind): void {
    this.happened.set(kind, (this.happened.get(kind) ?? 0) + 1)
  }
}

/** What a fault needs. */
export interface Ground {
  readonly rig: Rig
  readonly toll: Toll
}

/** After the grace time, until a worker that won't go is killed. */
const drainPatienceMs = 6_000

/** When the minute's load is over there may be nothing left to commit. */
const uncommittedMs = 20_000

/** A takeover that takes longer is looked at, though other faults at the same time may explain it. */
const lateMs = 10_000

const held = (rig: Rig, worker: Worker) =>
  rig.sql(
    `select r.run_id, r.fence from perdure.run_state r join perdure.workers w on w.incarnation = r.worker
     where w.worker_id = $1 and w.stopped_at is null and r.ended_at is null`,
    [worker.workerId]
  )

/** Waits until nothing of what a dead worker held is still its own; says how long that took. */
const takenOver = async (rig: Rig, runs: ReadonlyArray<Record<string, unknown>>): Promise<number> => {
  const begun = performance.now()
  const ids = runs.map((run) => String(run["run_id"]))
  let dumped = false
  const fences = runs.map((run) => run["fence"])
  for (;;) {
    const [left] = await rig.sql(
      `select count(*)::int4 as count from unnest($1::text[], $2::int4[]) h(run_id, fence)
       join perdure.run_state r on r.run_id = h.run_id and r.fence = h.fence and r.ended_at is null and r.worker is not null`,
      [ids, fences]
    )
    const took = performance.now() - begun
    if (left?.["count"] === 0) return took
    if (took > lateMs && !dumped) {
      dumped = true
      rig.say(
        `${left?.["count"]} runs of a dead worker are not taken over after ${lateMs} ms: see ${await dump(rig, ids)}`
      )
    }
    await delay(25)
  }
}

const kill =
  (as: "same" | "new") =>
  ({ rig, toll }: Ground, fault: PlannedFault): Promise<void> => {
    const worker = rig.workers[fault.target]!
    return worker.alone(async () => {
      await worker.untilReady()
      const runs = await held(rig, worker)
      worker.signal("SIGKILL")
      const gone = worker.gone
      await gone
      toll.count(fault.kind)
      const [ms] = await Promise.all([takenOver(rig, runs), delay(fault.downMs).then(() => worker.start(as))])
      if (runs.length > 0) toll.takeovers.push(ms)
      await worker.untilReady()
    })
  }

const stop = ({ rig, toll }: Ground, fault: PlannedFault): Promise<void> => {
  const worker = rig.workers[fault.target]!
  return worker.alone(async () => {
    await worker.untilReady()
    worker.signal("SIGSTOP")
    toll.count("stop")
    await delay(fault.lastsMs)
    worker.signal("SIGCONT")
  })
}

/** Told to go in the middle of its work; killed if it does not. */
const terminate = ({ rig, toll }: Ground, fault: PlannedFault): Promise<void> => {
  const worker = rig.workers[fault.target]!
  return worker.alone(async () => {
    await worker.untilReady()
    worker.signal("SIGTERM")
    toll.count("terminate")
    const late = new AbortController()
    const cut = delay((rig.settings.graceMs ?? 0) + drainPatienceMs, "late", { signal: late.signal }).catch(
      () => "gone"
    )
    if ((await Promise.race([worker.gone, cut])) === "late") {
      toll.drainsCut++
      worker.signal("SIGKILL")
      await worker.gone
    }
    late.abort()
    await worker.start(fault.a < 0.5 ? "same" : "new")
    await worker.untilReady()
  })
}

/** Waits until a worker commits again; says how long that took. */
const untilCommits = async (rig: Rig): Promise<number> => {
  const begun = performance.now()
  const sum = async () =>
    (await rig.sql("select coalesce(sum(version), 0)::text as sum from perdure.run_state"))[0]?.["sum"]
  const before = await sum()
  while ((await sum()) === before && performance.now() - begun < uncommittedMs) await delay(25)
  return performance.now() - begun
}

const crashDatabase = ({ rig, toll }: Ground, fault: PlannedFault, along: () => Promise<void>): Promise<void> =>
  rig.database(async () => {
    await Promise.all([rig.server.stop("immediate"), along()])
    toll.count(fault.kind)
    await delay(fault.downMs)
    await rig.server.start()
    toll.returns.push(await untilCommits(rig))
  })

const databaseCrash = (ground: Ground, fault: PlannedFault): Promise<void> =>
  crashDatabase(ground, fault, () => Promise.resolve())

const killBoth = (ground: Ground, fault: PlannedFault): Promise<void> => {
  const worker = ground.rig.workers[fault.target]!
  return worker.alone(async () => {
    await worker.untilReady()
    await crashDatabase(ground, fault, async () => {
      worker.signal("SIGKILL")
      await worker.gone
      await worker.start(fault.a < 0.5 ? "same" : "new")
    })
    await worker.untilReady()
  })
}

/** All sessions of the engines, or those of one purpose. */
const victims = ["perdure%", "perdure", "perdure lifeline", "perdure wake-ups"]

const dropConnections = ({ rig, toll }: Ground, fault: PlannedFault): Promise<void> =>
  rig.database(async () => {
    const rows = await rig.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like $1 and pid <> pg_backend_pid()`,
      [victims[Math.floor(fault.a * victims.length)]]
    )
    if (rows.length > 0) toll.count("dropConnections")
  })

/** How long a fault that nobody has felt goes on, at most: its worker may just be starting. */
const unfeltMs = 10_000

/** Changes the weather for a while. What was so bad that it was felt counts. */
const weather = (change: (proxy: TcpProxy, fault: PlannedFault) => void, wasFelt: (proxy: TcpProxy) => boolean) => {
  return ({ rig, toll }: Ground, fault: PlannedFault): Promise<void> => {
    const proxy = rig.proxies[fault.target]!
    return proxy.alone(async () => {
      proxy.lost = 0
      proxy.swallowed = 0
      change(proxy, fault)
      await delay(fault.lastsMs)
      const begun = performance.now()
      while (!wasFelt(proxy) && performance.now() - begun < unfeltMs) await delay(20)
      if (wasFelt(proxy)) toll.count(fault.kind)
      proxy.clear({ reset: fault.kind === "cut" || fault.b < 0.5 })
    })
  }
}

const delays = weather(
  (proxy, { a }) => {
    proxy.weather = { _tag: "delay", ms: 20 + a * 300 }
  },
  () => true
)

const halfOpen = weather(
  (proxy, { a }) => {
    proxy.weather = { _tag: "halfOpen", direction: a < 0.5 ? "toServer" : "toClient" }
  },
  (proxy) => proxy.swallowed > 0
)

const cut = weather(
  (proxy, { a }) => {
    proxy.weather = { _tag: "cut", afterBytes: Math.round(a * a * 40_000) }
  },
  () => true
)

const lostCommit = weather(
  (proxy, { a, b }) => proxy.lose(1 + Math.floor(a * 3), b < 0.5),
  (proxy) => proxy.lost > 0
)

const auditLocked = ({ rig, toll }: Ground, fault: PlannedFault): Promise<void> =>
  rig.database(async () => {
    const client = await rig.admin.connect()
    try {
      await client.query("begin")
      await client.query("lock table perdure.run_events in access exclusive mode")
      toll.count("auditLocked")
      await delay(fault.lastsMs)
      await client.query("rollback")
    } finally {
      client.release()
    }
  })

const auditDropped = ({ rig, toll }: Ground, fault: PlannedFault): Promise<void> =>
  rig.database(async () => {
    await rig.sql("create table if not exists perdure_watch.run_events (like perdure.run_events including all)")
    await rig.sql("drop table perdure.run_events")
    toll.count("auditDropped")
    await delay(fault.lastsMs)
    await rig.sql("create table perdure.run_events (like perdure_watch.run_events including all)")
  })

const blocked = ({ rig, toll }: Ground, fault: PlannedFault): Promise<void> => {
  const worker = rig.workers[fault.target]!
  return worker.alone(async () => {
    await worker.untilReady()
    toll.count("blocked")
    await worker.block(fault.lastsMs)
  })
}

const hintsOff = async ({ rig, toll }: Ground, fault: PlannedFault): Promise<void> => {
  for (const proxy of rig.proxies) proxy.hintsOff = true
  await delay(fault.lastsMs)
  toll.count("hintsOff")
  for (const proxy of rig.proxies) proxy.hearAgain()
}

/** How each fault is done: over when what it did is undone. */
export const faults: Record<FaultKind, (ground: Ground, fault: PlannedFault) => Promise<void>> = {
  killSame: kill("same"),
  killNew: kill("new"),
  stop,
  terminate,
  databaseCrash,
  killBoth,
  dropConnections,
  delay: delays,
  halfOpen,
  cut,
  lostCommit,
  auditLocked,
  auditDropped,
  blocked,
  hintsOff
}
