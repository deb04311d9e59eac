import * as FastCheck from "effect/FastCheck"
import { describe, it } from "vitest"
import { graphs } from "./graphs.js"
import { rule } from "./graphsRule.js"
import { drive, schedules } from "./machineDriver.js"

const runs = Number(process.env["RUNS"] ?? 300)
describe("machine", () => {
  it("drives", () => {
    FastCheck.assert(
      FastCheck.property(
        graphs(),
        FastCheck.nat(1000),
        schedules,
        FastCheck.boolean(),
        FastCheck.boolean(),
        FastCheck.array(FastCheck.constantFrom("cancel", "pause", "resume", "pause", "resume"), { maxLength: 6 }),
        (graph, seed, schedule, fatal, crashes, commands) => {
          drive(graph, rule(graph, seed, { fatal }), { schedule, crashes, commands })
        }
      ),
      { numRuns: runs }
    )
  })
})
