import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Query } from "../../src/postgres/Connection.js"
import { layer as stores } from "../../src/postgres/layer.js"
import * as PgOverview from "../../src/postgres/PgOverview.js"
import { PgPool } from "../../src/postgres/Pool.js"
import { AuditLog } from "../../src/store/AuditLog.js"
import { Inbox } from "../../src/store/Inbox.js"
import { Overview } from "../../src/store/Overview.js"
import { Retention } from "../../src/store/Retention.js"
import { type ClaimLook, type RunFilter, StateStore } from "../../src/store/StateStore.js"
import { writeAll } from "../../src/store/Transactor.js"
import { TriggerStore } from "../../src/store/TriggerStore.js"
import { Workers } from "../../src/store/Workers.js"
import {
  commit,
  definition,
  delivery,
  endedBefore,
  firing,
  incarnation,
  message,
  onFreshDatabase,
  open,
  query,
  runId,
  sql,
  start,
  transact
} from "./harness.js"

const id = runId("a")
const place = { createdAt: new Date(0), runId: id }

/** What an operator looks for, beside workflow and status. */
const searches: ReadonlyArray<Omit<RunFilter, "limit">> = [
  { attributes: { customer: "c-1" } },
  { attributes: { customer: "c-1", region: "eu" }, status: "failed", workflow: "order", after: place },
  { since: new Date(0), until: new Date(1) },
  { since: new Date(0), after: place }
]
const worker = incarnation(1)
const definitions = [definition]

