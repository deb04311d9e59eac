import { expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { afterAll } from "vitest"
import type { FiringRow } from "../../src/model/Firing.js"
import { RunId } from "../../src/model/Ids.js"
import type { RunStatus } from "../../src/model/Status.js"
import { type Stores, layer as storesLayer } from "../../src/postgres/layer.js"
import * as Pool from "../../src/postgres/Pool.js"
import { Inbox, type InboxMessage } from "../../src/store/Inbox.js"
import { type RunView, StateStore } from "../../src/store/StateStore.js"
import { type RawRow, Transaction, Transactor } from "../../src/store/Transactor.js"
import { TriggerStore } from "../../src/store/TriggerStore.js"
import { invariantStatement } from "../../src/testing/invariants/check.js"
import { freshDatabase } from "../support/database.js"
import { type EngineProcess, type ProcessOptions, startProcess } from "./process.js"

/** One database, with any number of processes on it. */
export interface World {
  readonly url: Redacted.Redacted
  /** Starts a process. */
  readonly start: (options: ProcessOptions) => Effect.Effect<EngineProcess, unknown, Scope.Scope>
  /** Ends a process as SIGKILL does, its sessions too, and lets its lease run out. */
  readonly kill: (process: EngineProcess) => Effect.Effect<void>
  /** Lets the lease of a process run out, whether it lives or not. */
  readonly expire: (process: EngineProcess) => Effect.Effect<void>
  /** Runs verbs of the ports in one transaction. */
  readonly read: <A, E>(effect: Effect.Effect<A, E, Stores | Transaction>) => Effect.Effect<A>
  /** Runs an effect over the ports. */
  readonly over: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Stores | Pool.PgPool>>
  readonly sql: (text: string, parameters?: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<RawRow>>
  /** Empties every table. */
  readonly reset: Effect.Effect<void>
  /** Runs an effect while another session has an open transaction in which the statement has run. */
  readonly holding: <A, E, R>(statement: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly run: (runId: string) => Effect.Effect<RunView>
  /** The firings of a run, by `nodeId/firing`. */
  readonly firings: (runId: string) => Effect.Effect<Readonly<Record<string, FiringRow>>>
  /** The messages of an inbox from one producer. */
  readonly messages: (
    runId: string,
    nodeId: string,
    handle: string,
    producer: string,
    from?: { readonly firing: number; readonly ordinal: number },
    limit?: number
  ) => Effect.Effect<ReadonlyArray<InboxMessage>>
  /** Waits until the rows say so. A commit of the run announces itself to no outsider, so that they are asked again. */
  readonly until: (runId: string, status: RunStatus) => Effect.Effect<RunView>
  /** Waits until nobody holds the run. */
  readonly untilReleased: (runId: string) => Effect.Effect<RunView>
  /** Waits until a query gives a row. */
  readonly untilRow: (text: string, parameters?: ReadonlyArray<unknown>) => Effect.Effect<RawRow>
  /** The trigger inputs of a run, settled or not. */
  readonly inputs: (
    runId: string
  ) => Effect.Effect<ReadonlyArray<{ readonly inputId: string; readonly status: string }>>
}

const empty = `
  delete from perdure.run_commands; delete from perdure.trigger_inputs; delete from perdure.run_inbox_messages;
  delete from perdure.run_children; delete from perdure.run_steps; delete from perdure.run_node_state; delete from perdure.run_values; delete from perdure.run_state;
  delete from perdure.run_events; delete from perdure.workers; delete from perdure.definitions`

const makeWorld = Effect.flatMap(freshDatabase(), ({ url }) => worldOn(url))

/** A world on a database that is there. */
export const worldOn = (databaseUrl: string) =>
  Effect.gen(function* () {
    const url = Redacted.make(databaseUrl)
    const context = yield* Layer.build(
      Layer.provideMerge(storesLayer(), Pool.layer({ url, applicationName: "reader", maxConnections: 3 }))
    )
    const transactor = Context.get(context, Transactor)
    const read: World["read"] = (effect) => Effect.orDie(Effect.provide(transactor.transact("test", effect), context))
    const sql: World["sql"] = (text, parameters = []) =>
      read(
        Effect.flatMap(Transaction, (transaction) =>
          transaction.run({ name: `test ${text.slice(0, 30)} ${Hash.string(text)}`, text }, parameters)
        )
      )

    const expire = (process: EngineProcess) =>
      // One that was frozen inside its heartbeat holds its row until the server ends its session, which may be a moment later.
      sql("update perdure.workers set heartbeat_at = '-infinity' where worker_id = $1", [process.sessions]).pipe(
        Effect.sandbox,
        Effect.retry({ times: 1 }),
        Effect.orDie,
        Effect.asVoid
      )

    const run: World["run"] = (runId) =>
      Effect.flatMap(read(Effect.flatMap(StateStore, (states) => states.get(RunId.make(runId)))), (found) =>
        found === undefined ? Effect.dieMessage(`no run ${runId}`) : Effect.succeed(found)
      )

    const world: World = {
      url,
      read,
      reset: Effect.forEach(empty.split(";"), (statement) => sql(statement.trim()), { discard: true }),
      holding: (statement, effect) =>
        Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* Effect.orDie(Context.get(context, Pool.PgPool).acquire)
            for (const text of ["begin", statement]) yield* Effect.orDie(connection.execute({ name: "hold", text }))
            yield* Effect.addFinalizer(() => Effect.orDie(connection.execute({ name: "hold", text: "rollback" })))
            return yield* effect
          })
        ),
      sql,
      over: (effect) => Effect.provide(effect, context),
      start: (options) => startProcess({ url }, options),
      expire,
      kill: (process) =>
        Effect.sync(process.halt).pipe(
          // Waits until the sessions are gone: what they had open is rolled back then.
          Effect.zipRight(
            sql(
              `select pg_terminate_backend(pid, 5000) from pg_stat_activity
             where datname = current_database() and application_name = $1`,
              [process.sessions]
            )
          ),
          Effect.zipRight(expire(process))
        ),
      run,
      until: (runId, status) => Effect.repeat(run(runId), { until: (found) => found.status === status }),
      untilReleased: (runId) => Effect.repeat(run(runId), { until: (found) => found.worker === null }),
      untilRow: (text, parameters) =>
        Effect.map(Effect.repeat(sql(text, parameters), { until: (rows) => rows.length > 0 }), ([row]) => row!),
      firings: (runId) =>
        Effect.map(read(Effect.flatMap(StateStore, (states) => states.firings(RunId.make(runId), 1_000))), (rows) =>
          Object.fromEntries(rows.map((row) => [`${row.nodeId}/${row.firing}`, row]))
        ),
      messages: (runId, nodeId, handle, producer, from = { firing: 0, ordinal: 0 }, limit) =>
        Effect.map(
          read(
            Effect.flatMap(Inbox, (inbox) =>
              inbox.pending([{ runId: RunId.make(runId), nodeId, handle, producer, from }], limit)
            )
          ),
          ({ messages }) => messages
        ),
      inputs: (runId) =>
        read(Effect.flatMap(TriggerStore, (triggers) => triggers.history(RunId.make(runId), "0", 1_000)))
    }
    return world
  })

