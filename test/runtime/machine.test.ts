import assert from "node:assert/strict"
import { it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { describe } from "vitest"
import type { CommandKind } from "../../src/model/Run.js"
import { graphs } from "./graphs.js"
import { rule } from "./graphsRule.js"
import { checkMeaning, outcomeOf } from "./machineComparison.js"
import { drive, plainSchedule, schedules } from "./machineDriver.js"

const numRuns = Number(process.env["RUNS"] ?? 300)
const seeds = FastCheck.nat(10_000)

describe("a run of any graph", () => {
  it.prop(
    "comes to the same by any schedule, where nothing is merged",
    { graph: graphs({ merging: false }), seed: seeds, schedule: schedules },
    ({ graph, schedule, seed }) => {
      const handlers = rule(graph, seed)
      const plain = drive(graph, handlers, { schedule: plainSchedule })
      const other = drive(graph, handlers, { schedule })
      assert.deepEqual(outcomeOf(other), outcomeOf(plain))
    },
    { fastCheck: { numRuns } }
  )

  it.prop(
    "comes to the same with crashes, where nothing is merged",
    { graph: graphs({ merging: false }), seed: seeds, schedule: schedules },
    ({ graph, schedule, seed }) => {
      const handlers = rule(graph, seed)
      const plain = drive(graph, handlers, { schedule: plainSchedule })
      const other = drive(graph, handlers, { schedule, crashes: true })
      assert.deepEqual(outcomeOf(other), outcomeOf(plain))
    },
    { fastCheck: { numRuns } }
  )

  it.prop(
    "fires as its meaning says",
    { graph: graphs(), seed: seeds, schedule: schedules, crashes: FastCheck.boolean(), fatal: FastCheck.boolean() },
    ({ graph, schedule, seed, crashes, fatal }) => {
      checkMeaning(drive(graph, rule(graph, seed, { fatal }), { schedule, crashes }))
    },
    { fastCheck: { numRuns } }
  )

  const commands = FastCheck.array(FastCheck.constantFrom<CommandKind>("cancel", "pause", "resume", "pause"), {
    maxLength: 6
  })
  it.prop(
    "drive",
    {
      graph: graphs(),
      seed: seeds,
      schedule: schedules,
      crashes: FastCheck.boolean(),
      fatal: FastCheck.boolean(),
      commands
    },
    ({ graph, schedule, seed, crashes, fatal, commands }) => {
      drive(graph, rule(graph, seed, { fatal }), { schedule, crashes, commands })
    },
    { fastCheck: { numRuns } }
  )
})
