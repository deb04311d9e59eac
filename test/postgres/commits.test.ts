import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { RunCommit } from "../../src/model/Run.js"
import { Inbox } from "../../src/store/Inbox.js"
import { StateStore } from "../../src/store/StateStore.js"
import { writeAll } from "../../src/store/Transactor.js"
import {
  both,
  commit,
  firing,
  holding,
  incarnation,
  message,
  one,
  onFreshDatabase,
  open,
  query,
  runId,
  start,
  stored,
  transact
} from "./harness.js"

const leased = (id: string) => start(id, { worker: incarnation(1), ready: false }, { fence: 1, status: "running" })

const started = (...ids: ReadonlyArray<string>) =>
  Effect.flatMap(StateStore, (states) => transact(states.start(ids.map(leased))))

/** A commit as the committer writes it: check, then everything that is ready. */
const write = (commits: ReadonlyArray<RunCommit>, wait = false) =>
  Effect.gen(function* () {
    const states = yield* StateStore
    const inbox = yield* Inbox
    return yield* transact(
      Effect.gen(function* () {
        const checks = yield* states.check(commits, { wait })
        const ready = commits.filter((_, index) => checks[index] === "Ready")
        yield* writeAll(states.writeFirings(ready))
        yield* writeAll(inbox.append(ready))
        yield* writeAll(inbox.discard(ready))
        yield* writeAll(states.writeRuns(ready))
        return checks
      })
    )
  })

describe("check", () => {
  both(
    "admits exactly the next commit of the holder",
    Effect.gen(function* () {
      yield* started("a", "b", "c", "d")
      expect(
        yield* write([
          commit("d"),
          commit("a", { fence: 2 }),
          commit("b", { version: 3 }),
          commit("c", { version: 1 }),
          commit("nobody")
        ])
      ).toEqual(["Ready", "Stale", "Stale", "Applied", "Stale"])
      expect(yield* write([commit("d")])).toEqual(["Applied"])
      expect(yield* query("select run_id, version from perdure.run_state order by run_id")).toEqual([
        { run_id: "a", version: 1 },
        { run_id: "b", version: 1 },
        { run_id: "c", version: 1 },
        { run_id: "d", version: 2 }
      ])
    })
  )

  it.live("calls a locked run busy without waiting, and what is committed already by its name", () =>
    Effect.gen(function* () {
      yield* started("a", "b", "c", "d")
      yield* holding("select from perdure.run_state where run_id <> 'd' for no key update")
      expect(yield* write([commit("a"), commit("b", { version: 1 }), commit("c", { fence: 7 }), commit("d")])).toEqual([
        "Busy",
        "Applied",
        "Stale",
        "Ready"
      ])
    }).pipe(onFreshDatabase())
  )

  it.live("waits for a locked run when told to, up to the lock time-out", () =>
    Effect.gen(function* () {
      yield* started("a")
      const other = yield* holding("update perdure.run_state set version = 2 where run_id = 'a'")
      const waiting = yield* Effect.fork(write([commit("a")], true))
      yield* blocked
      yield* other.execute({ name: "commit", text: "commit" })
      expect(yield* waiting).toEqual(["Applied"])
    }).pipe(onFreshDatabase())
  )
})

/** Resolves when some session waits for a lock. */
const blocked = query(
  "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
).pipe(Effect.repeat({ until: (rows) => rows.length > 0 }))

