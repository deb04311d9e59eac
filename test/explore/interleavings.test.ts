import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { emptyFrontier } from "../../src/model/Frontier.js"
import { Incarnation, InputId, RunId } from "../../src/model/Ids.js"
import type { RunCommit } from "../../src/model/Run.js"
import { type Stores, layer as stores } from "../../src/postgres/layer.js"
import { layerFromPool, PgPool } from "../../src/postgres/Pool.js"
import { Inbox } from "../../src/store/Inbox.js"
import { StateStore } from "../../src/store/StateStore.js"
import { type Transaction, Transactor, writeAll } from "../../src/store/Transactor.js"
import { TriggerStore } from "../../src/store/TriggerStore.js"
import { Workers } from "../../src/store/Workers.js"
import { firing as firingOf } from "../postgres/harness.js"
import { freshDatabase } from "../support/database.js"
import type { FreshDatabase } from "../support/serverDatabase.js"
import { type Interleaved, interleave, orders, type Side } from "./interleaving.js"

const runId = RunId.make("r")
const worker = (number: number) => Incarnation.make(`00000000-0000-4000-8000-00000000000${number}`)
const definitions = [{ workflow: "w", workflowVersion: 1 }]

const transact = <A, E>(name: string, effect: Effect.Effect<A, E, Stores | Transaction>) =>
  Effect.flatMap(Transactor, (transactor) => transactor.transact(name, effect))

const firing = firingOf("a", 1)

const commitOf = (changes: Partial<RunCommit> = {}): RunCommit => ({
  runId,
  fence: 1,
  version: 2,
  status: "running",
  reason: null,
  frontier: { ...emptyFrontier, nodes: { a: { low: 1, next: 2, from: {} } } },
  firings: [{ ...firing, status: "completed", emitted: {} }],
  started: [],
  messages: [],
  discarded: [],
  applied: [],
  answered: [],
  steps: [],
  output: null,
  failure: null,
  ...changes
})

const commit = (changes: Partial<RunCommit> = {}) =>
  transact(
    "runs",
    Effect.gen(function* () {
      const store = yield* StateStore
      const one = [commitOf(changes)]
      const [check] = yield* store.check(one, { wait: true })
      if (check !== "Ready") return check
      yield* writeAll(store.writeFirings(one))
      yield* writeAll((yield* Inbox).append(one))
      yield* writeAll((yield* TriggerStore).settle(one))
      yield* writeAll(store.writeRuns(one))
      return "Written" as const
    })
  )

const claim = (by: number, named = false) =>
  transact(
    "claim",
    Effect.flatMap(StateStore, (store) =>
      store.claim(
        worker(by),
        named ? { _tag: "Named", runIds: [runId], definitions } : { _tag: "Orphaned", definitions },
        10
      )
    )
  ).pipe(Effect.map(({ claimed }) => claimed.map(({ row }) => ({ fence: row.fence, version: row.version }))))

const deliver = (inputId: string) =>
  transact(
    "deliver",
    Effect.flatMap(TriggerStore, (store) =>
      store.deliver([{ runId, nodeId: "a", inputId: InputId.make(inputId), payload: "1" }])
    )
  ).pipe(Effect.map(([outcome]) => outcome?._tag))

const release = transact(
  "release",
  Effect.flatMap(StateStore, (store) =>
    store.release([{ runId, fence: 1, version: 1, ready: false, dueAt: null, force: false }])
  )
).pipe(Effect.map(([outcome]) => outcome))

const cancel = transact(
  "request",
  Effect.flatMap(TriggerStore, (store) => store.request(runId, "cancel", ["pending", "running", "suspended"]))
).pipe(Effect.map(({ _tag }) => _tag))

const settleLate = transact(
  "settle",
  Effect.flatMap(TriggerStore, (store) => store.settleLate([runId]))
)

