import assert from "node:assert/strict"
import { it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { describe, expect } from "vitest"
import type { Failure } from "../../src/model/Failure.js"
import type { AttemptOutcome } from "../../src/model/Firing.js"
import type { CommandKind } from "../../src/model/Run.js"
import { reopen } from "../../src/runtime/Reopen.js"
import { graphs } from "./graphs.js"
import { rule } from "./graphsRule.js"
import { drive, schedules } from "./machineDriver.js"
import { chain, graphOf, handlers } from "./machineGraphs.js"
import { Harness } from "./machineHarness.js"

const fails = (retryAt: number): AttemptOutcome => ({ _tag: "Failed", kind: "error", message: "no luck", retryAt })

const failureOf = (run: Harness): Failure => JSON.parse(run.tables.failure ?? "null")

const begun = (graph = chain(1), totals: { readonly [nodeId: string]: number } = { n0: 100 }): Harness => {
  const run = new Harness(graph, handlers(), totals)
  run.start()
  return run
}

describe("a firing with a total time-out", () => {
  it("fails at once where its next attempt would begin after it, and says of what", () => {
    const run = begun()
    run.now += 60
    run.end("n0", 1, fails(run.now + 40))
    expect(run.status).toBe("failed")
    expect(failureOf(run)).toMatchObject({ kind: "timeout", nodeId: "n0", firing: 1, attempt: 1 })
    expect(failureOf(run)).not.toHaveProperty("error")
    expect(failureOf(run).message).toContain("total time-out; what this one failed of: no luck")
  })

  it("fails for good when it is over, though its next attempt was to come before", () => {
    const run = begun()
    run.now += 60
    run.end("n0", 1, fails(run.now + 39))
    expect(run.dueAt).toBe(run.now + 39)
    run.now += 40
    run.look()
    expect(run.status).toBe("failed")
    expect(failureOf(run)).toMatchObject({ kind: "timeout", nodeId: "n0", firing: 1, attempt: 2 })
  })

  it("fails when it is over while a step of it waits", () => {
    const run = begun()
    run.end("n0", 1, { _tag: "Waits", reason: "sleeps", resumeAt: run.now + 1_000, steps: [] })
    expect(run.dueAt).toBe(run.now + 100)
    run.wait()
    expect(failureOf(run)).toMatchObject({ kind: "timeout", nodeId: "n0" })
  })

  it("keeps its deadline through deaths, and is not started again after it", () => {
    const run = begun()
    run.now += 99
    run.crash()
    run.look()
    expect(run.tables.firingsOf("n0")).toMatchObject([{ status: "running", crashes: 1 }])
    run.crash()
    run.now += 1
    run.look()
    expect(failureOf(run)).toMatchObject({ kind: "timeout", nodeId: "n0" })
  })

  it("is not ended by the machine while it runs: its attempt does that; a result that comes first counts", () => {
    const run = begun()
    run.now += 500
    run.look()
    expect(run.status).toBe("running")
    expect(run.dueAt).toBeUndefined()
    run.end("n0")
    expect(run.status).toBe("completed")
  })

  it("has its time anew when a failed run is tried again", () => {
    const run = begun()
    run.end("n0", 1, { _tag: "Failed", kind: "error", message: "no luck" })
    const row = { ...run.tables.row, frontier: run.state.frontier }
    const later = run.now + 5_000
    expect(reopen(run.plan, row, run.tables.allFirings(), later).firings).toMatchObject([
      { status: "scheduled", deadline: later + 100 }
    ])
  })

  it("counts from when a trigger begins to wait", () => {
    const graph = graphOf({
      nodes: { ask: { inputs: { a: "input.in" }, trigger: 1 } },
      results: { r: "value ask.out" }
    })
    const run = begun(graph, { ask: 100 })
    expect([run.status, run.dueAt]).toEqual(["suspended", run.now + 100])
    run.wait()
    expect(failureOf(run)).toMatchObject({ kind: "timeout", nodeId: "ask" })
  })
})

const commands = FastCheck.array(FastCheck.constantFrom<CommandKind>("pause", "resume", "cancel"), { maxLength: 3 })

it.prop(
  "a run of any graph with total time-outs ends, or waits for what is outside; the harness checks each firing's deadline",
  {
    graph: graphs({ merging: true }),
    seed: FastCheck.nat(100_000),
    schedule: schedules,
    total: FastCheck.nat(80),
    commands
  },
  ({ commands, graph, schedule, seed, total }) => {
    const totals = Object.fromEntries(graph.nodes.map(({ id }, index) => [id, 1 + ((total + index) % 80)]))
    const run = drive(graph, rule(graph, seed, { fatal: false }), { schedule, crashes: true, commands, totals })
    if (run.status !== "failed") return
    const { firing, kind, nodeId } = failureOf(run)
    if (kind !== "timeout") return
    const failed = run.tables.firingsOf(nodeId).find((row) => row.firing === firing)
    // The harness' pauses; an attempt after its time is not waited for.
    const over = run.now + 10 * (failed?.attempt ?? 0)
    assert.ok(failed?.deadline != null && failed.deadline <= over, "its time was over, or would have been")
  },
  { fastCheck: { numRuns: Number(process.env["PROPERTY_RUNS"] ?? 100) }, timeout: 120_000 }
)
