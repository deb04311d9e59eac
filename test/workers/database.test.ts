import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { invariantStatement } from "../../src/testing/invariants/check.js"
import { timedScenario as scenario, worldOn } from "../engine/world.js"
import { server } from "../support/postgresServer.js"
import { databaseOn } from "../support/serverDatabase.js"
import { openProxy } from "./proxy.js"
import { names, openYard, startTwo } from "./support.js"

it.live(
  "C1 a restart of the database is no death: every worker goes on with what it had",
  () =>
    Effect.gen(function* () {
      const postgres = yield* server()
      const { url } = yield* databaseOn(postgres.url)
      const world = yield* worldOn(url)
      const yard = yield* openYard(world)
      yield* startTwo(world, yard, { ids: names(40), ms: 3_000 })
      yield* Effect.promise(() => postgres.restart("immediate"))
      yield* Effect.forEach(names(40), (runId) => yard.client.engine.awaitEnd(runId), { concurrency: "unbounded" })
      expect(yield* world.sql("select max(crashes) as crashes, max(attempt) as attempt from perdure.firings")).toEqual([
        { crashes: 0, attempt: 1 }
      ])
      expect(yield* world.sql("select max(fence) as fence from perdure.run_state")).toEqual([{ fence: 1 }])
      expect(yield* world.sql(invariantStatement({ atRest: false }))).toEqual([])
    }).pipe(Effect.scoped),
  // As in `timedScenario`: on a machine that stands still for longer than a lease, leases run out as they must.
  { retry: 1 }
)

scenario(
  "C8 after a pause of the database longer than any lease every worker goes on with what it had: no stampede",
  (world) =>
    Effect.gen(function* () {
      const yard = yield* openYard(world)
      const proxy = yield* openProxy(world.url)
      const settings = { leaseMs: 2_000, heartbeatMs: 400 }
      const { runs } = yield* startTwo(world, yard, { ids: names(20), ms: 60_000, settings, url: proxy.url })
      yield* proxy.pause
      yield* world.untilRow(
        `select from perdure.workers where worker_id in ('one', 'two')
       and heartbeat_at < clock_timestamp() - interval '3 seconds' having count(*) = 2`
      )
      yield* proxy.goOn
      // Each has kept its lease again for longer than it takes to judge others.
      const [row] = yield* world.sql("select clock_timestamp()::text as now")
      yield* world.untilRow(
        `select from perdure.workers where worker_id in ('one', 'two')
       and heartbeat_at > $1::timestamptz + interval '3 seconds' having count(*) = 2`,
        [row?.["now"]]
      )
      expect(yield* world.sql("select max(fence) as fence from perdure.run_state")).toEqual([{ fence: 1 }])
      expect(yield* world.sql("select max(crashes) as crashes from perdure.firings")).toEqual([{ crashes: 0 }])
      expect(yard.entries()).toHaveLength(20)
      expect(runs.length).toBeGreaterThan(0)
    })
)
