import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { ClaimLook } from "../../src/store/StateStore.js"
import { StateStore } from "../../src/store/StateStore.js"
import { writeAll } from "../../src/store/Transactor.js"
import { Workers } from "../../src/store/Workers.js"
import {
  both,
  type commit,
  definition,
  firing,
  frontierWith,
  holding,
  incarnation,
  one,
  onFreshDatabase,
  open,
  query,
  runId,
  start,
  stored,
  transact
} from "./harness.js"

const dead = incarnation(1)
const me = incarnation(2)
const other = incarnation(3)

const definitions = [definition]
const ready: ClaimLook = { _tag: "Ready", definitions }
const due: ClaimLook = { _tag: "Due", definitions }
const orphaned: ClaimLook = { _tag: "Orphaned", definitions }
const named = (...ids: ReadonlyArray<string>): ClaimLook => ({ _tag: "Named", definitions, runIds: ids.map(runId) })
const own = (...ids: ReadonlyArray<string>): ClaimLook => ({ _tag: "Own", runIds: ids.map(runId) })

const claim = (look: ClaimLook, limit = 10, by = me) =>
  Effect.flatMap(StateStore, (states) => transact(states.claim(by, look, limit)))

const claimed = (look: ClaimLook, limit = 10, by = me) =>
  Effect.map(claim(look, limit, by), (claims) => claims.claimed.map((run) => run.row.runId))

const starts = (...runs: ReadonlyArray<ReturnType<typeof start>>) =>
  Effect.flatMap(StateStore, (states) =>
    transact(Effect.zipRight(states.start(runs), writeAll(states.writeFirings(runs.map((run) => run.first)))))
  )

/** Three workers, of which the first has died. */
const workers = Effect.flatMap(Workers, (store) =>
  transact(
    Effect.gen(function* () {
      for (const incarnation of [dead, me, other]) {
        yield* store.register({ incarnation, workerId: "w", leaseMs: 60_000, process: null, exclusive: false })
      }
      yield* store.leave(dead)
    })
  )
)

/** A run that a worker held. */
const held = (id: string, worker = dead, first: Parameters<typeof commit>[1] = {}) =>
  start(id, { worker, ready: false }, { fence: 1, status: "running", ...first })

describe("ready runs", () => {
  it.live("are claimed by priority, then by age, at most as many as asked for", () =>
    Effect.gen(function* () {
      for (const id of ["b", "a"]) yield* starts(start(id))
      yield* starts(start("urgent", { priority: 5 }))
      yield* starts(start("later"), start("blocked", { ready: false }))
      yield* query(`update perdure.run_state set created_at = now() - interval '1 h' * position(run_id in 'later a b')`)
      expect(yield* claimed(ready, 3)).toEqual(["urgent", "b", "a"])
      expect(yield* claimed(ready)).toEqual(["later"])
      expect(yield* claimed(ready)).toEqual([])
    }).pipe(onFreshDatabase())
  )

  both(
    "bear a new fence, the claimer and no more readiness; nothing else of them changes",
    Effect.gen(function* () {
      const frontier = open("n", 1, 2)
      yield* starts(start("a", {}, { frontier, firings: [firing("n", 1, { status: "scheduled" })] }))
      const { claimed: runs } = yield* claim(ready)
      expect(runs).toEqual([
        {
          row: {
            runId: "a",
            ...definition,
            status: "pending",
            version: 1,
            fence: 1,
            worker: me,
            priority: 0,
            reason: null,
            frontier
          },
          firings: [stored(firing("n", 1, { status: "scheduled" }))]
        }
      ])
      expect(yield* one("select ready, worker, fence from perdure.run_state")).toEqual({
        ready: false,
        worker: me,
        fence: 1
      })
    })
  )

  both(
    "of several definitions are taken from all of them, those of others are left alone",
    Effect.gen(function* () {
      const one = { workflow: "one", workflowVersion: 1 }
      const two = { workflow: "two", workflowVersion: 3 }
      yield* starts(start("x", one), start("y", two), start("z", { workflow: "two", workflowVersion: 2 }))
      expect(yield* claimed({ _tag: "Ready", definitions: [two, one] })).toEqual(expect.arrayContaining(["x", "y"]))
      expect(yield* claimed({ _tag: "Ready", definitions: [two, one] })).toEqual([])
    })
  )

  it.live("that somebody has locked are passed over", () =>
    Effect.gen(function* () {
      yield* starts(start("a"), start("b"))
      yield* holding("select from perdure.run_state where run_id = 'a' for update")
      expect(yield* claimed(ready)).toEqual(["b"])
    }).pipe(onFreshDatabase())
  )

  it.live("are claimed by one of many claimers each", () =>
    Effect.gen(function* () {
      yield* starts(...Array.from({ length: 40 }, (_, index) => start(`r${index}`)))
      const rounds = yield* Effect.all(
        Array.from({ length: 16 }, (_, index) => claimed(ready, 5, incarnation(100 + index))),
        { concurrency: "unbounded" }
      )
      const all = rounds.flat()
      expect(new Set(all).size).toBe(all.length)
      expect(yield* query("select 1 from perdure.run_state where fence > 1")).toEqual([])
    }).pipe(onFreshDatabase({ maxConnections: 16 }))
  )
})

