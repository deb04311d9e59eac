import assert from "node:assert/strict"
import { it as effectIt } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { afterEach, describe, expect, it } from "vitest"
import { isEnded } from "../../src/model/Status.js"
import { graphs } from "./graphs.js"
import { rule } from "./graphsRule.js"
import { loosen } from "./loosen.js"
import { drive, schedules } from "./machineDriver.js"
import { graphOf, handlers } from "./machineGraphs.js"
import type { Harness } from "./machineHarness.js"
import { given, runOut, started, statuses } from "./machineViews.js"

const numRuns = Number(process.env["PROPERTY_RUNS"] ?? 100)

afterEach(() => new Promise<void>((resume) => setImmediate(resume)))

const three = { split: () => ({ xs: ["x1", "x2", "x3"] }) }

describe("unordered", () => {
  const graph = graphOf({
    nodes: {
      split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
      worker: { inputs: { x: "split.xs" } },
      store: { inputs: { page: "unordered worker.out" } }
    },
    results: { stored: "array store.out" }
  })

  it("takes what comes, whatever began before it, and each message once, also when its run is handed over", () => {
    const run = started(graph, handlers(three))
    run.end("split")
    run.end("worker", 3)
    expect(given(run, "store/1", "page")).toBe("x3")
    run.end("store", 1)
    run.handOver()
    run.look()
    run.end("worker", 2)
    expect(given(run, "store/2", "page")).toBe("x2")
    run.handOver()
    run.look()
    run.end("store", 2)
    run.handOver()
    run.look()
    run.end("worker", 1)
    expect(given(run, "store/3", "page")).toBe("x1")
    expect(runOut(run).tables.output).toBe('{"stored":["x3","x2","x1"]}')
  })

  it("skips a firing for a message that will never come", () => {
    const failing = graphOf({
      nodes: {
        split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
        worker: { inputs: { x: "split.xs" }, outputs: { out: "optional" } },
        store: { inputs: { page: "unordered worker.out" } }
      }
    })
    const worker = ({ x }: { readonly [handle: string]: unknown }) => (x === "x2" ? {} : { out: String(x) })
    const run = runOut(started(failing, handlers({ ...three, worker })))
    expect([run.status, statuses(run, "store")]).toEqual(["completed", ["completed", "skipped", "completed"]])
  })
})

describe("latest", () => {
  const graph = graphOf({
    input: ["in", "rate"],
    nodes: {
      split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
      rates: { inputs: { a: "input.rate" }, outputs: { ys: "many" } },
      price: { inputs: { x: "latest split.xs", y: "latest rates.ys" } }
    },
    results: { prices: "array price.out" }
  })
  const spoken = handlers({ ...three, rates: () => ({ ys: ["y1", "y2"] }) })

  it("fires when each handle has something, with the newest of each, and then on every arrival", () => {
    const run = started(graph, spoken)
    run.end("split")
    expect(statuses(run, "price")).toEqual([])
    run.end("rates")
    expect([given(run, "price/1", "x"), given(run, "price/1", "y")]).toEqual(["x3", "y2"])
    expect(runOut(run).tables.output).toBe('{"prices":["x3+y2"]}')
  })

  it("goes on with the newest of the others after a death", () => {
    const slow = graphOf({
      nodes: {
        split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
        worker: { inputs: { x: "split.xs" } },
        price: { inputs: { x: "latest worker.out", y: "latest input.in" }, concurrency: 1 }
      },
      results: { prices: "array price.out" }
    })
    const run = started(slow, handlers(three))
    run.end("split")
    for (const firing of [1, 2, 3]) {
      run.end("worker", firing)
      run.end("price", firing)
      run.crash()
      run.look()
    }
    expect(run.tables.output).toBe('{"prices":["x1+in","x2+in","x3+in"]}')
  })

  it("is skipped once if one of its handles never gets anything", () => {
    const dead = graphOf({
      nodes: {
        split: { inputs: { a: "input.in" }, outputs: { xs: "many", none: "many" } },
        price: { inputs: { x: "latest split.xs", y: "latest split.none" } },
        after: { inputs: { p: "price.out" } }
      }
    })
    const run = runOut(started(dead, handlers({ split: () => ({ xs: ["x1", "x2"], none: [] }) })))
    expect([run.status, statuses(run, "price"), statuses(run, "after")]).toEqual([
      "completed",
      ["skipped"],
      ["skipped"]
    ])
  })
})

const workflows = FastCheck.tuple(
  graphs({ endless: false }),
  FastCheck.nat(100_000),
  FastCheck.array(FastCheck.nat(2), { minLength: 1, maxLength: 10 })
).map(([graph, seed, choices]) => ({
  graph: loosen(graph, choices),
  rule: rule(graph, seed, { fatal: false })
}))

/** The positions that a node's firings got of one producer, in the order of the firings. */
const places = (run: Harness, nodeId: string, handle: string, producer: string): ReadonlyArray<number> =>
  run.tables.firingsOf(nodeId).flatMap(({ inputs }) => {
    const input = inputs[handle]
    return input !== undefined && "ref" in input && input.ref[0] === producer
      ? [input.ref[1] * 10_000 + input.ref[2]]
      : []
  })

effectIt.prop(
  "a run of any graph with loose handles ends, by any schedule and with deaths at any moment",
  { workflow: workflows, schedule: schedules, crashes: FastCheck.boolean() },
  ({ crashes, schedule, workflow }) => {
    const run = drive(workflow.graph, workflow.rule, { schedule, crashes })
    const waits = run.tables.allFirings().filter(({ status }) => status === "suspended")
    assert.ok(isEnded(run.status) || waits.length > 0, run.status)
    for (const node of workflow.graph.nodes) {
      for (const { from, mode, name } of node.inputs) {
        if (mode !== "latest") continue
        for (const { node: producer, port } of from) {
          const seen = places(run, node.id, name, `${producer}.${port}`)
          assert.deepEqual(
            seen,
            [...seen].sort((a, b) => a - b),
            `${node.id}.${name} goes back`
          )
        }
      }
    }
  },
  { fastCheck: { numRuns }, timeout: 120_000 }
)
