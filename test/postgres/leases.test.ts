import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { StateStore } from "../../src/store/StateStore.js"
import { writeAll } from "../../src/store/Transactor.js"
import { TriggerStore } from "../../src/store/TriggerStore.js"
import { Workers } from "../../src/store/Workers.js"
import {
  both,
  commit,
  definition,
  delivery,
  firing,
  incarnation,
  one,
  open,
  query,
  runId,
  start,
  transact
} from "./harness.js"

const me = incarnation(1)
const dead = incarnation(2)

const starts = (...runs: ReadonlyArray<ReturnType<typeof start>>) =>
  Effect.flatMap(StateStore, (states) =>
    transact(Effect.zipRight(states.start(runs), writeAll(states.writeFirings(runs.map((run) => run.first)))))
  )

const held = (id: string, first: Parameters<typeof commit>[1] = {}, worker = me) =>
  start(id, { worker, ready: false }, { fence: 1, status: "running", ...first })

interface Wish {
  readonly fence?: number
  readonly version?: number
  readonly ready?: boolean
  readonly dueAt?: number | null
  readonly force?: boolean
}

const release = (wishes: Readonly<Record<string, Wish>>) =>
  Effect.flatMap(StateStore, (states) =>
    transact(
      states.release(
        Object.entries(wishes).map(([id, wish]) => ({
          runId: runId(id),
          fence: 1,
          version: 1,
          ready: false,
          dueAt: null,
          force: false,
          ...wish
        }))
      )
    )
  )

const deliver = (id: string) =>
  Effect.flatMap(TriggerStore, (triggers) => transact(triggers.deliver([delivery(id, "1")])))

describe("release", () => {
  both(
    "gives up exactly what is held and unchanged, and says where the others stand",
    Effect.gen(function* () {
      yield* starts(held("a"), held("b"), held("c"), held("d", { status: "completed" }))
      const dueAt = 1_700_000_000_123
      expect(
        yield* release({
          c: { version: 2 },
          nobody: {},
          a: { ready: true, dueAt },
          b: { fence: 2 },
          d: { ready: true }
        })
      ).toEqual(["Stale", "Stale", "Released", "Stale", "Released"])
      expect(
        yield* query(`select run_id, worker, ready, (extract(epoch from due_at) * 1000)::float8 as due, version, fence
          from perdure.run_state order by run_id`)
      ).toEqual([
        { run_id: "a", worker: null, ready: true, due: dueAt, version: 1, fence: 1 },
        { run_id: "b", worker: me, ready: false, due: null, version: 1, fence: 1 },
        { run_id: "c", worker: me, ready: false, due: null, version: 1, fence: 1 },
        { run_id: "d", worker: null, ready: false, due: null, version: 1, fence: 1 }
      ])
    })
  )

  both(
    "of a run with an unapplied input or command is refused, and nothing of it changes",
    Effect.gen(function* () {
      yield* starts(held("input"), held("command"), held("free"))
      yield* deliver("input")
      const triggers = yield* TriggerStore
      yield* transact(triggers.request(runId("command"), "cancel", ["running"]))
      expect(yield* release({ input: {}, command: {}, free: {} })).toEqual(["Pending", "Pending", "Released"])
      expect(yield* query("select run_id from perdure.run_state where worker is not null order by 1")).toEqual([
        { run_id: "command" },
        { run_id: "input" }
      ])
    })
  )

  both(
    "by force hands running firings over without a crash, whatever waits",
    Effect.gen(function* () {
      const frontier = open("n", 1, 2)
      yield* starts(held("a", { frontier, firings: [firing("n", 1, { attempt: 2 })] }), held("b"))
      yield* query(`update perdure.run_state set frontier = '[]' where run_id = 'b'`)
      yield* deliver("a")
      expect(yield* release({ a: { force: true }, b: { force: true } })).toEqual(["Released", "Released"])
      expect(yield* one("select status, crashes, attempt from perdure.run_node_state")).toEqual({
        status: "scheduled",
        crashes: 0,
        attempt: 2
      })
      expect(yield* one("select status, ready, worker from perdure.run_state where run_id = 'a'")).toEqual({
        status: "running",
        ready: true,
        worker: null
      })
    })
  )

  both(
    "of a paused run leaves nothing that a look would find",
    Effect.gen(function* () {
      yield* starts(held("a", { status: "paused" }))
      expect(yield* release({ a: { ready: true, dueAt: 1 } })).toEqual(["Released"])
      expect(yield* one("select ready, due_at from perdure.run_state")).toEqual({ ready: false, due_at: null })
    })
  )
})