/** How a scenario is run. */
export interface ScenarioOptions {
  /** On a database of its own, for what changes tables. */
  readonly fresh?: boolean
  /** It damages rows by hand, so that the invariants can't hold afterwards. */
  readonly damages?: boolean
  readonly timeout?: number
  /** Tries again after a failure. */
  readonly retry?: number
}

/** One database serves the scenarios of a file, one after the other; it goes when the last of them is through. */
const file = Effect.runSync(Scope.make())
afterAll(() => Effect.runPromise(Scope.close(file, Exit.void)))
const shared = Effect.runSync(Effect.cached(Scope.extend(makeWorld, file)))

const emptied = Effect.tap(shared, (world) => world.reset)

/** A test of engines on a real PostgreSQL; whatever it does, the invariants of the rows hold at its end. */
export const scenario = (
  name: string,
  body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>,
  options: ScenarioOptions = {}
): void =>
  it.live(
    name,
    () =>
      Effect.gen(function* () {
        const world = yield* options.fresh === true ? makeWorld : emptied
        yield* Effect.scoped(body(world))
        if (options.damages !== true) expect(yield* world.sql(invariantStatement({ atRest: false }))).toEqual([])
      }).pipe(Effect.scoped),
    {
      ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
      ...(options.retry === undefined ? {} : { retry: options.retry })
    }
  )

/**
 * A scenario of processes and leases in real time.
 *
 * **Details** On a machine that stands still for longer than a lease, a lease runs out as it must; a second try tells that
 * from a fault.
 */
export const timedScenario: typeof scenario = (name, body, options = {}) =>
  scenario(name, body, { retry: 1, ...options })

/** The values of messages; of a tombstone its cause. */
export const values = (messages: ReadonlyArray<InboxMessage>): ReadonlyArray<unknown> =>
  messages.map(({ content }) => (content._tag === "Live" ? content.value : content.cause))
