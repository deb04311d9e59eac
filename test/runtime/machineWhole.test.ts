import assert from "node:assert/strict"
import { it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { afterEach, describe } from "vitest"
import { compensationNode } from "../../src/model/Message.js"
import type { CommandKind } from "../../src/model/Run.js"
import { isEnded } from "../../src/model/Status.js"
import { graphs } from "./graphs.js"
import { rule } from "./graphsRule.js"
import { loosen } from "./loosen.js"
import { drive, schedules } from "./machineDriver.js"
import type { Harness } from "./machineHarness.js"
import { meaningOf } from "./machineOracle.js"
import { enrich } from "./richGraphs.js"

const numRuns = Number(process.env["PROPERTY_RUNS"] ?? 100)

// Nothing here ever waits: without this the runner would not hear of this file for minutes on a busy machine.
afterEach(() => new Promise<void>((resume) => setImmediate(resume)))

const seeds = FastCheck.nat(100_000)
const crashes = FastCheck.boolean()
const options = { fastCheck: { numRuns }, timeout: 120_000 }

/** Streams, steps that wait, and compensation, which is not needed here. */
const features = { streams: true, undo: true }

/** What was to be undone, by its number in the order of commits, as it was undone. */
const undoneNumbers = ({ tables }: Harness): ReadonlyArray<number> =>
  tables.firingsOf(compensationNode).flatMap(({ inputs, status }) => {
    const taken = inputs[compensationNode]
    return status === "completed" && taken !== undefined && "ref" in taken ? [taken.ref[1]] : []
  })

describe("a run of any graph with streams, steps and nodes that compensate", () => {
  it.prop(
    "gives what its graph means, by any schedule and with deaths at any moment",
    { graph: graphs({ merging: false, triggers: false, resumable: false }), seed: seeds, schedule: schedules, crashes },
    ({ crashes, graph, schedule, seed }) => {
      const does = rule(graph, seed)
      const rich = enrich(graph, features)
      const meaning = meaningOf(rich, does, { input: {}, events: () => [], merged: () => [] })
      const run = drive(rich, does, { schedule, crashes, streams: true })
      assert.equal(run.status === "compensated" ? "failed" : run.status, meaning.status)
      assert.deepEqual(run.tables.output === null ? undefined : JSON.parse(run.tables.output), meaning.output)
    },
    options
  )

  it.prop(
    "ends or waits, and undoes all that has committed once and in reverse, whatever is merged, loose, left, failed or cancelled",
    {
      graph: graphs({ endless: false }),
      ...{ seed: seeds, schedule: schedules, crashes, fatal: FastCheck.boolean() },
      choices: FastCheck.array(FastCheck.nat(2), { minLength: 1, maxLength: 10 }),
      commands: FastCheck.array(FastCheck.constantFrom<CommandKind>("pause", "resume", "cancel"), { maxLength: 3 })
    },
    ({ choices, commands, crashes, fatal, graph, schedule, seed }) => {
      const rich = enrich(loosen(graph, choices), features)
      const does = rule(graph, seed, { fatal })
      const run = drive(rich, does, { schedule, crashes, commands, streams: true, leavesEarly: true })
      const waits = run.tables.allFirings().filter(({ status }) => status === "suspended")
      assert.ok(isEnded(run.status) || waits.length > 0, run.status)
      const list = run.tables.messagesOn(compensationNode, compensationNode).length
      const wanted = Array.from({ length: list }, (_, index) => list - index)
      assert.deepEqual(undoneNumbers(run), run.status === "compensated" ? wanted : [], run.status)
      assert.ok(list === 0 || !["failed", "cancelled"].includes(run.status), `${list} are not undone: ${run.status}`)
    },
    options
  )
})