describe("due runs", () => {
  it.live("are claimed when their time has come on the database's clock", () =>
    Effect.gen(function* () {
      yield* starts(start("a", { ready: false }), start("b", { ready: false }), start("c", { ready: false }))
      yield* query(`update perdure.run_state set due_at = perdure.clock() + case run_id
        when 'a' then interval '-1 s' when 'b' then interval '-2 s' else interval '1 hour' end`)
      expect(yield* claimed(due, 1)).toEqual(["b"])
      expect(yield* claimed(due)).toEqual(["a"])
      yield* query(`create or replace function perdure.clock() returns timestamptz language sql stable
        as 'select pg_catalog.now() + interval ''2 hours'''`)
      expect(yield* claimed(due)).toEqual(["c"])
    }).pipe(onFreshDatabase())
  )
})

describe("orphaned runs", () => {
  both(
    "are taken over from the dead, with a crash for each firing that was running",
    Effect.gen(function* () {
      yield* workers
      yield* starts(
        held("a", dead, {
          frontier: open("n", 2, 4),
          firings: [
            firing("n", 1, { status: "completed", emitted: {} }),
            firing("n", 2, { crashes: 1, attempt: 3 }),
            firing("n", 3, { status: "suspended", reason: "waits" })
          ]
        }),
        held("b", me),
        held("c", other)
      )
      const { claimed: runs, undecodable } = yield* claim(orphaned)
      expect(undecodable).toEqual([])
      expect(runs.map((run) => [run.row.runId, run.row.fence, run.row.status])).toEqual([["a", 2, "recovering"]])
      expect(runs[0]?.firings).toEqual([
        stored(firing("n", 2, { status: "scheduled", crashes: 2, attempt: 3 })),
        stored(firing("n", 3, { status: "suspended", reason: "waits" }))
      ])
    })
  )

  both(
    "have a row with a crash for each firing that only the frontier told of",
    Effect.gen(function* () {
      yield* workers
      const frontier = frontierWith("n", [2, 3], [[2, { in: { all: 1 } }, 1_000]])
      yield* starts(
        held("a", dead, { frontier, firings: [firing("n", 1, { status: "completed", emitted: {} })] }),
        held("b", other, { frontier })
      )
      const states = yield* StateStore
      const running = firing("n", 2, { inputs: { in: { all: 1 } }, startedAt: 1_000 })
      expect(yield* transact(states.openFirings(runId("a"), 10))).toEqual([running])
      expect((yield* transact(states.firings(runId("a"), 10)))[1]).toEqual(running)
      const { claimed: runs } = yield* claim(orphaned)
      expect(runs.map((run) => [run.row.runId, run.firings])).toEqual([
        ["a", [{ ...running, status: "scheduled", crashes: 1 }]]
      ])
      expect((yield* transact(states.openFirings(runId("a"), 10))).length).toBe(1)
      expect(yield* query("select run_id, firing from perdure.run_node_state where firing = 2")).toEqual([
        { run_id: "a", firing: 2 }
      ])
    })
  )

  both(
    "keep a status that says what they wait for, unless something was running",
    Effect.gen(function* () {
      yield* workers
      const frontier = open("n", 1, 2)
      const running = { frontier, firings: [firing("n", 1)] }
      yield* starts(
        held("cancelling", dead, { ...running, status: "cancelling" }),
        held("pending", dead, { status: "pending" }),
        held("pending-running", dead, { ...running, status: "pending" }),
        held("suspended", dead, { status: "suspended" }),
        held("suspended-running", dead, { ...running, status: "suspended" }),
        held("running", dead)
      )
      const { claimed: runs } = yield* claim(orphaned)
      expect(Object.fromEntries(runs.map((run) => [run.row.runId, run.row.status]))).toEqual({
        cancelling: "cancelling",
        pending: "pending",
        "pending-running": "recovering",
        suspended: "suspended",
        "suspended-running": "recovering",
        running: "recovering"
      })
      const rows = yield* query("select run_id, status from perdure.run_state order by run_id")
      for (const row of rows) {
        expect(runs.find((run) => run.row.runId === row["run_id"])?.row.status).toBe(row["status"])
      }
    })
  )

  both(
    "of a worker whose row is gone are found as well",
    Effect.gen(function* () {
      yield* workers
      yield* starts(held("a", incarnation(77)))
      expect(yield* claimed(orphaned)).toEqual(["a"])
    })
  )

  both(
    "of a worker whose heartbeat is older than its lease are found, and not before",
    Effect.gen(function* () {
      yield* workers
      yield* starts(held("a", other))
      expect(yield* claimed(orphaned)).toEqual([])
      yield* query("update perdure.workers set heartbeat_at = heartbeat_at - interval '61 s' where incarnation = $1", [
        other
      ])
      expect(yield* claimed(orphaned)).toEqual(["a"])
    })
  )

  both(
    "that are paused wait for a command, and are then taken over by name",
    Effect.gen(function* () {
      yield* workers
      yield* starts(held("a", dead, { status: "paused", frontier: open("n", 1, 2), firings: [firing("n", 1)] }))
      expect(yield* claimed(orphaned)).toEqual([])
      const { claimed: runs } = yield* claim(named("a"))
      expect(runs.map((run) => [run.row.status, run.firings[0]?.crashes])).toEqual([["paused", 1]])
    })
  )
})

