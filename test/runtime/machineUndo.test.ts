import { it as effectIt } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { describe, expect, it } from "vitest"
import type { AttemptOutcome } from "../../src/model/Firing.js"
import { compensationNode } from "../../src/model/Message.js"
import { graphOf, handlers } from "./machineGraphs.js"
import type { Harness } from "./machineHarness.js"
import { started, statuses } from "./machineViews.js"

const dies: AttemptOutcome = { _tag: "Failed", kind: "defect", message: "no luck" }
const declined: AttemptOutcome = {
  ...{ _tag: "Failed", kind: "error", message: "declined" },
  error: { text: '"declined"', value: "declined" }
}

/** Three firings that can be undone beside one that can't, then one that nothing follows. */
const trip = graphOf({
  nodes: {
    split: { inputs: { a: "input.in" }, outputs: { xs: "many" }, compensates: true },
    book: { inputs: { x: "split.xs" }, compensates: true },
    beside: { inputs: { a: "input.in" } },
    ship: { inputs: { all: "all book.out" } }
  },
  results: { result: "value ship.out", beside: "value beside.out" }
})
const rule = handlers({ split: () => ({ xs: ["x1", "x2", "x3"] }) })

/** What was undone, in the order in which it was, as `node/firing`, with a `?` where nobody knows what it did. */
const undone = ({ tables }: Harness): ReadonlyArray<string> =>
  tables
    .firingsOf(compensationNode)
    .filter(({ status }) => status === "completed")
    .map(({ inputs }) => {
      const taken = inputs[compensationNode]
      const number = taken !== undefined && "ref" in taken ? taken.ref[1] : 0
      const ref = { nodeId: compensationNode, handle: compensationNode, producer: compensationNode }
      const content = tables.message({ ...ref, firing: number, ordinal: 0 })?.content
      const record = JSON.parse(content?._tag === "Live" ? content.text : "{}")
      return `${record.node}/${record.firing}${record.outputs === null ? "?" : ""}`
    })

/** Undoes whatever is left. */
const undoAll = (run: Harness): Harness => {
  for (let firing = run.tables.firingsOf(compensationNode).length; !run.ended; firing++) {
    run.end(compensationNode, firing)
  }
  return run
}

const half = (): Harness => {
  const run = started(trip, rule)
  run.end("split")
  run.end("book", 2)
  return run
}

describe("a run whose nodes compensate", () => {
  it("leaves nothing behind when it completes, and takes nothing back", () => {
    const run = half()
    for (const firing of [1, 3]) run.end("book", firing)
    run.end("ship")
    run.end("beside")
    expect([run.status, undone(run)]).toEqual(["completed", []])
    expect(run.state.frontier.undo).toEqual({ count: 4 })
  })

  it("waits for what can be undone, then undoes one after the other, the last committed first", () => {
    const run = half()
    const { interrupt } = run.end("beside", 1, dies)
    expect([interrupt, run.status]).toEqual([true, "compensating"])
    run.end("book", 3)
    expect(statuses(run, compensationNode)).toEqual([])
    run.end("book", 1)
    expect(statuses(run, compensationNode)).toEqual(["running"])
    undoAll(run)
    expect(undone(run)).toEqual(["book/1", "book/3", "book/2", "split/1"])
    expect([run.status, JSON.parse(run.tables.failure ?? "").nodeId]).toEqual(["compensated", "beside"])
  })

  it("is cancelled if there is nothing to undo, else compensated", () => {
    const early = started(trip, rule)
    early.step([early.asks("cancel")])
    early.end("split", 1, declined)
    early.end("beside", 1, { _tag: "Interrupted" })
    expect([early.status, undone(early)]).toEqual(["cancelled", []])
    const late = half()
    late.step([late.asks("cancel")])
    late.end("beside", 1, { _tag: "Interrupted" })
    for (const firing of [1, 3]) late.end("book", firing)
    expect([undoAll(late).status, late.tables.failure]).toEqual(["compensated", null])
  })

  it("undoes without knowing what was done where a process died", () => {
    const run = half()
    run.step([run.asks("cancel")])
    run.crash()
    expect(statuses(run, "book")).toEqual(["cancelled", "completed", "cancelled"])
    run.look()
    run.crash()
    run.look()
    undoAll(run)
    expect(undone(run)).toEqual(["book/3?", "book/1?", "book/2", "split/1"])
  })

  it("tries again, waits with its time in the row, and fails where it can't", () => {
    const run = half()
    run.step([run.ends("beside", 1, dies), run.ends("book", 1, dies), run.ends("book", 3, declined)])
    run.end(compensationNode, 1, { ...dies, retryAt: run.now + 50 })
    expect([run.status, run.dueAt]).toEqual(["compensating", run.now + 50])
    run.wait()
    run.end(compensationNode, 1, { ...dies, message: "the bank is closed" })
    expect([run.status, JSON.parse(run.tables.failure ?? "").message]).toEqual(["failed", "the bank is closed"])
  })
})

const action = FastCheck.constantFrom("end", "end", "end", "crash", "handOver", "cancel", "die")

effectIt.prop(
  "a run that winds down undoes all that has committed, once and in reverse, whatever dies in between",
  { actions: FastCheck.array(FastCheck.tuple(action, FastCheck.nat(9)), { maxLength: 30 }) },
  ({ actions }) => {
    const run = started(trip, rule)
    const ended: Array<string> = []
    const end = (pick: number, outcome?: AttemptOutcome) => {
      const keys = [...run.running.keys()]
      const key = keys[pick % Math.max(1, keys.length)]
      if (key === undefined) {
        run.look()
        return
      }
      const [nodeId = "", firing] = key.split("/")
      const isKept = nodeId === "split" || nodeId === "book"
      if (isKept) ended.push(outcome === undefined ? key : `${key}?`)
      run.end(nodeId, Number(firing), nodeId === compensationNode ? undefined : outcome)
    }
    for (const [what, pick] of actions) {
      if (run.ended) break
      if (what === "end") end(pick)
      else if (what === "die") end(pick, dies)
      else if (what === "cancel") run.step([run.asks("cancel")])
      else {
        if (what === "crash") run.crash()
        else run.handOver()
        run.look()
      }
    }
    while (!run.ended) end(0)
    if (run.status === "completed") return
    const order = undone(run)
    const known = [...ended].reverse()
    // What had begun and never ended comes last of all that happened, so it is undone first.
    expect(order.filter((key) => known.includes(key))).toEqual(known)
    expect(order.filter((key) => !known.includes(key)).every((key) => key.endsWith("?"))).toBe(true)
    expect(new Set(order).size).toBe(order.length)
  },
  { fastCheck: { numRuns: 300, seed: 1 } }
)
