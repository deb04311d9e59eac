import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { timedScenario as scenario } from "../engine/world.js"
import type { Kind } from "./fixtures.js"
import { names, openYard, type WorkerOptions } from "./support.js"

/** A step that takes its process along each time parks, and what runs beside it ends. */
export const parks = (name: string, kind: Kind, options: Omit<WorkerOptions, "name">) =>
  scenario(name, (world) =>
    Effect.gen(function* () {
      const yard = yield* openYard(world)
      yield* yard.start(["poison"], kind, 50)
      yield* yard.start(names(10), "ok", 50)
      for (const worker of ["one", "two"]) yield* yard.supervised({ name: worker, ...options })
      yield* world.until("poison", "parked")
      const ended = yield* Effect.forEach(names(10), (runId) => yard.client.engine.awaitEnd(runId))
      expect(new Set(ended.map(({ status }) => status))).toEqual(new Set(["completed"]))
      expect(yield* world.sql("select max(attempt) as attempt from perdure.firings where run_id <> 'poison'")).toEqual([
        { attempt: 1 }
      ])
    })
  )
