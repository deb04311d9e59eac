import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { afterAll } from "vitest"
import type { FiringRow } from "../../src/model/Firing.js"
import { emptyFrontier } from "../../src/model/Frontier.js"
import { Incarnation, InputId, RunId } from "../../src/model/Ids.js"
import type { MessageRow } from "../../src/model/Message.js"
import type { RunCommit, RunStart, TriggerDelivery } from "../../src/model/Run.js"
import * as EmbeddedDatabase from "../../src/postgres/embedded/EmbeddedDatabase.js"
import { emptyTables } from "../../src/postgres/embedded/emptyTables.js"
import { type Stores, layer as stores } from "../../src/postgres/layer.js"
import { migrate } from "../../src/postgres/Migrations.js"
import * as Pool from "../../src/postgres/Pool.js"
import type { Aged } from "../../src/store/Retention.js"
import { type RawRow, Transaction, Transactor } from "../../src/store/Transactor.js"
import { freshDatabase } from "../support/database.js"

/** Stores over a pool. */
const over = (pool: Layer.Layer<Pool.PgPool>): Layer.Layer<Stores | Pool.PgPool> => Layer.provideMerge(stores(), pool)

/** A migrated database of one's own. */
export const freshUrl: Effect.Effect<Redacted.Redacted, never, Scope.Scope> = Effect.map(freshDatabase(), ({ url }) =>
  Redacted.make(url)
)

/** Runs a test on this database; sessions it holds end before the pool does. */
export const onFreshUrl =
  (url: Redacted.Redacted, config: Omit<Pool.PoolConfig, "url"> = {}) =>
  <A, E>(test: Effect.Effect<A, E, Stores | Pool.PgPool | Scope.Scope>): Effect.Effect<A, E> =>
    test.pipe(Effect.scoped, Effect.provide(over(Pool.layer({ url, ...config }))))

/** Runs a test on a PostgreSQL database of its own. */
export const onFreshDatabase =
  (config: Omit<Pool.PoolConfig, "url"> = {}) =>
  <A, E>(test: Effect.Effect<A, E, Stores | Pool.PgPool | Scope.Scope>): Effect.Effect<A, E> =>
    Effect.scoped(Effect.flatMap(freshUrl, (url) => onFreshUrl(url, config)(test)))

/** One embedded database for all tests of a file, opened by the first of them. */
let opened: Promise<EmbeddedDatabase.EmbeddedDatabase> | undefined
const files = Effect.runSync(Scope.make())
afterAll(() => Effect.runPromise(Scope.close(files, Exit.void)))

const openEmbedded = (): Promise<EmbeddedDatabase.EmbeddedDatabase> =>
  Effect.runPromise(
    EmbeddedDatabase.open({ dataDir: undefined }).pipe(
      Effect.tap(({ pool }) => Effect.provide(migrate(), over(Pool.layerFromPool(pool)))),
      Scope.extend(files)
    )
  )

/** Runs a test on the embedded database, emptied before. */
const onEmbedded = <A, E>(test: Effect.Effect<A, E, Stores | Pool.PgPool | Scope.Scope>): Effect.Effect<A, E> =>
  Effect.gen(function* () {
    opened ??= openEmbedded()
    const { pool } = yield* Effect.promise(async () => opened ?? openEmbedded())
    yield* emptyTables(pool, { schema: "perdure", except: ["schema_migrations"] })
    return yield* test.pipe(Effect.scoped, Effect.provide(over(Pool.layerFromPool(pool))))
  })

/** A guarantee that holds on PostgreSQL and on the embedded database alike. */
export const both = <A, E>(name: string, test: Effect.Effect<A, E, Stores | Pool.PgPool | Scope.Scope>): void => {
  it.live(name, () => test.pipe(onFreshDatabase()))
  it.live(`${name} (embedded)`, () => onEmbedded(test))
}

/** Runs an effect in one transaction. */
export const transact = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Transactor, (transactor) => transactor.transact("test", effect))

