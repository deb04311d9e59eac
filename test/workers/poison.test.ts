import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Limits } from "../../src/model/Limits.js"
import { timedScenario as scenario } from "../engine/world.js"
import { names, openYard } from "./support.js"

scenario(
  "A10, E8 a step that ends its process parks alone; fifty healthy runs beside it end, and no retry is charged",
  (world) =>
    Effect.gen(function* () {
      const yard = yield* openYard(world)
      const settings = { leaseMs: 4_000, heartbeatMs: 800 }
      yield* yard.start(["poison"], "exit", 100)
      yield* yard.start(["thrown"], "throw", 100)
      yield* yard.start(names(50), "ok", 100)
      yield* yard.supervised({ name: "one", settings })
      yield* yard.supervised({ name: "two", settings })
      const parked = yield* world.until("poison", "parked")
      expect(parked.reason).toMatch(/^Poison: the process died 5 times while act\/1 ran, the last 3 times alone/)
      const ended = yield* Effect.forEach(names(50), (runId) => yard.client.engine.awaitEnd(runId), {
        concurrency: "unbounded"
      })
      expect(new Set(ended.map(({ status }) => status))).toEqual(new Set(["completed"]))
      expect(yield* yard.client.engine.awaitEnd("thrown")).toMatchObject({ status: "failed" })
      const [row] = yield* world.sql(
        `select max(attempt) as attempt, max(crashes) as crashes from perdure.firings where run_id <> 'poison'`
      )
      expect(row?.["attempt"]).toBe(1)
      expect(Number(row?.["crashes"])).toBeLessThanOrEqual(Limits.crashesBeforeAlone)
      // What others had suffered beside it made them run alone, too: nobody else was at work then.
      const suspicious = yard
        .entries()
        .filter(({ crashes, phase }) => crashes >= Limits.crashesBeforeAlone && phase === "begin")
      expect(suspicious.filter(({ key }) => key === "poison/act/1").length).toBe(Limits.crashesBeforeParking)
      expect(suspicious.filter(({ beside }) => beside > 1)).toEqual([])
    })
)
