import { describe, expect, it } from "vitest"
import { chain, graphOf, handlers } from "./machineGraphs.js"
import { Harness } from "./machineHarness.js"
import { discarded, given, inbox, runOut, started, statuses, taken } from "./machineViews.js"

/** `split` puts three elements on `xs`, `worker` takes one after the other. */
const fanOut = graphOf({
  nodes: {
    split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
    worker: { inputs: { x: "split.xs" } },
    join: { inputs: { ys: "all worker.out" } }
  },
  results: { all: "value join.out" }
})
const three = { split: () => ({ xs: ["x1", "x2", "x3"] }) }
const filter = { filter: ({ x }: { readonly [handle: string]: unknown }) => (x === "x2" ? {} : { kept: `kept ${x}` }) }

describe("input modes", () => {
  it("one takes one message per handle, aligned by position", () => {
    const graph = graphOf({
      nodes: {
        split: { inputs: { a: "input.in" }, outputs: { xs: "many", ys: "many" } },
        zip: { inputs: { x: "split.xs", y: "split.ys" } }
      },
      results: { pairs: "array zip.out" }
    })
    const run = runOut(started(graph, handlers({ split: () => ({ xs: ["x1", "x2"], ys: ["y1", "y2"] }) })))
    expect(run.tables.output).toBe('{"pairs":["x1+y1","x2+y2"]}')
  })

  it("shared is one value, given to every firing", () => {
    const graph = graphOf({
      input: ["in", "rate"],
      nodes: {
        split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
        convert: { inputs: { x: "split.xs", rate: "shared input.rate" } }
      },
      results: { converted: "array convert.out" }
    })
    const run = runOut(started(graph, handlers(three)))
    expect(run.tables.output).toBe('{"converted":["x1+rate","x2+rate","x3+rate"]}')
  })

  it("shared skips every firing if its value never comes", () => {
    const graph = graphOf({
      nodes: {
        split: { inputs: { a: "input.in" }, outputs: { xs: "many", none: "many", route: "optional" } },
        zip: { inputs: { a: "split.none", b: "input.in" } },
        empty: { inputs: { x: "split.xs", value: "shared zip.out" } },
        tombstone: { inputs: { x: "split.xs", value: "shared split.route" } }
      }
    })
    const run = runOut(started(graph, handlers({ split: () => ({ xs: ["x1", "x2"], none: [] }) })))
    expect([statuses(run, "zip"), run.status]).toEqual([[], "completed"])
    expect(statuses(run, "empty")).toEqual(["skipped", "skipped"])
    expect(statuses(run, "tombstone")).toEqual(["skipped", "skipped"])
  })

  it("all is everything until the end, as an array in position order", () => {
    const run = started(fanOut, handlers(three))
    run.end("split")
    run.end("worker", 3)
    run.end("worker", 1)
    expect(run.running.has("join/1")).toBe(false)
    run.end("worker", 2)
    expect(given(run, "join/1", "ys")).toEqual(["x1", "x2", "x3"])
  })

  it("all takes what is there at once when its producer ended before", () => {
    const run = started(graphOf({ nodes: { first: { inputs: { a: "all input.in" } } } }))
    expect(given(run, "first/1", "a")).toEqual(["in"])
  })
})

describe("outputs", () => {
  it("each element of many is a durable message", () => {
    const run = started(fanOut, handlers(three))
    run.end("split")
    run.crash()
    expect(inbox(run, "worker", "x")).toEqual(["x1", "x2", "x3"])
    run.look()
    expect(runOut(run).tables.output).toBe('{"all":"[\\"x1\\",\\"x2\\",\\"x3\\"]"}')
  })

  it("optional is a route that may not be taken", () => {
    const graph = graphOf({
      nodes: {
        route: { inputs: { a: "input.in" }, outputs: { small: "optional", large: "optional" } },
        small: { inputs: { a: "route.small" } },
        large: { inputs: { a: "route.large" } }
      },
      results: { small: "option small.out", large: "option large.out" }
    })
    const run = runOut(started(graph, handlers({ route: () => ({ small: "s" }) })))
    expect([statuses(run, "small"), statuses(run, "large")]).toEqual([["completed"], ["skipped"]])
    expect(run.tables.output).toBe('{"small":"s"}')
  })
})

