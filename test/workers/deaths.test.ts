import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Limits } from "../../src/model/Limits.js"
import * as ProcessIdentity from "../../src/store/ProcessIdentity.js"
import { timedScenario as scenario } from "../engine/world.js"
import { names, openYard, startTwo, type WorkerProcess, type Yard } from "./support.js"

const leases = { leaseMs: 60_000, heartbeatMs: 2_000 }

/** Kills a worker, and gives the time until the other one has begun with the last of its runs. */
const killAndMeasure = (yard: Yard, holder: WorkerProcess, other: WorkerProcess, runs: number) =>
  Effect.gen(function* () {
    yield* holder.signal("SIGKILL")
    const killedAt = Date.now()
    const begun = yield* yard.until((entries) => {
      const again = entries.filter(
        ({ crashes, phase, worker }) => worker === other.name && phase === "begin" && crashes > 0
      )
      return again.length === runs ? again : undefined
    })
    return Math.max(...begun.map(({ at }) => at)) - killedAt
  })

/** Beside it a worker sees that a process is over; of one on another machine it only sees that its session is gone, twice. */
for (const place of ["this machine", "another machine"] as const) {
  scenario(
    `B1 the runs of a worker that was killed on ${place} go on at once, long before its lease runs out`,
    (world) =>
      Effect.gen(function* () {
        const yard = yield* openYard(world)
        const { holder, other, runs } = yield* startTwo(world, yard, { ids: names(100), ms: 1_000, settings: leases })
        if (place === "another machine") yield* world.sql("update perdure.workers set process = null")
        const took = yield* killAndMeasure(yard, holder, other, runs.length)
        // The lease is a minute.
        expect(took).toBeLessThan(20_000)
        yield* Effect.forEach(runs, (runId) => yard.client.engine.awaitEnd(runId), { concurrency: "unbounded" })
        const [row] = yield* world.sql("select max(crashes) as crashes, max(attempt) as attempt from perdure.firings")
        expect(row).toEqual({ crashes: 1, attempt: 1 })
      })
  )
}

scenario("B1 one look decides about a process that is over, two of one that runs or is elsewhere", (world) =>
  Effect.gen(function* () {
    const me = ProcessIdentity.selfAnywhere()
    if (me === null) return
    const [, namespace, pid] = me.split(" ")
    const workers = [
      ["over", me.replace(/\d+$/, "1")],
      ["runs", me],
      ["elsewhere", `00000000-0000-0000-0000-000000000000 ${namespace} ${pid} 1`],
      ["unknown", null]
    ] as const
    for (const [session, [name, process]] of workers.entries())
      yield* world.sql(
        "insert into perdure.workers (incarnation, worker_id, lease_ms, session, process) values (gen_random_uuid(), $1, 600000, $2::int8, $3)",
        [name, session, process]
      )
    const yard = yield* openYard(world)
    const worker = yield* yard.worker({ name: "observer", settings: leases })
    yield* worker.ready
    yield* world.untilRow("select from perdure.workers where stopped_at is not null having count(*) = 4")
    const later = yield* world.sql(`
      select w.worker_id as name, w.stopped_at - over.stopped_at >= interval '${Limits.doubtMs} ms' as later
      from perdure.workers w, perdure.workers over
      where over.worker_id = 'over' and w.stopped_at is not null order by w.worker_id`)
    expect(later).toEqual([
      { name: "elsewhere", later: true },
      { name: "over", later: false },
      { name: "runs", later: true },
      { name: "unknown", later: true }
    ])
  })
)

scenario("C2 a worker whose sessions are all cut goes on under the same lease, and nobody takes it for dead", (world) =>
  Effect.gen(function* () {
    const yard = yield* openYard(world)
    const { runs } = yield* startTwo(world, yard, { ids: names(20), ms: 1_500, settings: leases })
    yield* world.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'perdure%' and datname = current_database()"
    )
    yield* Effect.forEach(names(20), (runId) => yard.client.engine.awaitEnd(runId), { concurrency: "unbounded" })
    expect(runs.length).toBeGreaterThan(0)
    expect(yield* world.sql("select max(crashes) as crashes from perdure.firings")).toEqual([{ crashes: 0 }])
    expect(yield* world.sql("select from perdure.workers where stopped_at is not null")).toEqual([])
  })
)