describe("park", () => {
  both(
    "needs the fence, keeps the reason, and holds what is unapplied",
    Effect.gen(function* () {
      yield* starts(held("a"), held("b"), held("c", { status: "completed" }))
      yield* deliver("a")
      const states = yield* StateStore
      const park = (id: string, fence: number) => ({
        runId: runId(id),
        fence,
        reason: "UndecodableRow" as const,
        detail: "run_state a: broken \u0000"
      })
      expect(yield* transact(states.park([park("a", 1), park("b", 2), park("c", 1)]))).toBe(1)
      expect(yield* transact(states.get(runId("a")))).toMatchObject({
        status: "parked",
        reason: "UndecodableRow: run_state a: broken \ufffd",
        worker: null
      })
      expect(yield* one("select status from perdure.trigger_inputs")).toEqual({ status: "held" })
      expect((yield* transact(states.get(runId("b"))))?.status).toBe("running")
    })
  )
})

/** A definition that was last served two minutes ago, and one that is served. */
const served = Effect.gen(function* () {
  const workers = yield* Workers
  const stored = { ...definition, hash: "h", graph: "{}" }
  yield* transact(workers.define([stored, { ...stored, workflow: "served" }]))
  yield* query(
    "update perdure.definitions set served_at = perdure.clock() - interval '2 minutes' where workflow = 'order'"
  )
  yield* transact(
    workers.register({ incarnation: me, workerId: "w", leaseMs: 60_000, process: null, exclusive: false })
  )
})

const silentMs = 60_000

const parkUnknown = (limit = 10) =>
  Effect.flatMap(StateStore, (states) =>
    Effect.map(transact(states.parkUnknown(silentMs, limit)), (ids) => [...ids].sort())
  )

const unpark = Effect.flatMap(StateStore, (states) =>
  Effect.map(transact(states.unparkKnown([definition], 10)), (ids) => [...ids].sort())
)