/** One statement in the present transaction. */
export const sql = (text: string, parameters: ReadonlyArray<unknown> = []) =>
  Effect.flatMap(Transaction, (transaction) =>
    transaction.run({ name: `${text.slice(0, 40)} ${Hash.string(text)}`, text }, parameters)
  )

/** One statement in its own transaction. */
export const query = (text: string, parameters: ReadonlyArray<unknown> = []) => transact(sql(text, parameters))

/** The only row a statement gives. */
export const one = (text: string, parameters: ReadonlyArray<unknown> = []): Effect.Effect<RawRow, never, Transactor> =>
  Effect.orDie(query(text, parameters)).pipe(
    Effect.flatMap(([row]) => (row === undefined ? Effect.dieMessage(`no row: ${text}`) : Effect.succeed(row)))
  )

export const runId = (text: string): RunId => RunId.make(text)

export const definition = { workflow: "order", workflowVersion: 1 } as const

/** A worker's incarnation: its number as a UUID. */
export const incarnation = (number: number): Incarnation =>
  Incarnation.make(`00000000-0000-4000-8000-${String(number).padStart(12, "0")}`)

/** A commit of one run; its first one unless told otherwise. */
export const commit = (id: string, changes: Partial<RunCommit> = {}): RunCommit => ({
  runId: runId(id),
  fence: 1,
  version: 2,
  status: "running",
  reason: null,
  frontier: emptyFrontier,
  firings: [],
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

/** A start that nobody has leased yet. */
export const start = (id: string, changes: Partial<RunStart> = {}, first: Partial<RunCommit> = {}): RunStart => ({
  ...definition,
  priority: 0,
  input: "{}",
  worker: null,
  ready: true,
  dueAt: null,
  first: commit(id, { fence: 0, version: 1, status: "pending", ...first }),
  ...changes
})

export const firing = (nodeId: string, number: number, changes: Partial<FiringRow> = {}): FiringRow => ({
  nodeId,
  firing: number,
  status: "running",
  attempt: 1,
  crashes: 0,
  inputs: {},
  emitted: null,
  reason: null,
  state: null,
  notBefore: null,
  deadline: null,
  startedAt: null,
  failure: null,
  ...changes
})

/** A firing as it is read back: its row says when it started. */
export const stored = (row: FiringRow): unknown => ({ ...row, startedAt: expect.any(Number) })

export const message = (nodeId: string, position: readonly [number, number], value: unknown): MessageRow => ({
  nodeId,
  handle: "in",
  producer: "a.out",
  firing: position[0],
  ordinal: position[1],
  content: { _tag: "Live", text: JSON.stringify(value), value: value as null },
  discarded: false
})

export const delivery = (id: string, inputId: string, payload: unknown = null): TriggerDelivery => ({
  runId: runId(id),
  nodeId: "approval",
  inputId: InputId.make(inputId),
  payload: JSON.stringify(payload)
})

/** All runs that ended before a time. */
export const endedBefore = (before: Date): Aged => ({ before, workflows: [], others: true })

/** A frontier with one node whose firings from `low` on are open. */
export const open = (nodeId: string, low: number, next: number): RunCommit["frontier"] => ({
  ...emptyFrontier,
  nodes: { [nodeId]: { low, next, from: {} } }
})

/** The same, with firings that only the frontier tells of. */
export const frontierWith = (
  nodeId: string,
  [low, next]: readonly [number, number],
  started: RunCommit["frontier"]["nodes"][string]["started"] & {}
): RunCommit["frontier"] => ({ ...emptyFrontier, nodes: { [nodeId]: { low, next, from: {}, started } } })

/** A second session with an open transaction, in which the statement has run; rolled back when the scope closes. */
export const holding = (text: string) =>
  Effect.gen(function* () {
    const pool = yield* Pool.PgPool
    const connection = yield* pool.acquire
    yield* connection.execute({ name: "begin", text: "begin" })
    yield* Effect.addFinalizer(() => Effect.orDie(connection.execute({ name: "rollback", text: "rollback" })))
    yield* connection.execute({ name: "hold", text })
    return connection
  })