describe("positions", () => {
  const graph = graphOf({
    nodes: {
      split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
      filter: { inputs: { x: "split.xs" }, outputs: { kept: "optional" } },
      after: { inputs: { x: "filter.kept" } },
      zip: { inputs: { x: "split.xs", kept: "filter.kept" } },
      end: { inputs: { z: "zip.out" } }
    },
    results: { zipped: "array end.out" }
  })

  it("are those of the producer's firings, whatever the order of commits; one waits for gaps", () => {
    const run = started(graph, handlers({ ...three, ...filter }))
    run.end("split")
    run.end("filter", 3)
    expect(statuses(run, "after")).toEqual([])
    run.end("filter", 1)
    expect(statuses(run, "after")).toEqual(["running"])
    run.end("filter", 2)
    expect(taken(run, "after", "x")).toEqual(["kept x1", "not_taken", "kept x3"])
  })

  it("count tombstones, so that a zip never pairs wrong items", () => {
    const run = runOut(started(graph, handlers({ ...three, ...filter })))
    expect(taken(run, "zip", "kept")).toEqual(["kept x1", "not_taken", "kept x3"])
    expect(statuses(run, "zip")).toEqual(["completed", "skipped", "completed"])
    expect(run.tables.output).toBe('{"zipped":["x1+kept x1","x3+kept x3"]}')
  })

  it("close dead paths by themselves: a skipped firing leaves a tombstone too", () => {
    const run = runOut(started(graph, handlers({ ...three, ...filter })))
    expect(taken(run, "end", "z")).toEqual(["x1+kept x1", "skipped", "x3+kept x3"])
    expect(statuses(run, "end")).toEqual(["completed", "skipped", "completed"])
  })

  it("stay as they are with skips where an earlier firing still runs", () => {
    const run = started(graph, handlers({ ...three, ...filter }))
    run.end("split")
    run.step([run.ends("filter", 1), run.ends("filter", 2), run.ends("filter", 3)])
    run.end("zip", 3)
    expect(statuses(run, "zip")).toEqual(["running", "skipped", "completed"])
    expect(statuses(run, "end")).toEqual([])
    run.end("zip", 1)
    expect(statuses(run, "end")).toEqual(["running", "skipped", "running"])
  })
})

describe("tombstones", () => {
  it("tell a route not taken, a failure and a skip apart", () => {
    const graph = graphOf({
      nodes: {
        charge: { inputs: { a: "input.in" }, outputs: { out: "one", bonus: "optional" }, error: true },
        ship: { inputs: { a: "charge.out" } },
        thank: { inputs: { a: "ship.out" } },
        notify: { inputs: { problem: "charge.error" } }
      }
    })
    const failing = runOut(started(graph, handlers({ charge: () => ({ fails: "declined" }) })))
    expect([taken(failing, "ship", "a"), taken(failing, "thank", "a")]).toEqual([["failed"], ["skipped"]])
    expect(taken(failing, "notify", "problem")).toEqual(["declined"])
    const working = runOut(started(graph))
    expect(taken(working, "notify", "problem")).toEqual(["not_taken"])
    expect([failing.status, working.status]).toEqual(["completed", "completed"])
  })

  it("are not left by an empty many: nothing fires, and all gets an empty array", () => {
    const run = runOut(started(fanOut, handlers({ split: () => ({ xs: [] }) })))
    expect(statuses(run, "worker")).toEqual([])
    expect(run.tables.output).toBe('{"all":"[]"}')
  })

  it("don't reach all, which is skipped only if all its producers were skipped", () => {
    const graph = graphOf({
      nodes: {
        route: { inputs: { a: "input.in" }, outputs: { left: "optional", right: "optional" } },
        left: { inputs: { a: "route.left" } },
        right: { inputs: { a: "route.right" } },
        both: { inputs: { xs: "all left.out right.out" } },
        none: { inputs: { xs: "all route.left" } }
      },
      results: { both: "option both.out", none: "option none.out" }
    })
    const right = runOut(started(graph, handlers({ route: () => ({ right: "r" }) })))
    expect(right.tables.output).toBe('{"both":"[\\"r\\"]","none":"[]"}')
    const neither = runOut(started(graph, handlers({ route: () => ({}) })))
    expect(statuses(neither, "both")).toEqual(["skipped"])
    expect(neither.tables.output).toBe('{"none":"[]"}')
  })
})