/** A run that worker 1 holds with a firing at work; it is dead unless told otherwise, 2 and 3 are alive. */
const setUp = (alive: boolean) =>
  Effect.gen(function* () {
    const { register } = yield* Workers
    for (const number of [1, 2, 3]) {
      const leaseMs = number === 1 && !alive ? 1 : 1_000_000
      yield* transact(
        "register",
        register({ incarnation: worker(number), workerId: "w", leaseMs, process: null, exclusive: false })
      )
    }
    const first = commitOf({ version: 1, firings: [firing] })
    yield* transact(
      "start",
      Effect.gen(function* () {
        const store = yield* StateStore
        const start = {
          ...definitions[0]!,
          priority: 0,
          input: "{}",
          worker: worker(1),
          ready: false,
          dueAt: null,
          first
        }
        yield* store.start([start])
        yield* writeAll(store.writeFirings([first]))
      })
    )
  })

const reset = [
  "trigger_inputs",
  "run_commands",
  "run_inbox_messages",
  "run_node_state",
  "run_values",
  "run_state",
  "workers"
]
  .map((table) => `delete from perdure.${table}`)
  .join("; ")

interface Row {
  readonly fence: number
  readonly version: number
  readonly status: string
  readonly worker: string | null
  readonly crashes: number
  readonly inputs: number
  readonly commands: number
}

const rowStatement = `
  select r.fence, r.version, r.status, r.worker,
    (select crashes from perdure.run_node_state n where n.run_id = r.run_id) as crashes,
    (select count(*)::int4 from perdure.trigger_inputs t where t.status = 'new') as inputs,
    (select count(*)::int4 from perdure.run_commands c where c.status = 'new') as commands
  from perdure.run_state r`

/**
 * Runs two transactions in each order of their statements, and looks at the rows after each.
 *
 * **Details** How many statements each has is seen when one follows the other, both ways round. What one of them sends beyond
 * that, since the other was in its way, follows at the end. `alike`: both do the same, so that an order and its mirror
 * image are one. Both have begun before anything else: BEGIN takes no lock and, at this isolation, no snapshot.
 */
const inEveryOrder = <A, B>(options: {
  readonly alive: boolean
  readonly alike?: boolean
  readonly first: Effect.Effect<A, unknown, Stores>
  readonly second: Effect.Effect<B, unknown, Stores>
  readonly after?: Effect.Effect<unknown, unknown, Stores>
  readonly holds: (seen: Interleaved<A, B>, row: Row) => void
}) =>
  Effect.gen(function* () {
    const database: FreshDatabase = yield* freshDatabase()
    const pool = Context.get(yield* Layer.build(layerFromPool(database.pool)), PgPool)
    const layer = stores().pipe(Layer.provide(Layer.succeed(PgPool, pool)))
    const inOrder = async (order: ReadonlyArray<Side>) => {
      await database.pool.query(reset)
      await Effect.runPromise(Effect.provide(setUp(options.alive), layer))
      const seen = await interleave({ ...options, pool, watcher: database.pool }, order)
      if (options.after !== undefined) await Effect.runPromise(Effect.provide(options.after, layer))
      const { rows } = await database.pool.query<Row>(rowStatement)
      try {
        options.holds(seen, rows[0]!)
      } catch (cause) {
        throw new Error(`in order ${order.join("")}`, { cause })
      }
      return seen.steps
    }
    yield* Effect.promise(async () => {
      const one = await inOrder(Array.from({ length: longest }, () => 0 as const))
      const other = await inOrder(Array.from({ length: longest }, () => 1 as const))
      const all = orders(Math.max(one[0], other[0]) - 1, Math.max(one[1], other[1]) - 1)
      expect(all.length).toBeGreaterThan(1)
      const different = options.alike === true ? all.filter(([side]) => side === 0) : all
      for (const order of different) await inOrder([0, 1, ...order])
    })
  })

/** More statements than any of the transactions has. */
const longest = 20

const answerOf = <A>(exit: Exit.Exit<A, unknown>): A => {
  if (Exit.isFailure(exit)) throw new Error(String(exit.cause))
  return exit.value
}