describe("named runs", () => {
  both(
    "are claimed unless somebody alive holds them, or they have ended or are parked",
    Effect.gen(function* () {
      yield* workers
      yield* starts(
        start("free", { ready: false }, { status: "suspended" }),
        held("dead"),
        held("alive", other),
        start("ended", {}, { status: "completed" }),
        start("parked", {}, { status: "parked", reason: "Poison: n" }),
        start("unknown", { workflow: "unknown" }),
        start("unasked")
      )
      expect(yield* claimed(named("free", "dead", "alive", "ended", "parked", "unknown", "nobody"))).toEqual(
        expect.arrayContaining(["free", "dead"])
      )
      expect(yield* query("select run_id from perdure.run_state where worker = $1 order by 1", [me])).toEqual([
        { run_id: "dead" },
        { run_id: "free" }
      ])
    })
  )
})

describe("own runs", () => {
  both(
    "come back to the worker that does not know them, under a new fence and without a crash",
    Effect.gen(function* () {
      yield* workers
      yield* starts(held("a", me, { frontier: open("n", 1, 2), firings: [firing("n", 1)] }), held("b", other))
      const { claimed: runs } = yield* claim(own("a", "b"))
      expect(runs.map(({ row, firings }) => [row.runId, row.fence, row.status, firings])).toEqual([
        ["a", 2, "running", [stored(firing("n", 1, { status: "scheduled" }))]]
      ])
    })
  )
})

describe("a damaged run", () => {
  both(
    "is reported under its new fence and stops no other",
    Effect.gen(function* () {
      yield* workers
      const frontier = open("n", 1, 2)
      const firings = [firing("n", 1)]
      yield* starts(
        held("frontier", dead, { frontier, firings }),
        held("firing", dead, { frontier, firings }),
        held("fine", dead, { frontier, firings })
      )
      yield* query(`update perdure.run_state set frontier = '{"nodes": 7}' where run_id = 'frontier'`)
      yield* query(`update perdure.run_node_state set inputs = '[]' where run_id = 'firing'`)
      const { claimed: runs, undecodable } = yield* claim(orphaned)
      expect(runs.map((run) => run.row.runId)).toEqual(["fine"])
      expect(undecodable.map((one) => [one.runId, one.fence, one.error._tag, one.error.table]).sort()).toEqual([
        ["firing", 2, "UndecodableRow", "run_node_state"],
        ["frontier", 2, "UndecodableRow", "run_state"]
      ])
      expect(undecodable.find((one) => one.runId === "firing")?.error.key).toBe("firing/n/1")
      // the deaths are counted all the same
      expect(yield* query("select status, crashes from perdure.run_node_state group by 1, 2")).toEqual([
        { status: "scheduled", crashes: 1 }
      ])
    })
  )
})