describe("runs of a definition that nobody serves", () => {
  both(
    "are parked when they could go on, and only then",
    Effect.gen(function* () {
      yield* served
      yield* starts(
        start("ready"),
        start("due", { ready: false }, { status: "suspended" }),
        start("not-due", { ready: false }, { status: "suspended" }),
        start("input", { ready: false }, { status: "suspended" }),
        start("waiting", { ready: false }, { status: "suspended" }),
        start("paused", { ready: false }, { status: "paused" }),
        start("other", { workflow: "served" }),
        held("orphan", {}, dead),
        held("held")
      )
      yield* query(`update perdure.run_state set due_at = perdure.clock() + interval '1 s' *
        case run_id when 'due' then -1 else 1000 end where run_id in ('due', 'not-due')`)
      yield* deliver("input")
      yield* deliver("paused")
      expect(yield* parkUnknown()).toEqual(["due", "input", "orphan", "ready"])
      expect(yield* parkUnknown()).toEqual([])
      expect(
        yield* query("select distinct reason, worker, ready, due_at from perdure.run_state where status = 'parked'")
      ).toEqual([
        {
          reason: "UnknownWorkflow: no live worker serves order version 1",
          worker: null,
          ready: false,
          due_at: null
        }
      ])
      expect(yield* query("select run_id, status from perdure.trigger_inputs order by run_id")).toEqual([
        { run_id: "input", status: "held" },
        { run_id: "paused", status: "new" }
      ])
    })
  )

  both(
    "are not parked while their definition was served a moment ago",
    Effect.gen(function* () {
      yield* served
      yield* query("update perdure.definitions set served_at = perdure.clock() - interval '30 s'")
      yield* starts(start("a"))
      expect(yield* parkUnknown()).toEqual([])
    })
  )

  both(
    "that their worker died with count the death, and their old holder is fenced off",
    Effect.gen(function* () {
      yield* served
      yield* starts(held("a", { frontier: open("n", 1, 2), firings: [firing("n", 1)] }, dead))
      expect(yield* parkUnknown()).toEqual(["a"])
      expect(yield* one("select status, crashes from perdure.run_node_state")).toEqual({
        status: "scheduled",
        crashes: 1
      })
      const states = yield* StateStore
      expect(yield* transact(states.check([commit("a")], { wait: false }))).toEqual(["Stale"])
    })
  )

  both(
    "are found behind any number of inputs of other runs",
    Effect.gen(function* () {
      yield* served
      yield* starts(start("z", { ready: false }, { status: "suspended" }), start("other", { workflow: "served" }))
      const triggers = yield* TriggerStore
      yield* transact(triggers.deliver(Array.from({ length: 1_500 }, (_, index) => delivery("other", `i${index}`))))
      yield* deliver("z")
      expect(yield* parkUnknown()).toEqual([])
      expect(yield* parkUnknown()).toEqual(["z"])
    })
  )

  both(
    "come back when it is served again, with what was held for them",
    Effect.gen(function* () {
      yield* served
      const ran = { frontier: open("n", 1, 2), firings: [firing("n", 1, { status: "suspended", reason: "w" })] }
      yield* starts(
        start("fresh"),
        start("ran", {}, { ...ran, status: "suspended" }),
        start("cancelled", {}, { ...ran, status: "suspended" }),
        start("poison", {}, { status: "parked", reason: "Poison: n" })
      )
      yield* deliver("ran")
      yield* query(`insert into perdure.run_commands (run_id, kind, status, settled_at)
        values ('cancelled', 'cancel', 'applied', now())`)
      expect(yield* parkUnknown()).toEqual(["cancelled", "fresh", "ran"])
      expect(yield* unpark).toEqual(["cancelled", "fresh", "ran"])
      expect(yield* unpark).toEqual([])
      expect(yield* query("select run_id, status, ready, reason from perdure.run_state order by run_id")).toEqual([
        { run_id: "cancelled", status: "cancelling", ready: true, reason: null },
        { run_id: "fresh", status: "pending", ready: true, reason: null },
        { run_id: "poison", status: "parked", ready: false, reason: "Poison: n" },
        { run_id: "ran", status: "recovering", ready: true, reason: null }
      ])
      expect(yield* one("select status from perdure.trigger_inputs")).toEqual({ status: "new" })
    })
  )
})

describe("whether a run can resume", () => {
  both(
    "is answered by what it waits for and who holds it",
    Effect.gen(function* () {
      yield* served
      yield* starts(start("a", { ready: false }, { status: "suspended" }), held("b"), held("c", {}, dead))
      yield* deliver("a")
      const states = yield* StateStore
      const ask = (id: string) => transact(states.resumability(runId(id)))
      expect(yield* ask("a")).toEqual({
        runId: "a",
        status: "suspended",
        leasedBy: null,
        leaseAlive: false,
        ready: false,
        dueAt: null,
        unappliedInputs: 1,
        unappliedCommands: 0
      })
      expect(yield* ask("b")).toMatchObject({ leasedBy: me, leaseAlive: true })
      expect(yield* ask("c")).toMatchObject({ leasedBy: dead, leaseAlive: false })
      expect(yield* ask("nobody")).toBeUndefined()
    })
  )
})