describe("two sessions in every order of their statements", () => {
  it.scopedLive(
    "claim × claim: one worker gets the run, with the next fence",
    () =>
      inEveryOrder({
        alive: false,
        alike: true,
        first: claim(2),
        second: claim(3),
        holds: ({ first, second }, row) => {
          expect([...answerOf(first), ...answerOf(second)]).toEqual([{ fence: 2, version: 1 }])
          expect(row).toMatchObject({ fence: 2, version: 1, crashes: 1 })
        }
      }),
    120_000
  )

  it.scopedLive(
    "claim × commit: the taker reads what was committed, or the commit is stale",
    () =>
      inEveryOrder({
        alive: false,
        first: claim(2),
        second: commit(),
        holds: ({ first, second }, row) => {
          const claimed = answerOf(first)
          if (answerOf(second) === "Stale") expect(claimed).toEqual([{ fence: 2, version: 1 }])
          else {
            expect(answerOf(second)).toBe("Written")
            expect(claimed.length === 0 || claimed[0]!.version === 2).toBe(true)
          }
          expect(row.version).toBe(answerOf(second) === "Written" ? 2 : 1)
          expect(row.fence).toBe(1 + claimed.length)
        }
      }),
    120_000
  )

  it.scopedLive(
    "commit × take-over by name: the same",
    () =>
      inEveryOrder({
        alive: false,
        first: commit(),
        second: claim(3, true),
        holds: ({ first, second }, row) => {
          const claimed = answerOf(second)
          expect(answerOf(first) === "Stale" ? claimed : claimed.filter(({ version }) => version !== 2)).toEqual(
            answerOf(first) === "Stale" ? [{ fence: 2, version: 1 }] : []
          )
          expect(row.fence).toBe(1 + claimed.length)
        }
      }),
    120_000
  )

  it.scopedLive(
    "deliver × release: the input keeps the run, or is found by the next look",
    () =>
      inEveryOrder({
        alive: true,
        first: deliver("one"),
        second: release,
        holds: ({ first, second }, row) => {
          expect(answerOf(first)).toBe("Delivered")
          expect(row.inputs).toBe(1)
          expect(row.worker === null).toBe(answerOf(second) === "Released")
        }
      }),
    120_000
  )

  it.scopedLive(
    "deliver × deliver: one is the input, the other its duplicate",
    () =>
      inEveryOrder({
        alive: true,
        alike: true,
        first: deliver("one"),
        second: deliver("one"),
        holds: ({ first, second }, row) => {
          expect([answerOf(first), answerOf(second)].sort()).toEqual(["Delivered", "Duplicate"])
          expect(row.inputs).toBe(1)
        }
      }),
    120_000
  )

  it.scopedLive(
    "cancel × complete: a command that comes too late is settled by the next look",
    () =>
      inEveryOrder({
        alive: true,
        first: cancel,
        second: commit({ status: "completed", output: "{}" }),
        after: settleLate,
        holds: ({ first, second }, row) => {
          expect(["Requested", "Refused"]).toContain(answerOf(first))
          expect(answerOf(second)).toBe("Written")
          expect(row).toMatchObject({ status: "completed", commands: 0, worker: null })
        }
      }),
    120_000
  )

  it.scopedLive(
    "cleanup × commit: what is alive is not touched",
    () =>
      inEveryOrder({
        alive: true,
        first: transact(
          "cleanup",
          Effect.flatMap(Inbox, (inbox) =>
            inbox.cleanup({ before: new Date(Date.UTC(2100, 0)), workflows: [], others: true }, 100)
          )
        ),
        second: commit({
          messages: [
            {
              nodeId: "b",
              handle: "in",
              producer: "a.out",
              firing: 1,
              ordinal: 0,
              discarded: false,
              content: { _tag: "Live", text: "1", value: 1 }
            }
          ]
        }),
        holds: ({ first, second }, row) => {
          expect(answerOf(first)).toEqual({ rows: 0, done: true })
          expect(answerOf(second)).toBe("Written")
          expect(row.version).toBe(2)
        }
      }),
    120_000
  )
})
