import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import { timedScenario as scenario, type World } from "../engine/world.js"
import { openPgBouncer, pgbouncer } from "./pgbouncer.js"
import { names, openYard } from "./support.js"

/** Two workers behind a proxy; one is killed in the middle of its runs, and the other one goes on. */
const survives = (world: World, direct: Redacted.Redacted | undefined, leaseMs: number) =>
  Effect.gen(function* () {
    const url = yield* openPgBouncer(world.url)
    const yard = yield* openYard(world)
    const options = {
      url,
      ...(direct === undefined ? {} : { directUrl: direct }),
      settings: { leaseMs, heartbeatMs: 500 }
    }
    const one = yield* yard.worker({ name: "one", ...options })
    yield* one.ready
    yield* yard.start(names(20, "short"), "ok", 0)
    yield* Effect.forEach(names(20, "short"), (runId) => yard.client.engine.awaitEnd(runId))
    yield* yard.start(names(20), "ok", 60_000)
    yield* yard.until((entries) =>
      entries.filter(({ key }) => /^r\d+.first/.test(key)).length >= 20 ? true : undefined
    )
    const two = yield* yard.worker({ name: "two", ...options })
    yield* two.ready
    // A worker says with its next sign of life which session it has.
    yield* world.untilRow(
      "select from perdure.workers where worker_id in ('one', 'two') having bool_and((session is null) = $1::boolean) and count(*) = 2",
      [direct === undefined]
    )
    yield* one.signal("SIGKILL")
    const killedAt = Date.now()
    const again = yield* yard.until((entries) => {
      const found = entries.filter(({ crashes, phase }) => crashes > 0 && phase === "begin")
      return found.length === 20 ? found : undefined
    })
    expect(one.log() + two.log()).not.toMatch(/ERROR|prepared statement|defect/i)
    return Math.max(...again.map(({ at }) => at)) - killedAt
  })

describe.skipIf(pgbouncer === undefined)(
  "behind PgBouncer in transaction mode (skipped where it is not installed)",
  () => {
    scenario("workers with a direct connection beside it see a death at once", (world) =>
      Effect.gen(function* () {
        expect(yield* survives(world, world.url, 60_000)).toBeLessThan(20_000)
      })
    )

    scenario("workers without one find out that there is a proxy, and leases decide", (world) =>
      Effect.gen(function* () {
        expect(yield* survives(world, undefined, 2_500)).toBeLessThan(20_000)
      })
    )
  }
)
