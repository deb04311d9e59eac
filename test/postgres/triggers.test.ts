import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { RunCommit } from "../../src/model/Run.js"
import type { RunStatus } from "../../src/model/Status.js"
import { StateStore } from "../../src/store/StateStore.js"
import { writeAll } from "../../src/store/Transactor.js"
import { TriggerStore } from "../../src/store/TriggerStore.js"
import {
  both,
  commit,
  delivery,
  endedBefore,
  holding,
  incarnation,
  onFreshDatabase,
  query,
  runId,
  start,
  transact
} from "./harness.js"

const starts = (...runs: ReadonlyArray<ReturnType<typeof start>>) =>
  Effect.flatMap(StateStore, (states) => transact(states.start(runs)))

const deliver = (...inputs: ReadonlyArray<ReturnType<typeof delivery>>) =>
  Effect.flatMap(TriggerStore, (triggers) => transact(triggers.deliver(inputs)))

const request = (id: string, kind: "cancel" | "pause" | "resume" | "retry", admits: ReadonlyArray<RunStatus>) =>
  Effect.flatMap(TriggerStore, (triggers) => transact(triggers.request(runId(id), kind, admits)))

const settle = (...commits: ReadonlyArray<RunCommit>) =>
  Effect.flatMap(TriggerStore, (triggers) => transact(writeAll(triggers.settle(commits))))

const inputs = (...ids: ReadonlyArray<string>) =>
  Effect.flatMap(TriggerStore, (triggers) => transact(triggers.inputs(ids.map(runId))))

const statuses = (table: string) =>
  Effect.map(query(`select status from perdure.${table} order by seq`), (rows) => rows.map((row) => row["status"]))

const active: ReadonlyArray<RunStatus> = ["pending", "running", "suspended", "cancelling"]

describe("deliver", () => {
  both(
    "keeps the order of arrival and tells a duplicate, an unknown and an ended run apart",
    Effect.gen(function* () {
      yield* starts(start("a"), start("ended", {}, { status: "completed" }))
      expect(yield* deliver(delivery("a", "first", 1))).toEqual([{ _tag: "Delivered" }])
      expect(
        yield* deliver(
          delivery("a", "z", 2),
          delivery("nobody", "1"),
          delivery("a", "first", 9),
          delivery("a", "b", 3),
          delivery("ended", "1"),
          delivery("a", "z", 8)
        )
      ).toEqual([
        { _tag: "Delivered" },
        { _tag: "RunNotFound" },
        { _tag: "Duplicate" },
        { _tag: "Delivered" },
        { _tag: "RunEnded", status: "completed" },
        { _tag: "Duplicate" }
      ])
      const found = yield* inputs("a")
      expect(found.map((input) => [input.inputId, input.payload])).toEqual([
        ["first", "1"],
        ["z", "2"],
        ["b", "3"]
      ])
    })
  )

  both(
    "of an input that a run took before it ended is a duplicate, not a refusal",
    Effect.gen(function* () {
      yield* starts(start("a"))
      yield* deliver(delivery("a", "1"))
      yield* query("update perdure.run_state set status = 'completed', ready = false, ended_at = perdure.clock()")
      expect(yield* deliver(delivery("a", "1"), delivery("a", "2"))).toEqual([
        { _tag: "Duplicate" },
        { _tag: "RunEnded", status: "completed" }
      ])
    })
  )

  both(
    "of one key to one run, meant for runs of two workflows, tells each who asks whether it was his",
    Effect.gen(function* () {
      yield* starts(start("a"), start("b", { workflow: "other" }))
      const to = (workflow: string, id = "a") => ({ ...delivery(id, "1", workflow), workflow })
      expect(yield* deliver(to("other"), to("order"), to("other", "b"), to("order", "b"), to("order"))).toEqual([
        { _tag: "RunNotFound" },
        { _tag: "Delivered" },
        { _tag: "Delivered" },
        { _tag: "RunNotFound" },
        { _tag: "Duplicate" }
      ])
      expect((yield* inputs("a", "b")).map((input) => [input.runId, input.payload])).toEqual([
        ["a", '"order"'],
        ["b", '"other"']
      ])
    })
  )

  it.live("does not wait for the run's owner, who has its row locked", () =>
    Effect.gen(function* () {
      yield* starts(start("a"))
      yield* holding("select from perdure.run_state for no key update")
      expect(yield* deliver(delivery("a", "1"))).toEqual([{ _tag: "Delivered" }])
      expect(yield* request("a", "cancel", active)).toEqual({ _tag: "Requested", status: "cancelling" })
    }).pipe(onFreshDatabase())
  )

  it.live("of one input by two at once delivers it once", () =>
    Effect.gen(function* () {
      yield* starts(start("a"))
      const outcomes = yield* Effect.all([deliver(delivery("a", "1")), deliver(delivery("a", "1"))], { concurrency: 2 })
      expect(
        outcomes
          .flat()
          .map((outcome) => outcome._tag)
          .sort()
      ).toEqual(["Delivered", "Duplicate"])
    }).pipe(onFreshDatabase())
  )
})