describe("several producers into one handle", () => {
  const graph = graphOf({
    nodes: {
      split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
      left: { inputs: { x: "split.xs" }, outputs: { out: "optional" } },
      right: { inputs: { x: "split.xs" }, outputs: { out: "optional" } },
      merge: { inputs: { x: "left.out right.out" }, concurrency: 1 }
    },
    results: { merged: "array merge.out" }
  })
  const sided = {
    ...three,
    left: ({ x }: { readonly [handle: string]: unknown }) => ({ out: `l ${x}` }),
    right: () => ({})
  }

  it("keep the order of each, and tombstones don't enter", () => {
    const run = started(graph, handlers({ ...sided, right: ({ x }) => (x === "x2" ? {} : { out: `r ${String(x)}` }) }))
    run.end("split")
    run.end("right", 3)
    run.end("right", 1)
    run.end("left", 2)
    run.end("right", 2)
    run.end("left", 1)
    runOut(run)
    expect(taken(run, "merge", "x")).toEqual(["r x1", "r x3", "l x1", "l x2", "l x3"])
    expect(discarded(run, "merge", "x")).toEqual(["not_taken"])
  })

  it("record the merge: what a firing took is the same after a death", () => {
    const run = started(graph, handlers({ ...sided, right: ({ x }) => ({ out: `r ${String(x)}` }) }))
    run.end("split")
    run.end("right", 1)
    run.end("left", 1)
    run.crash()
    run.look()
    runOut(run)
    expect(taken(run, "merge", "x")[0]).toBe("r x1")
    expect(statuses(run, "merge")).toHaveLength(6)
  })

  it("skip their consumer only if nothing came", () => {
    const some = runOut(started(graph, handlers(sided)))
    expect(statuses(some, "merge")).toEqual(["completed", "completed", "completed"])
    const none = runOut(started(graph, handlers({ ...sided, left: () => ({}) })))
    expect([statuses(none, "merge"), taken(none, "merge", "x")]).toEqual([["skipped"], ["nothing"]])
  })

  it("count for one firing if nothing came, which takes what is aligned with it", () => {
    const zipped = graphOf({
      nodes: {
        route: { inputs: { a: "input.in" }, outputs: { left: "optional", right: "optional" } },
        slow: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
        zip: { inputs: { merged: "route.left route.right", x: "slow.xs" } }
      }
    })
    const run = started(zipped, handlers({ route: () => ({}), slow: () => ({ xs: ["x1", "x2"] }) }))
    run.end("route")
    expect(statuses(run, "zip")).toEqual([])
    run.end("slow")
    expect([statuses(run, "zip"), taken(run, "zip", "x"), discarded(run, "zip", "x")]).toEqual([
      ["skipped"],
      ["x1"],
      ["x2"]
    ])
  })
})

describe("concurrency", () => {
  const bounded = graphOf({
    nodes: {
      split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
      worker: { inputs: { x: "split.xs" }, concurrency: 2 }
    }
  })

  it("bounds the firings of a node at once", () => {
    const run = started(bounded, handlers(three))
    run.end("split")
    expect([...run.running.keys()]).toEqual(["worker/1", "worker/2"])
    run.end("worker", 2)
    expect([...run.running.keys()]).toEqual(["worker/1", "worker/3"])
  })

  it("is bounded by the slots there are, and says so", () => {
    const run = started(bounded, handlers(three))
    run.step([run.ends("split")], { slots: 1 })
    expect([[...run.running.keys()], run.hungry]).toEqual([["worker/1"], true])
    run.look({ slots: 5 })
    expect([[...run.running.keys()], run.hungry]).toEqual([["worker/1", "worker/2"], false])
  })

  it("commits together what finishes together", () => {
    const run = started(bounded, handlers(three))
    run.end("split")
    const { commit } = run.step([run.ends("worker", 1), run.ends("worker", 2)])
    expect([...commit!.firings, ...commit!.started].map(({ firing, status }) => [firing, status])).toEqual([
      [1, "completed"],
      [2, "completed"],
      [3, "running"]
    ])
    expect(run.end("worker", 3).commit?.version).toBe(4)
  })

  it("costs one commit for each firing at most, and one for the start", () => {
    expect(runOut(started(chain(10))).commits).toBe(11)
  })
})