/** Calls every verb with something to do. */
const everything = Effect.gen(function* () {
  const states = yield* StateStore
  const inbox = yield* Inbox
  const triggers = yield* TriggerStore
  const workers = yield* Workers
  const audit = yield* AuditLog
  const runs = (step: number) => `${step}`
  yield* transact(
    workers.register({ incarnation: worker, workerId: "w", leaseMs: 60_000, process: null, exclusive: true })
  )
  yield* transact(workers.define([{ ...definition, hash: "h", graph: "{}" }]))
  yield* transact(workers.heartbeat(worker, definitions))
  const running = { fence: 1, status: "running", frontier: open("n", 1, 2), firings: [firing("n", 1)] } as const
  const first = start("a", { worker, ready: false }, running)
  const dead = start("dead", { worker: incarnation(2), ready: false }, running)
  const broken = start("broken", { worker: incarnation(2), ready: false }, running)
  const starts = [
    first,
    dead,
    broken,
    start("lonely", { workflow: "lonely" }),
    ...["due", "ended", "parked", "ready"].map((name) => start(name))
  ]
  yield* transact(
    Effect.zipRight(states.start(starts), writeAll(states.writeFirings([first.first, dead.first, broken.first])))
  )
  yield* query(`update perdure.run_state set frontier = '{}' where run_id = 'broken'`)
  yield* transact(states.start([first]))
  const { content: _, discarded: __, ...ref } = message("n", [1, 0], 1)
  const next = commit("a", { firings: [firing("n", 1)], messages: [message("n", [1, 0], 1)], discarded: [ref] })
  const ended = commit("ended", { fence: 0, status: "completed" })
  yield* transact(triggers.deliver([delivery("a", "1"), delivery("a", "1"), delivery("ended", "1")]))
  yield* transact(triggers.request(id, "cancel", ["running"]))
  const [input] = yield* transact(triggers.inputs([id]))
  const [command] = yield* transact(triggers.commands([id]))
  const settled = {
    ...next,
    applied: [{ seq: String(input?.seq), status: "applied" as const }],
    answered: [{ seq: String(command?.seq), status: "applied" as const }]
  }
  yield* transact(
    Effect.gen(function* () {
      yield* states.check([next, ended], { wait: false })
      yield* states.check([next, ended, commit("nobody")], { wait: false })
      yield* states.check([next, ended], { wait: true })
      yield* writeAll(states.startAll([start("together")], 100))
      yield* writeAll([
        ...states.writeFirings([settled]),
        ...inbox.append([settled]),
        ...inbox.discard([settled]),
        ...inbox.discard([{ ...settled, discarded: [], unread: [ref] }]),
        ...triggers.settle([settled, ended, commit("parked", { status: "parked", reason: "r" })]),
        ...states.writeRuns([settled]),
        ...states.writeAllRuns([ended], 100)
      ])
    })
  )
  const looks: ReadonlyArray<ClaimLook> = [
    { _tag: "Orphaned", definitions },
    { _tag: "Own", runIds: [id] },
    { _tag: "Due", definitions },
    { _tag: "Named", definitions, runIds: [runId(runs(1))] },
    { _tag: "Ready", definitions }
  ]
  for (const look of looks) yield* transact(states.claim(worker, look, 10))
  const given = { runId: id, version: 2, ready: true, dueAt: null }
  yield* transact(states.release([{ ...given, fence: 2, force: true }]))
  yield* query(`update perdure.run_state set frontier = '{}' where run_id = 'dead'`)
  yield* transact(states.release([{ ...given, runId: runId("dead"), version: 1, fence: 2, force: true }]))
  yield* transact(states.park([{ runId: runId("parked"), fence: 1, reason: "Poison", detail: "d" }]))
  yield* query("update perdure.definitions set served_at = served_at - interval '1 h'")
  yield* transact(states.parkUnknown(1, 10))
  yield* transact(states.unparkKnown(definitions, 10))
  yield* transact(triggers.request(runId("lonely"), "cancel", ["pending"]))
  yield* transact(Effect.zip(states.cancelUnheld([runId("lonely")]), states.openFirings(id, 10)))
  yield* transact(triggers.settleLate([id, runId("ended"), runId("parked")]))
  yield* transact(Effect.all([states.leasedTo(worker), states.get(id), states.firings(id, 5), states.ended([id])]))
  yield* transact(states.resumability(id))
  yield* transact(states.standing(id))
  const rivals = yield* transact(workers.rivals(worker))
  const silent = { incarnation: incarnation(3), heartbeat: "now", process: null, gone: true }
  yield* transact(workers.declareDead([...rivals, silent]))
  for (const filter of [
    {},
    { workflow: "order" },
    { status: "running" },
    { workflow: "order", status: "running" },
    { status: "cancelling" },
    { workflow: "order", status: "cancelling" }
  ] as const) {
    yield* transact(states.list({ ...filter, limit: 10 }))
  }
  const place = { runId: id, nodeId: "n", handle: "in" }
  yield* transact(inbox.pending([{ ...place, producer: "a.out", from: { firing: 0, ordinal: 0 } }]))
  yield* transact(inbox.highest(id, "n", "in"))
  yield* transact(Effect.all([triggers.look("input", "0", 10), triggers.look("command", "0", 10)]))
  yield* transact(Effect.all([triggers.history(id, "0", 10), triggers.cleanup(endedBefore(new Date()), 10)]))
  yield* transact(inbox.cleanup(endedBefore(new Date()), 10))
  yield* transact(Effect.all([workers.list, workers.clock, workers.cleanup, workers.leave(worker)]))
  const retention = yield* Retention
  yield* transact(retention.runs({ ...endedBefore(new Date()), parentsBefore: 0 }, 10))
  yield* query("update perdure.run_state set created_at = '2000-01-01'")
  yield* transact(retention.trim({ before: Date.now(), workflows: { order: Date.now() } }, 10))
  yield* transact(retention.forget([id]))
  yield* transact(retention.events({ before: 0, workflows: { order: 0 } }, 10))
  const overview = yield* Overview
  yield* transact(Effect.all([overview.workers, overview.troubled(1_000, 10), overview.backlog, overview.database]))
  yield* transact(Effect.all([overview.attributes(id), overview.watched([{ runId: id, after: "0" }], 10)]))
  for (const filter of searches) yield* transact(states.list({ ...filter, limit: 10 }))
  yield* audit.record([
    { runId: id, kind: "k", nodeId: null, firing: null, attempt: null, version: 1, at: 0, detail: "" }
  ])
  yield* transact(overview.recent(0n, 10))
  yield* audit.read(id, { limit: 1 })
  yield* audit.read(id, { limit: 1, nodeId: "n" })
})