describe("request", () => {
  both(
    "inserts a command where the status admits it, once",
    Effect.gen(function* () {
      yield* starts(start("a"), start("ended", {}, { status: "completed" }))
      expect(yield* request("a", "pause", ["running"])).toEqual({ _tag: "Refused", status: "pending" })
      expect(yield* request("a", "pause", active)).toEqual({ _tag: "Requested", status: "pending" })
      expect(yield* request("a", "pause", active)).toEqual({ _tag: "Requested", status: "pending" })
      expect(yield* request("ended", "cancel", active)).toEqual({ _tag: "Refused", status: "completed" })
      expect(yield* request("nobody", "cancel", active)).toEqual({ _tag: "RunNotFound" })
      expect(yield* query("select run_id, kind, status from perdure.run_commands")).toEqual([
        { run_id: "a", kind: "pause", status: "new" }
      ])
    })
  )

  both(
    "counts on what was asked before and is not applied yet",
    Effect.gen(function* () {
      yield* starts(start("a"))
      expect(yield* request("a", "resume", ["paused"])).toEqual({ _tag: "Refused", status: "pending" })
      expect(yield* request("a", "pause", active)).toMatchObject({ _tag: "Requested" })
      expect(yield* request("a", "resume", ["paused"])).toMatchObject({ _tag: "Requested" })
      expect(yield* request("a", "resume", ["paused"])).toMatchObject({ _tag: "Requested" })
      expect(yield* request("a", "pause", active)).toMatchObject({ _tag: "Requested" })
      expect(yield* query("select kind from perdure.run_commands order by seq")).toEqual([
        { kind: "pause" },
        { kind: "resume" },
        { kind: "pause" }
      ])
    })
  )

  both(
    "of a cancel reads as cancelling from then on, everywhere",
    Effect.gen(function* () {
      yield* starts(start("a"))
      expect(yield* request("a", "cancel", ["pending"])).toEqual({ _tag: "Requested", status: "cancelling" })
      expect(yield* request("a", "cancel", ["pending"])).toEqual({ _tag: "Requested", status: "cancelling" })
      expect(yield* request("a", "pause", ["pending"])).toEqual({ _tag: "Refused", status: "cancelling" })
      const states = yield* StateStore
      expect((yield* transact(states.get(runId("a"))))?.status).toBe("cancelling")
      expect((yield* transact(states.list({ limit: 10 })))[0]?.status).toBe("cancelling")
      const triggers = yield* TriggerStore
      expect(yield* transact(triggers.commands([runId("a")]))).toMatchObject([{ kind: "cancel", status: "new" }])
    })
  )
})

