import { describe, expect, it } from "vitest"
import type { AttemptOutcome } from "../../src/model/Firing.js"
import type { StepRow } from "../../src/model/StepRow.js"
import { compilePlan } from "../../src/runtime/Plan.js"
import { pendingRanges } from "../../src/runtime/Rebuild.js"
import { decide } from "../../src/runtime/RunMachine.js"
import { freshState } from "../../src/runtime/RunState.js"
import { chain, graphOf, handlers } from "./machineGraphs.js"
import { encoded, Harness } from "./machineHarness.js"
import { runId } from "./machineRows.js"
import { arrivals, given, inbox, runOut, started, statuses } from "./machineViews.js"

const fails = (retryAt?: number): AttemptOutcome => ({
  ...{ _tag: "Failed", kind: "error", message: "no luck" },
  ...(retryAt === undefined ? {} : { retryAt })
})
const suspends = (state: string, resumeAt?: number): AttemptOutcome => ({
  ...{ _tag: "Suspended", reason: "asked the bank", state },
  ...(resumeAt === undefined ? {} : { resumeAt })
})
const splitting = handlers({ split: () => ({ xs: ["x1", "x2", "x3"] }) })

describe("a retry", () => {
  it("counts outcomes of the handler and stands with its time in the rows", () => {
    const run = started(chain(1))
    run.end("n0", 1, fails(run.now + 50))
    expect([run.status, run.dueAt, run.tables.row.reason]).toEqual(["suspended", run.now + 50, "n0: retry"])
    expect(run.tables.firingsOf("n0")).toMatchObject([
      { status: "scheduled", attempt: 2, notBefore: run.now + 50, reason: "no luck" }
    ])
    run.look()
    expect(run.status).toBe("suspended")
    run.wait()
    expect(run.tables.firingsOf("n0")).toMatchObject([{ status: "running", attempt: 2, notBefore: null, reason: null }])
    expect(runOut(run).status).toBe("completed")
  })

  it("is not used up by a death, which is counted apart", () => {
    const run = started(chain(1))
    run.end("n0", 1, fails(run.now))
    run.crash()
    expect(run.status).toBe("recovering")
    run.look()
    expect(run.tables.firingsOf("n0")).toMatchObject([{ status: "running", attempt: 2, crashes: 1 }])
    run.handOver()
    run.look()
    expect(run.tables.firingsOf("n0")).toMatchObject([{ status: "running", attempt: 2, crashes: 1 }])
  })

  it("hears no more of an attempt that is over", () => {
    const run = started(chain(2))
    const stale = run.ends("n0")
    run.end("n0", 1, fails(run.now))
    expect(run.step([stale]).commit).toBeUndefined()
    run.end("n0")
    expect(statuses(run, "n1")).toEqual(["running"])
  })
})

describe("a firing that waits in a step", () => {
  const waits = (resumeAt?: number): AttemptOutcome => ({
    ...{ _tag: "Waits", reason: "sleeps", steps: [] },
    ...(resumeAt === undefined ? {} : { resumeAt })
  })
  const signal = (run: Harness) =>
    ({ _tag: "SignalArrived", seq: run.tables.deliver("n0", "1"), nodeId: "n0" }) as const

  it("keeps what it took and its attempt, and starts again when its time has come, also after a death", () => {
    const run = started(chain(2))
    run.end("n0", 1, waits(run.now + 50))
    expect([run.status, run.dueAt, run.tables.row.reason]).toEqual(["suspended", run.now + 50, "n0: sleeps"])
    run.crash()
    run.look()
    expect(statuses(run, "n0")).toEqual(["suspended"])
    run.wait()
    expect(run.tables.firingsOf("n0")).toMatchObject([{ status: "running", attempt: 1, crashes: 0 }])
    expect(runOut(run).status).toBe("completed")
  })

  it("starts again when a signal comes to its node, and is started at once if its time is over", () => {
    const run = started(chain(2))
    run.end("n0", 1, waits())
    expect([run.status, run.dueAt]).toEqual(["suspended", undefined])
    run.step([signal(run)])
    expect(statuses(run, "n0")).toEqual(["running"])
    run.end("n0", 1, waits(0))
    expect(statuses(run, "n0")).toEqual(["running"])
    expect(runOut(run).status).toBe("completed")
  })

  it("remembers its steps with the commit that suspends it, and those of a running firing by themselves", () => {
    const row: StepRow = {
      ...{ nodeId: "n0", firing: 1, kind: "sleep", name: "s", key: "", status: "waiting", attempt: 1 },
      ...{ firingAttempt: 1, notBefore: 5, value: null, inputSeq: null }
    }
    const run = started(chain(2))
    const reached = { _tag: "StepReached", node: run.running.get("n0/1")!.node, firing: 1, attempt: 1, row } as const
    expect(run.step([reached]).commit?.steps).toEqual([row])
    expect(run.end("n0", 1, { _tag: "Waits", reason: "sleeps", steps: [row] }).commit?.steps).toEqual([row])
    expect(run.step([reached]).commit).toBeUndefined()
  })

  it("is no reason to give a signal to a node that has ended", () => {
    const run = started(chain(2))
    run.end("n0")
    expect(run.step([signal(run)]).commit?.applied).toMatchObject([{ status: "dead" }])
  })
})