/** Every statement that the stores send, by its name. */
const statements = Effect.gen(function* () {
  const pool = yield* PgPool
  const seen = new Map<string, string>()
  // Without `writeAtOnce`, so that every statement passes one by one.
  const acquire = Effect.map(pool.acquire, (connection) => ({
    destroy: connection.destroy,
    execute: (one: Query) => {
      if (one.name.startsWith("perdure.")) seen.set(one.name.slice("perdure.".length), one.text)
      return connection.execute(one)
    }
  }))
  yield* everything.pipe(
    Effect.provide(PgOverview.layer()),
    Effect.provide(stores().pipe(Layer.provide(Layer.succeed(PgPool, { acquire, preamble: pool.preamble }))))
  )
  return seen
})

/** These two hold a row for each worker and for each definition: reading them all is what a statement means to do. */
const smallTable = /Seq Scan on (workers|definitions)\b.*\n\s+Disabled: true/g

const explain = (text: string) =>
  Effect.map(query(`explain (generic_plan, costs off) ${text}`), (rows) =>
    rows
      .map((row) => String(row["QUERY PLAN"]))
      .join("\n")
      .replaceAll(smallTable, "Scan")
  )

/** Grown tables: runs of all kinds, most of them ended, with their firings, messages and inputs. */
const grow = Effect.gen(function* () {
  yield* query(`insert into perdure.run_state
    (run_id, workflow, workflow_version, status, version, fence, worker, ready, due_at, frontier, ended_at)
    select 'r' || n, 'order', 1, case when n % 10 > 1 then 'completed' when n % 10 = 1 then 'running' else 'pending' end,
      1, 1, case when n % 10 = 1 then '00000000-0000-4000-8000-000000000001'::uuid end, n % 20 = 0,
      case when n % 20 = 10 then now() end, '{"nodes":{"n":{"low":1,"next":2}}}', case when n % 10 > 1 then now() end
    from generate_series(1, 20000) n`)
  yield* query("insert into perdure.run_values (run_id, input) select 'r' || n, '{}' from generate_series(1, 20000) n")
  yield* query(`insert into perdure.run_node_state (run_id, node_id, firing, status, attempt, inputs, opened_in, written_in)
    select 'r' || n, 'n', f, 'scheduled', 1, '{}', 1, 1 from generate_series(1, 20000) n, generate_series(1, 3) f`)
  yield* query(`insert into perdure.run_inbox_messages (run_id, node_id, handle, producer, firing, ordinal, payload)
    select 'r' || n, 'n', 'in', 'a.out', f, 0, '1' from generate_series(1, 20000) n, generate_series(1, 3) f`)
  yield* query(`insert into perdure.trigger_inputs (run_id, node_id, input_id, payload, status, settled_at)
    select 'r' || n, 'n', '1', '1', case when n % 100 = 0 then 'new' else 'applied' end, case when n % 100 > 0 then now() end
    from generate_series(1, 20000) n`)
  yield* query(`insert into perdure.run_commands (run_id, kind, status, settled_at)
    select 'r' || n, 'cancel', 'applied', now() from generate_series(1, 20000) n`)
  yield* query(`insert into perdure.run_attributes (run_id, name, value, created_at)
    select 'r' || n, 'customer', 'c-' || n % 500, now() from generate_series(1, 20000) n`)
  yield* query(`insert into perdure.run_events (run_id, events)
    select 'r' || n, json_build_array(json_build_object('kind', 'run.completed', 'at', 0)) from generate_series(1, 20000) n`)
  yield* query("analyze")
})