describe("settle", () => {
  both(
    "marks what a commit took over, and only that",
    Effect.gen(function* () {
      yield* starts(start("a"))
      yield* deliver(delivery("a", "1"), delivery("a", "2"), delivery("a", "3"))
      yield* request("a", "cancel", active)
      const [first, second] = yield* inputs("a")
      const triggers = yield* TriggerStore
      const [cancel] = yield* transact(triggers.commands([runId("a")]))
      yield* settle(
        commit("a", {
          applied: [
            { seq: String(first?.seq), status: "applied" },
            { seq: String(second?.seq), status: "dead" }
          ],
          answered: [{ seq: String(cancel?.seq), status: "refused" }]
        })
      )
      expect(yield* statuses("trigger_inputs")).toEqual(["applied", "dead", "new"])
      expect(yield* statuses("run_commands")).toEqual(["refused"])
      expect(
        yield* query("select 1 from perdure.trigger_inputs where (settled_at is null) <> (status = 'new')")
      ).toEqual([])
    })
  )

  both(
    "of an input that was settled before is a broken invariant: nothing is applied twice",
    Effect.gen(function* () {
      yield* starts(start("a"))
      yield* deliver(delivery("a", "1"))
      const [first] = yield* inputs("a")
      const once = commit("a", { applied: [{ seq: String(first?.seq), status: "applied" }] })
      yield* settle(once)
      expect(yield* Effect.flip(settle(once))).toMatchObject({ outcome: "fatal", sqlState: "PD001" })
    })
  )

  both(
    "ends what is left of a run that ends, and holds it where a run parks",
    Effect.gen(function* () {
      yield* starts(start("a"), start("b"))
      yield* deliver(delivery("a", "1"), delivery("b", "1"))
      yield* request("a", "pause", active)
      yield* request("b", "pause", active)
      yield* settle(commit("a", { status: "failed" }), commit("b", { status: "parked", reason: "Poison: n" }))
      expect(yield* statuses("trigger_inputs")).toEqual(["dead", "held"])
      expect(yield* statuses("run_commands")).toEqual(["refused", "held"])
    })
  )

  both(
    "settles late arrivals by the status their run has now",
    Effect.gen(function* () {
      yield* starts(start("a"), start("b"), start("c"))
      yield* deliver(delivery("a", "1"), delivery("b", "1"), delivery("c", "1"))
      yield* query(`update perdure.run_state set status = 'completed', ready = false, ended_at = perdure.clock()
        where run_id = 'a'`)
      yield* query("update perdure.run_state set status = 'parked', ready = false, reason = 'x' where run_id = 'b'")
      const triggers = yield* TriggerStore
      const late = transact(triggers.settleLate([runId("a"), runId("b"), runId("c"), runId("nobody")]))
      expect(yield* late).toBe(2)
      expect(yield* statuses("trigger_inputs")).toEqual(["dead", "held", "new"])
      expect(yield* late).toBe(0)
    })
  )
})

describe("a look", () => {
  both(
    "goes through what is unapplied in order of arrival, with who holds the run",
    Effect.gen(function* () {
      yield* starts(start("a"), start("b", { worker: incarnation(1) }, { fence: 1, status: "running" }))
      yield* deliver(delivery("b", "1"), delivery("a", "1"), delivery("b", "2"))
      yield* request("a", "cancel", active)
      const triggers = yield* TriggerStore
      const look = (kind: "input" | "command", after: string, limit = 10) => transact(triggers.look(kind, after, limit))
      const first = yield* look("input", "0", 2)
      expect(first).toMatchObject([
        { runId: "b", kind: "input", worker: incarnation(1), runStatus: "running" },
        { runId: "a", kind: "input", worker: null, runStatus: "pending" }
      ])
      expect((yield* look("input", String(first[1]?.seq))).map((one) => one.runId)).toEqual(["b"])
      expect(yield* look("command", "0")).toMatchObject([{ runId: "a", kind: "command" }])
      const history = yield* transact(triggers.history(runId("b"), "0", 10))
      expect(history.map((input) => [input.inputId, input.status])).toEqual([
        ["1", "new"],
        ["2", "new"]
      ])
      expect(yield* transact(triggers.history(runId("b"), String(history[0]?.seq), 10))).toHaveLength(1)
    })
  )
})

describe("cleanup", () => {
  both(
    "deletes what is settled of runs that ended long ago, little by little, and nothing else",
    Effect.gen(function* () {
      yield* starts(start("a"), start("b"), start("c"))
      yield* deliver(...["1", "2", "3"].flatMap((id) => [delivery("a", id), delivery("b", id), delivery("c", id)]))
      yield* request("a", "pause", active)
      yield* settle(commit("a", { status: "failed" }), commit("b", { status: "failed" }))
      yield* query(`update perdure.run_state set status = 'failed', ready = false, worker = null,
        ended_at = perdure.clock() - case run_id when 'a' then interval '2 h' else interval '1 s' end
        where run_id in ('a', 'b')`)
      const triggers = yield* TriggerStore
      const hourAgo = new Date(
        Number((yield* query("select extract(epoch from now())::float8 as now"))[0]?.["now"]) * 1000 - 3_600_000
      )
      const cleanup = Effect.map(transact(triggers.cleanup(endedBefore(hourAgo), 2)), ({ rows }) => rows)
      expect([yield* cleanup, yield* cleanup, yield* cleanup, yield* cleanup]).toEqual([2, 2, 0, 0])
      expect(
        yield* query("select run_id, count(*)::int4 as count from perdure.trigger_inputs group by 1 order by 1")
      ).toEqual([
        { run_id: "b", count: 3 },
        { run_id: "c", count: 3 }
      ])
      expect(yield* query("select 1 from perdure.run_commands")).toEqual([])
    })
  )
})
