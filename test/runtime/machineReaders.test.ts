import { describe, expect, it } from "vitest"
import type { AttemptOutcome } from "../../src/model/Firing.js"
import { isUnread, type RunEvent } from "../../src/runtime/RunState.js"
import { graphOf } from "./machineGraphs.js"
import { encoded, type Harness } from "./machineHarness.js"
import { started, statuses } from "./machineViews.js"

/** One gives a stream, which two read. */
const graph = graphOf({
  nodes: {
    give: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
    read: { inputs: { xs: "stream give.xs" } },
    also: { inputs: { xs: "stream give.xs" } }
  }
})

const portOf = ({ plan }: Harness) => plan.byId.get("give")!.ports[0]!

const gives = ({ plan, streamed }: Harness): RunEvent => {
  streamed.add("give.xs/1")
  const place = { node: plan.byId.get("give")!.index, firing: 1, attempt: 1 }
  return { _tag: "Emitted", ...place, port: "xs", from: 0, values: [encoded("x")], committed: () => undefined }
}

const waits = ({ now }: Harness): AttemptOutcome => ({
  _tag: "Waits",
  reason: "sleeps",
  resumeAt: now + 1_000,
  steps: []
})

/** A reader that has had enough. */
const leaves = (name: string): AttemptOutcome => ({
  _tag: "Completed",
  outputs: { out: [encoded(name)] },
  read: { xs: { positions: { "give.xs": [1, 1] }, whole: false } }
})

describe("a stream", () => {
  it("is unread when all its readers have ended, in this life and in each after it", () => {
    const run = started(graph)
    run.step([gives(run)])
    run.end("read", 1, leaves("read"))
    expect(isUnread(portOf(run), run.state.nodes)).toBe(false)
    run.end("also", 1, leaves("also"))
    expect(isUnread(portOf(run), run.state.nodes)).toBe(true)
    run.crash()
    expect(isUnread(portOf(run), run.state.nodes)).toBe(true)
    run.look()
    run.end("give", 1, { _tag: "Completed", outputs: { xs: [] }, streamed: { xs: 1 } })
    expect(run.status).toBe("completed")
  })

  it("wakes who gives it and waits in a step, when its last reader has ended", () => {
    const run = started(graph)
    run.step([gives(run)])
    run.end("give", 1, waits(run))
    run.end("read", 1, leaves("read"))
    expect(statuses(run, "give")).toEqual(["suspended"])
    run.end("also", 1, leaves("also"))
    expect(statuses(run, "give")).toEqual(["running"])
  })

  it("of a port that leads nowhere, or to the output, has no reader whose end would end it", () => {
    const plain = graphOf({
      nodes: { give: { inputs: { a: "input.in" }, outputs: { xs: "many", ys: "many" } } },
      results: { all: "array give.xs" }
    })
    const run = started(plain)
    const { ports } = run.plan.byId.get("give")!
    expect(ports.map((port) => isUnread(port, run.state.nodes))).toEqual([false, false])
  })

  it("that nobody will read is discarded from its first message on, whichever came first", () => {
    const skipping = graphOf({
      nodes: {
        split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
        work: { inputs: { x: "split.xs" } },
        rare: { inputs: { a: "input.in" }, error: true },
        never: { inputs: { why: "rare.error" } },
        read: { inputs: { xs: "stream work.out", why: "shared never.out" } }
      }
    })
    const run = started(skipping)
    run.end("split", 1, { _tag: "Completed", outputs: { xs: [encoded("a"), encoded("b")] } })
    run.end("work", 2)
    run.end("work", 1)
    run.end("rare", 1)
    expect(run.status).toBe("completed")
    expect(statuses(run, "read")).toEqual(["skipped"])
    const messages = run.tables.messagesOn("read", "xs")
    expect(messages.map(({ discarded, firing }) => [firing, discarded]).sort()).toEqual([
      [1, true],
      [2, true]
    ])
  })

  it("whose producers are skipped is empty to who reads another beside, whichever is known first; who reads nothing else is skipped", () => {
    for (const outputs of [
      { now: "one", never: "optional" },
      { never: "optional", now: "one" }
    ] as const) {
      const routes = graphOf({
        nodes: {
          route: { inputs: { a: "input.in" }, outputs },
          absent: { inputs: { x: "route.never" } },
          both: { inputs: { xs: "stream absent.out", ys: "stream route.now" } },
          only: { inputs: { xs: "stream absent.out", more: "stream absent.out" } }
        }
      })
      const run = started(routes)
      run.end("route", 1, { _tag: "Completed", outputs: { now: [encoded("a")], never: [] } })
      expect([statuses(run, "both"), statuses(run, "only")]).toEqual([["running"], ["skipped"]])
    }
  })
})
