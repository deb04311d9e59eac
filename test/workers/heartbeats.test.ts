import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { timedScenario as scenario } from "../engine/world.js"
import { openProxy } from "./proxy.js"
import { names, openYard } from "./support.js"

const settings = { leaseMs: 5_000, heartbeatMs: 1_000 }

scenario(
  "B4 a heartbeat that hangs is given up in time; one that can't come through ends the lease, and nothing starts",
  (world) =>
    Effect.gen(function* () {
      const yard = yield* openYard(world)
      const proxy = yield* openProxy(world.url)
      // Signs of life go through the proxy, everything else does not.
      const one = yield* yard.worker({ name: "one", directUrl: proxy.url, settings })
      yield* one.ready
      yield* yard.start(names(10), "ok", 60_000)
      yield* yard.until((entries) => (entries.length === 10 ? true : undefined))
      const two = yield* yard.worker({ name: "two", settings })
      yield* two.ready
      const [first] = yield* world.sql("select session, incarnation from perdure.workers where worker_id = 'one'")
      yield* proxy.freeze
      const again = yield* world.untilRow(
        "select incarnation from perdure.workers where worker_id = 'one' and session <> $1::int8",
        [first?.["session"]]
      )
      expect(again["incarnation"]).toBe(first?.["incarnation"])
      expect(yield* world.sql("select max(crashes) as crashes from perdure.firings")).toEqual([{ crashes: 0 }])

      yield* proxy.swallow
      yield* yard.until((entries) => {
        const taken = entries.filter(({ phase, worker }) => worker === "two" && phase === "begin")
        return taken.length === 10 ? true : undefined
      })
      // It has been late for a while by now; the rest of its connections work.
      yield* yard.start(names(10, "later"), "ok", 0)
      yield* Effect.forEach(names(10, "later"), (runId) => yard.client.engine.awaitEnd(runId))
      const later = yard.entries().filter(({ key }) => key.startsWith("later"))
      expect(new Set(later.map(({ worker }) => worker))).toEqual(new Set(["two"]))
      yield* yard.until((entries) => {
        const interrupted = entries.filter(({ phase, worker }) => worker === "one" && phase === "interrupted")
        return interrupted.length === 10 ? true : undefined
      })
    })
)