/** The index each statement lives by. */
const indexes: Readonly<Record<string, ReadonlyArray<string>>> = {
  "check.try": ["run_state_pkey"],
  "check.wait": ["run_state_pkey"],
  "runs.write": ["run_state_pkey"],
  "runs.writeAll": ["run_state_pkey"],
  "inbox.discard": ["run_inbox_messages_pkey"],
  "inbox.discardFrom": ["run_inbox_messages_pkey"],
  "inbox.pending": ["run_inbox_messages_pkey"],
  "inbox.highest": ["run_inbox_messages_pkey"],
  "cancelUnheld.lock": ["run_state_pkey", "run_commands_run"],
  "cancelUnheld.firings": ["run_state_pkey", "run_node_state_pkey"],
  "run.openFirings": ["run_node_state_pkey"],
  "claim.ready": ["run_state_claim_ready", "run_state_pkey"],
  "claim.due": ["run_state_claim_due", "run_state_pkey"],
  "claim.orphaned": ["run_state_claim_orphaned", "run_state_pkey"],
  "claim.named": ["run_state_pkey"],
  "open.read": ["run_node_state_pkey"],
  "open.crashed": ["run_node_state_pkey"],
  "release.lock": ["run_state_pkey", "trigger_inputs_run", "run_commands_run"],
  "unknown.find": ["run_state_claim_ready", "run_state_claim_due", "run_state_claim_orphaned"],
  "unknown.findByInput": ["trigger_inputs_look"],
  "unknown.unpark": ["run_state_parked"],
  "look.input": ["trigger_inputs_look", "run_state_pkey"],
  "look.command": ["run_commands_look", "run_state_pkey"],
  inputs: ["trigger_inputs_run"],
  commands: ["run_commands_run"],
  "settle.trigger_inputs": ["trigger_inputs_pkey"],
  "settle.trigger_inputs.dead": ["trigger_inputs_run"],
  "settle.run_commands.refused": ["run_commands_run"],
  "run.list.all": ["run_state_list"],
  "run.firings": ["run_node_state_pkey"],
  "cleanup.run_inbox_messages": ["run_state_retention", "run_inbox_messages_pkey"],
  "overview.workers": ["run_state_claim_orphaned"],
  "overview.troubled": ["run_state_claim_ready", "run_state_claim_due", "run_state_claim_orphaned"],
  "overview.backlog": ["run_state_parked", "run_state_claim_ready", "trigger_inputs_look", "run_commands_look"],
  "overview.attributes": ["run_attributes_pkey"],
  "overview.watchedEvents": ["run_events_run"],
  "overview.watchedStatus": ["run_state_pkey"],
  "overview.recent": ["run_events_pkey"],
  "overview.last": ["run_events_pkey"],
  "run.search.1": ["run_attributes_list", "run_state_pkey"],
  "run.search.awt2": ["run_attributes_list", "run_state_pkey", "run_attributes_pkey"],
  "run.search.su0": ["run_state_list"],
  "run.search.as0": ["run_state_list"],
  "events.readRun": ["run_events_run"],
  "retention.runs": ["run_state_retention", "run_state_pkey", "run_values_pkey", "run_node_state_pkey"],
  "retention.forget": ["run_events_run"],
  "retention.events": ["run_events_pkey", "run_state_pkey"]
}

const checkPlans = (seen: ReadonlyMap<string, string>) =>
  Effect.gen(function* () {
    const problems: Array<string> = []
    for (const [name, text] of seen) {
      if (text.startsWith("set local")) continue
      const plan = yield* explain(text)
      if (/Seq Scan|Hash Join|Merge Join|Bitmap|Materialize|hashed|Disabled: true/.test(plan))
        problems.push(`${name}\n${plan}`)
      for (const index of indexes[name] ?? []) {
        if (!new RegExp(`using ${index}\\b`).test(plan)) problems.push(`${name} does not use ${index}\n${plan}`)
      }
    }
    return problems
  })

describe("every statement", () => {
  it.live("uses its index, on empty tables and on grown ones", () =>
    Effect.gen(function* () {
      const seen = yield* statements
      expect(Object.keys(indexes).filter((name) => !seen.has(name))).toEqual([])
      yield* query(
        "truncate perdure.run_state, perdure.run_values, perdure.run_node_state, perdure.run_inbox_messages, perdure.trigger_inputs, perdure.run_commands, perdure.definitions, perdure.workers, perdure.run_events cascade"
      )
      expect(yield* checkPlans(seen)).toEqual([])
      yield* grow
      expect(yield* checkPlans(seen)).toEqual([])
      const listed = (name: string, value: string) =>
        transact(
          Effect.zipRight(
            sql(seen.get("run.list.planForValues") ?? ""),
            sql(`explain (costs off) ${seen.get(name)}`, [10, null, null, value])
          )
        )
      expect(JSON.stringify(yield* listed("run.list.status", "failed"))).toContain("using run_state_list_status")
      expect(JSON.stringify(yield* listed("run.list.workflow", "rare"))).toContain("using run_state_list_workflow")
    }).pipe(onFreshDatabase())
  )
})