describe("a firing that suspends itself", () => {
  const poll = graphOf({
    nodes: {
      split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
      poll: { inputs: { x: "split.xs" }, resumable: true }
    },
    results: { answers: "array poll.out" }
  })
  const asked = () => {
    const run = started(poll, splitting)
    run.end("split")
    return run
  }
  const states = (run: Harness) => run.tables.firingsOf("poll").map(({ state }) => state)

  it("goes on with its state and the event that woke it, and waits for the next event after that", () => {
    const run = asked()
    run.end("poll", 1, suspends("1"))
    run.step([run.arrives("poll", "first")])
    expect([run.running.get("poll/1")?.firing.state, given(run, "poll/1", "$external")]).toEqual(["1", "first"])
    run.end("poll", 1, suspends("2"))
    expect(statuses(run, "poll")[0]).toBe("suspended")
    run.crash()
    run.look()
    run.step([run.arrives("poll", "second")])
    expect([run.running.get("poll/1")?.firing.state, given(run, "poll/1", "$external")]).toEqual(["2", "second"])
  })

  it("is the oldest that waits to get an event; none is given twice", () => {
    const run = asked()
    run.step([1, 2, 3].map((firing) => run.ends("poll", firing, suspends(String(firing)))))
    expect([run.status, run.tables.row.reason]).toEqual(["suspended", "poll: asked the bank"])
    run.step([run.arrives("poll", "a"), run.arrives("poll", "b")])
    run.step([run.ends("poll", 1, suspends("1 again"))])
    run.step([run.arrives("poll", "c")])
    expect([1, 2].map((firing) => given(run, `poll/${firing}`, "$external"))).toEqual(["c", "b"])
    run.end("poll", 1, { _tag: "Completed", outputs: { out: [encoded("done")] } })
    run.crash()
    run.look()
    expect(statuses(run, "poll")).toEqual(["completed", "running", "suspended"])
    expect(states(run)).toEqual([null, "2", "3"])
  })

  it("keeps its event through a retry", () => {
    const run = asked()
    run.end("poll", 1, suspends("1"))
    run.step([run.arrives("poll", "event")])
    run.end("poll", 1, fails(run.now))
    expect(given(run, "poll/1", "$external")).toBe("event")
  })

  it("goes on when its time has come, also after a death, without an event", () => {
    const run = asked()
    run.end("poll", 1, suspends("1"))
    run.step([run.arrives("poll", "event")])
    run.step([run.ends("poll", 1, suspends("2", run.now + 10))], { slots: 0 })
    run.crash()
    expect(run.dueAt).toBe(run.now + 10)
    run.wait()
    expect([run.running.get("poll/1")?.firing.state, given(run, "poll/1", "$external")]).toEqual(["2", undefined])
  })
})

describe("a pause", () => {
  const wide = graphOf({
    nodes: {
      split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
      worker: { inputs: { x: "split.xs" }, concurrency: 1 }
    }
  })

  it("stops starts, lets what runs end, and a resume continues", () => {
    const run = started(wide, splitting)
    run.end("split")
    run.step([run.asks("pause")])
    run.end("worker", 1)
    expect([run.status, statuses(run, "worker"), run.hungry]).toEqual(["paused", ["completed"], false])
    run.crash()
    expect(run.status).toBe("paused")
    run.step([run.asks("pause")])
    run.step([run.asks("resume")])
    expect([run.status, statuses(run, "worker")]).toEqual(["running", ["completed", "running"]])
    run.step([run.asks("resume")])
    expect(arrivals(run)).toEqual(["applied", "refused", "applied", "refused"])
  })

  it("hides timers, so that nobody comes for them", () => {
    const run = started(chain(1))
    run.end("n0", 1, fails(run.now + 5))
    run.step([run.asks("pause")])
    expect([run.status, run.dueAt]).toEqual(["paused", undefined])
    run.now += 10
    expect(run.look().commit).toBeUndefined()
    run.step([run.asks("resume")])
    expect(run.running.size).toBe(1)
  })

  it("has nothing to stop when the last firing ends, well or badly", () => {
    const outcomes = [undefined, fails()].map((outcome) => {
      const run = started(chain(1))
      run.step([run.asks("pause")])
      run.end("n0", 1, outcome)
      return run.status
    })
    expect(outcomes).toEqual(["completed", "failed"])
  })
})

