import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { explore } from "../../src/testing/Explore.js"
import { TestDatabase } from "../../src/testing/index.js"
import type { WorkflowLayer } from "../../src/testing/TestWorker.js"
import { expected, Sum, summing } from "./streamFixtures.js"

const enough = 3

/** Slow enough for several batches. */
const endless = Stream.tap(
  Stream.iterate(1, (n) => n + 1),
  () => Effect.sleep("17 millis")
)

const endlessly = summing({
  produce: () => Effect.succeed(endless),
  fold: (n) =>
    Effect.map(
      Stream.runFold(Stream.take(n, enough), 0, (sum, each) => sum + each),
      (sum) => ({ sum, count: enough })
    )
})

it.live(
  "an endless stream ends with its readers wherever the process dies, with what the rows have of it",
  () =>
    Effect.gen(function* () {
      const database = yield* TestDatabase.openEmbedded
      const found = yield* Effect.promise(() =>
        explore({
          subject: {
            name: "endless",
            // What it needs is the registry: that of the worker.
            workflows: endlessly as WorkflowLayer,
            script: async (client) => {
              await client.start(Sum, { count: 0 }, "run")
              await client.ended("run")
            },
            streams: true
          },
          database,
          seed: 1,
          modes: ["before", "after", "lost"]
        })
      )
      expect(found.failures).toEqual([])
      expect(found.points.length).toBeGreaterThan(20)
      const [run] = yield* Effect.promise(() => database.query("select output from perdure.run_values"))
      expect(JSON.parse(String(run?.["output"]))).toEqual(expected(enough))
    }).pipe(Effect.scoped),
  300_000
)