describe("a commit", () => {
  both(
    "writes a run's status, reason and frontier and leaves its lease alone",
    Effect.gen(function* () {
      yield* started("a")
      const frontier = open("n", 1, 2)
      yield* write([commit("a", { status: "suspended", reason: "waits \u0000", frontier })])
      expect(
        yield* one("select status, reason, frontier, version, fence, worker, ready from perdure.run_state")
      ).toEqual({
        status: "suspended",
        reason: "waits \ufffd",
        frontier,
        version: 2,
        fence: 1,
        worker: incarnation(1),
        ready: false
      })
    })
  )

  both(
    "of an ended run ends its lease and stores its result",
    Effect.gen(function* () {
      yield* started("a", "b")
      yield* write([
        commit("a", { status: "completed", output: '{"x":1}' }),
        commit("b", { status: "failed", reason: "n", failure: '{"kind":"defect"}' })
      ])
      const states = yield* StateStore
      const found = yield* transact(states.ended([runId("b"), runId("a"), runId("c")]))
      expect(found.map((view) => [view.runId, view.status, view.output, view.failure, view.worker]).sort()).toEqual([
        ["a", "completed", '{"x":1}', null, null],
        ["b", "failed", null, '{"kind":"defect"}', null]
      ])
      expect(yield* query("select 1 from perdure.run_state where ended_at is null")).toEqual([])
    })
  )

  both(
    "of a parked run ends its lease, and the run is claimable by nobody",
    Effect.gen(function* () {
      yield* started("a")
      yield* write([commit("a", { status: "parked", reason: "Poison: n" })])
      expect(yield* one("select status, worker, ready, ended_at from perdure.run_state")).toEqual({
        status: "parked",
        worker: null,
        ready: false,
        ended_at: null
      })
    })
  )

  both(
    "writes a firing when it starts and again when it ends, and keeps the commit that opened it",
    Effect.gen(function* () {
      yield* started("a")
      const running = firing("n", 1, { inputs: { order: { ref: ["input.order", 0, 0] }, rest: { all: 3 } } })
      yield* write([commit("a", { firings: [running, firing("m", 1, { status: "scheduled", notBefore: 1_000_000 })] })])
      const done = { ...running, status: "completed", emitted: { out: 2 } } as const
      yield* write([commit("a", { version: 3, firings: [done] })])
      const states = yield* StateStore
      expect(yield* transact(states.firings(runId("a"), 10))).toEqual([
        stored(firing("m", 1, { status: "scheduled", notBefore: 1_000_000 })),
        stored(done)
      ])
      expect(
        yield* query(
          "select node_id, opened_in, written_in, ended_at is not null as ended from perdure.run_node_state order by node_id"
        )
      ).toEqual([
        { node_id: "m", opened_in: 2, written_in: 2, ended: false },
        { node_id: "n", opened_in: 2, written_in: 3, ended: true }
      ])
    })
  )

  both(
    "of a failed firing that is opened again clears its end",
    Effect.gen(function* () {
      yield* started("a")
      yield* write([commit("a", { firings: [firing("n", 1, { status: "failed", failure: "{}" })] })])
      yield* write([commit("a", { version: 3, firings: [firing("n", 1, { status: "scheduled", attempt: 2 })] })])
      expect(yield* one("select status, attempt, ended_at, failure from perdure.run_node_state")).toEqual({
        status: "scheduled",
        attempt: 2,
        ended_at: null,
        failure: null
      })
    })
  )

  both(
    "written without its check is a broken invariant, never half a commit",
    Effect.gen(function* () {
      yield* started("a", "b")
      const states = yield* StateStore
      const error = yield* Effect.flip(transact(writeAll(states.writeRuns([commit("a"), commit("b", { fence: 9 })]))))
      expect(error).toMatchObject({ outcome: "fatal", sqlState: "PD001" })
      expect(yield* query("select 1 from perdure.run_state where version > 1")).toEqual([])
    })
  )

  it.live("stays HOT: ordinary commits touch no index of the run's row", () =>
    Effect.gen(function* () {
      yield* started("a")
      for (let version = 2; version < 22; version++) yield* write([commit("a", { version })])
      yield* query("select pg_stat_force_next_flush()")
      expect(
        yield* one(
          "select n_tup_upd::int4 as updated, n_tup_hot_upd::int4 as hot from pg_stat_user_tables where relname = 'run_state'"
        )
      ).toEqual({ updated: 20, hot: 20 })
    }).pipe(onFreshDatabase({ maxConnections: 1 }))
  )

  both(
    "appends its messages once, however often it is written",
    Effect.gen(function* () {
      yield* started("a")
      const inbox = yield* Inbox
      const once = commit("a", { messages: [message("n", [1, 0], "x")] })
      yield* transact(writeAll(inbox.append([once])))
      yield* transact(writeAll(inbox.append([commit("a", { messages: [message("n", [1, 0], "y")] })])))
      expect(yield* query("select payload from perdure.run_inbox_messages")).toEqual([{ payload: '"x"' }])
    })
  )

  both(
    "takes more rows than a statement has parameters",
    Effect.gen(function* () {
      yield* started("a")
      const messages = Array.from({ length: 70_000 }, (_, index) => message("n", [1, index], index))
      yield* write([commit("a", { messages })])
      expect(yield* one("select count(*)::int4 as count from perdure.run_inbox_messages")).toEqual({ count: 70_000 })
    })
  )
})