describe("the end of a node", () => {
  it("waits for what runs and what is tried again", () => {
    const run = started(fanOut, handlers(three))
    run.end("split")
    run.end("worker", 1)
    run.end("worker", 3)
    run.end("worker", 2, { _tag: "Failed", kind: "error", message: "again", retryAt: run.now + 5 })
    expect(run.status).toBe("suspended")
    run.wait()
    expect(statuses(run, "join")).toEqual([])
    run.end("worker", 2)
    expect(given(run, "join/1", "ys")).toEqual(["x1", "x2", "x3"])
  })

  it("discards the left-overs of a zip, also those that come later", () => {
    const graph = graphOf({
      nodes: {
        split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
        slow: { inputs: { x: "split.xs" } },
        zip: { inputs: { x: "slow.out", once: "input.in" } }
      }
    })
    const run = started(graph, handlers(three))
    run.end("split")
    run.end("slow", 1)
    run.end("slow", 3)
    expect(discarded(run, "zip", "x")).toEqual([])
    run.end("zip", 1)
    expect(discarded(run, "zip", "x")).toEqual(["x3"])
    run.end("slow", 2)
    expect([run.status, discarded(run, "zip", "x")]).toEqual(["completed", ["x3", "x2"]])
  })
})

describe("errors and results", () => {
  const graph = (wired: boolean) =>
    graphOf({
      nodes: {
        charge: { inputs: { a: "input.in" }, error: true },
        notify: { inputs: { a: wired ? "charge.error" : "input.in" } }
      },
      results: { receipt: "first charge.out notify.out" }
    })

  it("an error that is wired is a message; unwired it fails the run", () => {
    const fails = handlers({ charge: () => ({ fails: "declined" }) })
    expect(runOut(started(graph(true), fails)).tables.output).toBe('{"receipt":"declined"}')
    const unwired = started(graph(false), fails)
    unwired.end("charge")
    expect([unwired.status, statuses(unwired, "notify")]).toEqual(["failed", ["cancelled"]])
    expect(JSON.parse(unwired.tables.failure!)).toMatchObject({ kind: "error", nodeId: "charge", error: "declined" })
  })

  it("a defect fails the run even where the error is wired", () => {
    const run = runOut(started(graph(true), handlers({ charge: () => ({ dies: "bug" }) })))
    expect([run.status, run.tables.row.reason]).toEqual(["failed", "bug"])
  })

  it("an output that did not come fails the run unless it is an option or an array", () => {
    const results = (mode: "first" | "option" | "array") =>
      graphOf({
        nodes: { route: { inputs: { a: "input.in" }, outputs: { out: "optional" } } },
        results: { it: `${mode} route.out` }
      })
    const outputs = (["first", "option", "array"] as const).map(
      (mode) => runOut(started(results(mode), handlers({ route: () => ({}) }))).tables.output
    )
    expect(outputs).toEqual([null, "{}", '{"it":[]}'])
  })

  it("an output that came long before the end survives a death", () => {
    const graph = graphOf({
      nodes: { quick: { inputs: { a: "input.in" } }, slow: { inputs: { a: "input.in" } } },
      results: { quick: "value quick.out" }
    })
    const run = started(graph)
    run.end("quick")
    run.crash()
    run.look()
    expect(runOut(run).tables.output).toBe('{"quick":"in"}')
  })

  it("a run without nodes gives its input back", () => {
    const run = new Harness(graphOf({ nodes: {}, results: { it: "value input.in" } }), handlers())
    run.start({ in: 7 }, { slots: 0 })
    expect([run.status, run.tables.output]).toEqual(["completed", '{"it":7}'])
  })
})
