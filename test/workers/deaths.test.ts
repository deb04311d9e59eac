import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
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

scenario("B1 the runs of a worker that was killed go on at once, long before its lease runs out", (world) =>
  Effect.gen(function* () {
    const yard = yield* openYard(world)
    const { holder, other, runs } = yield* startTwo(world, yard, { ids: names(100), ms: 1_000, settings: leases })
    const took = yield* killAndMeasure(yard, holder, other, runs.length)
    // The lease is a minute; two looks 300 ms apart decide.
    expect(took).toBeLessThan(20_000)
    yield* Effect.forEach(runs, (runId) => yard.client.engine.awaitEnd(runId), { concurrency: "unbounded" })
    const [row] = yield* world.sql("select max(crashes) as crashes, max(attempt) as attempt from perdure.firings")
    expect(row).toEqual({ crashes: 1, attempt: 1 })
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
