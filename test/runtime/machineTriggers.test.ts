import { describe, expect, it } from "vitest"
import { graphOf, handlers } from "./machineGraphs.js"
import { arrivals, discarded, given, runOut, started, statuses } from "./machineViews.js"

describe("a trigger node", () => {
  const approval = (trigger: number | "endless") =>
    graphOf({
      nodes: { approval: { inputs: { order: "shared input.in" }, trigger } },
      results: { approved: trigger === 1 ? "value approval.out" : "array approval.out" }
    })

  it("fires once, with an event and its inputs, and keeps what comes after as dead", () => {
    const run = started(approval(1), handlers({ approval: ({ order }, event) => ({ out: `${order} ${event}` }) }))
    expect([run.status, run.tables.row.reason]).toEqual(["suspended", "approval: trigger"])
    run.step([run.arrives("approval", "yes"), run.arrives("approval", "no")])
    expect(runOut(run).tables.output).toBe('{"approved":"in yes"}')
    expect(arrivals(run)).toEqual(["applied", "dead"])
  })

  it("takes an event that came before the node waits", () => {
    const graph = graphOf({
      nodes: { first: { inputs: { a: "input.in" } }, wait: { inputs: { a: "first.out" }, trigger: 1 } }
    })
    const run = started(graph)
    run.step([run.arrives("wait", "early")])
    run.crash()
    run.look()
    run.end("first")
    expect(given(run, "wait/1", "$external")).toBe("early")
  })

  it("fires as often as it is declared to, or without end", () => {
    const twice = started(approval(2))
    for (const payload of ["a", "b", "c"]) twice.step([twice.arrives("approval", payload)])
    expect([statuses(runOut(twice), "approval"), twice.status]).toEqual([["completed", "completed"], "completed"])
    expect(arrivals(twice)).toEqual(["applied", "applied", "dead"])
    const endless = started(approval("endless"))
    endless.step(["a", "b", "c"].map((payload) => endless.arrives("approval", payload)))
    expect(statuses(runOut(endless), "approval")).toEqual(["completed", "completed", "completed", "suspended"])
    expect(endless.status).toBe("suspended")
  })

  it("is skipped once when a value that all its firings share never comes", () => {
    for (const trigger of [3, "endless"] as const) {
      const graph = graphOf({
        nodes: {
          route: { inputs: { a: "input.in" }, outputs: { out: "optional" } },
          wait: { inputs: { a: "shared route.out" }, trigger }
        }
      })
      const run = runOut(started(graph, handlers({ route: () => ({}) })))
      expect([statuses(run, "wait"), run.status]).toEqual([["skipped"], "completed"])
    }
  })

  it("waits with every message that is aligned, and gives events to them in order", () => {
    const graph = graphOf({
      nodes: {
        split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
        wait: { inputs: { x: "split.xs" }, trigger: "endless" }
      },
      results: { answers: "array wait.out" }
    })
    const split = () => ({ xs: ["x1", "x2"] })
    const run = started(graph, handlers({ split, wait: ({ x }, event) => ({ out: `${String(x)} ${String(event)}` }) }))
    run.end("split")
    expect(statuses(run, "wait")).toEqual(["suspended", "suspended"])
    run.step([run.arrives("wait", "a")])
    run.step([run.arrives("wait", "b")])
    run.end("wait", 2)
    expect(runOut(run).tables.output).toBe('{"answers":["x1 a","x2 b"]}')
  })

  it("discards events that found no firing, and refuses those it can't take", () => {
    const graph = graphOf({
      nodes: {
        route: { inputs: { a: "input.in" }, outputs: { out: "optional" } },
        wait: { inputs: { a: "route.out" }, trigger: 1 },
        long: { inputs: { a: "input.in" } }
      }
    })
    const run = started(graph, handlers({ route: () => ({}) }))
    run.step([run.arrives("wait", "early"), run.arrives("long", "takes none"), run.arrives("nobody", "unknown")])
    run.end("route")
    expect(discarded(run, "wait")).toEqual(["early"])
    run.step([run.arrives("wait", "late"), { _tag: "InputUnreadable", seq: run.tables.deliver("wait", "broken") }])
    expect(arrivals(run)).toEqual(["applied", "dead", "dead", "dead", "dead"])
  })
})