describe("a cancel", () => {
  it("interrupts what runs, starts nothing, and ends when the last firing has", () => {
    const run = started(graphOf({ nodes: { a: { inputs: { x: "input.in" } }, b: { inputs: { x: "a.out" } }, c: {} } }))
    expect(run.step([run.asks("cancel")]).interrupt).toBe(true)
    expect(run.status).toBe("cancelling")
    run.end("c", 1, { _tag: "Interrupted" })
    expect([run.status, statuses(run, "c")]).toEqual(["cancelling", ["cancelled"]])
    run.end("a")
    expect([run.status, inbox(run, "b", "x"), statuses(run, "b")]).toEqual(["cancelled", ["in"], []])
  })

  it("ends so whatever a firing comes to meanwhile, and after a death too", () => {
    const outcomes = [fails(), fails(5), suspends("1"), undefined].map((outcome) => {
      const run = started(graphOf({ nodes: { a: { inputs: { x: "input.in" }, resumable: true } } }))
      run.step([run.asks("cancel")])
      run.end("a", 1, outcome)
      return [run.status, ...statuses(run, "a")].join(" with ")
    })
    const each = ["failed", "failed", "cancelled", "completed"].map((status) => `cancelled with ${status}`)
    expect(outcomes).toEqual(each)
    const dying = started(chain(1))
    dying.step([dying.asks("cancel")])
    dying.crash()
    expect(dying.status).toBe("cancelled")
  })

  it("is refused where the run fails first, and where it is being cancelled already", () => {
    const failing = started(chain(1))
    failing.step([failing.ends("n0", 1, fails()), failing.asks("cancel")])
    expect([failing.status, arrivals(failing)]).toEqual(["failed", ["refused"]])
    const cancelled = started(chain(1))
    cancelled.step([
      cancelled.asks("cancel"),
      cancelled.asks("cancel"),
      cancelled.asks("pause"),
      cancelled.asks("retry")
    ])
    expect(arrivals(cancelled)).toEqual(["applied", "refused", "refused", "refused"])
  })

  it("ends a run that waits, or is paused, at once", () => {
    for (const commands of [["cancel"], ["pause", "cancel"]] as const) {
      const run = started(graphOf({ nodes: { wait: { trigger: 1 } } }))
      for (const command of commands) run.step([run.asks(command)])
      expect([run.status, statuses(run, "wait")]).toEqual(["cancelled", ["cancelled"]])
    }
  })
})

describe("a start", () => {
  it("is committed even if nothing of it can start", () => {
    const run = new Harness(graphOf({ nodes: { alone: {} } }), handlers())
    run.start({}, { slots: 0 })
    expect([run.commits, run.status, run.hungry]).toEqual([1, "pending", true])
    run.look()
    expect([run.commits, run.status]).toEqual([2, "running"])
  })
})

describe("recovery", () => {
  it("reads what is pending, not what has happened", () => {
    const run = started(
      graphOf({
        nodes: {
          split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
          worker: { inputs: { x: "split.xs" }, concurrency: 1 }
        }
      }),
      handlers({ split: () => ({ xs: Array.from({ length: 200 }, (_, index) => index) }) })
    )
    run.end("split")
    for (let firing = 1; firing <= 195; firing++) run.end("worker", firing)
    const { firings, messages } = run.tables.read()
    // The row of the one that runs is written when it ends.
    expect(firings).toEqual([])
    expect(messages.map(({ ordinal }) => ordinal)).toEqual([195, 196, 197, 198, 199])
  })

  it("gives every element of a long queue to the firing of its place", () => {
    const xs = Array.from({ length: 200 }, (_, index) => index)
    const graph = graphOf({
      nodes: {
        split: { inputs: { a: "input.in" }, outputs: { xs: "many" } },
        worker: { inputs: { x: "split.xs" }, concurrency: 1 }
      },
      results: { all: "array worker.out" }
    })
    const run = runOut(started(graph, handlers({ split: () => ({ xs }) })))
    expect(JSON.parse(run.tables.output!)).toEqual({ all: xs.map(String) })
  })

  it("needs few characters of a run's row, however long the run", () => {
    const plan = compilePlan(chain(500))
    let { start, state, commit } = decide(freshState(plan, runId), [{ _tag: "Started", input: { in: encoded(1) } }], {
      now: 0,
      slots: 1
    })
    let commits = 0
    while (commit !== undefined) {
      commits++
      expect(JSON.stringify(commit.frontier).length).toBeLessThan(300)
      expect(pendingRanges(plan, { ...commit, ...row, frontier: commit.frontier }).length).toBeLessThanOrEqual(2)
      const [running] = start
      if (running === undefined) break
      const outcome = { _tag: "Completed", outputs: { out: [encoded(commits)] } } as const
      const ended = { node: running.node, firing: 1, attempt: 1, outcome }
      ;({ start, state, commit } = decide(state, [{ _tag: "AttemptEnded", ...ended }], { now: 0, slots: 1 }))
    }
    expect([state.status, commits]).toEqual(["completed", 501])
  })
})

const row = { workflow: "example", workflowVersion: 1, fence: 1, worker: null, priority: 0 }
