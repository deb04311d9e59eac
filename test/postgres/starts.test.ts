import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { emptyFrontier } from "../../src/model/Frontier.js"
import { StateStore } from "../../src/store/StateStore.js"
import { Transactor } from "../../src/store/Transactor.js"
import { both, holding, incarnation, one, onFreshDatabase, query, runId, start, transact } from "./harness.js"

const startAll = (runs: ReadonlyArray<ReturnType<typeof start>>) =>
  Effect.flatMap(StateStore, (states) => transact(states.start(runs)))

const get = (id: string) => Effect.flatMap(StateStore, (states) => transact(states.get(runId(id))))

both(
  "a started run can be read with everything it was given",
  Effect.gen(function* () {
    const input = JSON.stringify({ text: "a\u0000b", order: [1, 2] })
    expect(yield* startAll([start("a", { input, priority: 3 })])).toEqual([{ _tag: "Started" }])
    expect(yield* get("a")).toMatchObject({
      runId: "a",
      workflow: "order",
      workflowVersion: 1,
      status: "pending",
      version: 1,
      fence: 0,
      worker: null,
      reason: null,
      input,
      output: null,
      failure: null,
      endedAt: null
    })
    expect((yield* get("a"))?.createdAt).toBeInstanceOf(Date)
    expect(yield* get("b")).toBeUndefined()
    expect(yield* one("select priority, ready from perdure.run_state")).toEqual({ priority: 3, ready: true })
  })
)

both(
  "a start with a worker takes the lease at once",
  Effect.gen(function* () {
    const worker = incarnation(1)
    yield* startAll([start("a", { worker, ready: false }, { fence: 1, status: "running" })])
    expect(yield* get("a")).toMatchObject({ worker, fence: 1, status: "running" })
    const states = yield* StateStore
    expect(yield* transact(states.leasedTo(worker))).toEqual(["a"])
  })
)

both(
  "the same start again finds the run, another one is told what differs",
  Effect.gen(function* () {
    yield* startAll([start("a", { input: "1" })])
    expect(
      yield* startAll([
        start("a", { input: "1" }),
        start("a", { workflow: "other" }),
        start("a", { workflowVersion: 2 }),
        start("a", { input: "2" }),
        start("b")
      ])
    ).toEqual([
      { _tag: "Exists", status: "pending" },
      { _tag: "Differs", field: "workflow" },
      { _tag: "Differs", field: "version" },
      { _tag: "Differs", field: "input" },
      { _tag: "Started" }
    ])
  })
)

both(
  "of two starts of one id in one batch the first wins and the second is compared with it",
  Effect.gen(function* () {
    expect(
      yield* startAll([start("b", { input: "1" }), start("a"), start("b", { input: "2" }), start("b", { input: "1" })])
    ).toEqual([
      { _tag: "Started" },
      { _tag: "Started" },
      { _tag: "Differs", field: "input" },
      { _tag: "Exists", status: "pending" }
    ])
    expect((yield* get("b"))?.input).toBe("1")
  })
)

it.live("a stranger's uncommitted start of the same name is waited for no longer than the lock time-out", () =>
  Effect.gen(function* () {
    yield* holding(`
      insert into perdure.run_state (run_id, workflow, workflow_version, status, version, fence, ready, frontier)
      values ('a', 'order', 1, 'pending', 1, 0, true, '{}')`)
    const { transact } = yield* Transactor
    const { start: starts } = yield* StateStore
    const error = yield* Effect.flip(transact("start", starts([start("a"), start("b")]), { lockTimeout: 50 }))
    expect(error).toMatchObject({ _tag: "DatabaseError", outcome: "retryable", sqlState: "55P03" })
    expect(yield* get("b")).toBeUndefined()
    expect(yield* startAll([start("b")])).toEqual([{ _tag: "Started" }])
  }).pipe(onFreshDatabase())
)

both(
  "a run that ends with its first commit has neither a lease nor anything to be looked for",
  Effect.gen(function* () {
    yield* startAll([
      start(
        "a",
        { worker: incarnation(1) },
        { fence: 1, status: "completed", output: "{}", frontier: { ...emptyFrontier, ended: "1" } }
      )
    ])
    expect(yield* get("a")).toMatchObject({ status: "completed", worker: null, output: "{}" })
    expect((yield* get("a"))?.endedAt).toBeInstanceOf(Date)
    expect(yield* query("select 1 from perdure.run_state where ready")).toEqual([])
  })
)
