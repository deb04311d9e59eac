import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import pg from "pg"
import {
  backendPid,
  type Connection,
  isProxied,
  type Query,
  type QueryError,
  type QueryResult,
  send,
  sendAtOnce,
  toQueryError
} from "./Connection.js"
import { isInDoubt, losesPreparedStatements } from "./SqlStates.js"
import { rowTypes } from "./TypeParsers.js"

/**
 * The connections of the engine: everything it says to the database passes here, so a test can stand in between.
 *
 * **Details** `preamble` is SQL that every transaction begins with; empty where sessions keep their settings. It is known
 * once a connection was acquired.
 */
export class PgPool extends Context.Tag("perdure/PgPool")<
  PgPool,
  {
    readonly acquire: Effect.Effect<Connection, QueryError, Scope.Scope>
    /**
     * A batch over a session that is free and ready, if there is one, without a scope; otherwise nothing is sent, and false.
     * Outside of interruption. Ten commits of a lone run go this way.
     */
    readonly writeAtOnce?: (queries: ReadonlyArray<Query>) => Effect.Effect<boolean, QueryError>
    readonly preamble: string
  }
>() {}

/** How the engine reaches PostgreSQL. */
export interface PoolConfig {
  readonly url: Redacted.Redacted
  /** Connections at most; 10 by default. */
  readonly maxConnections?: number
  readonly applicationName?: string
  /** The connection goes through a pooling proxy: no prepared statements, settings with every transaction. Found out where it is not said. */
  readonly pooled?: boolean
  /** Bound on getting a connection; 5 seconds by default. */
  readonly connectTimeout?: Duration.DurationInput
}

/** How a pool that is there already is used. */
export interface GivenPoolOptions {
  readonly pooled?: boolean
}

/**
 * Settings of every session of the engine.
 *
 * **Details** Statements are planned while tables are empty or their statistics old, and then kept; every hot one has its
 * index, so the plans that get slower as tables grow are ruled out from the first row on, and generic plans save the
 * planning of each execution: with these settings no plan depends on a value. JIT compiles for longer than these
 * statements run. The time-outs free the locks of a process that was stopped in the middle of a transaction.
 */
const sessionSettings: ReadonlyArray<readonly [name: string, value: string]> = [
  ["enable_seqscan", "off"],
  ["enable_hashjoin", "off"],
  ["enable_mergejoin", "off"],
  ["enable_bitmapscan", "off"],
  ["enable_material", "off"],
  ["plan_cache_mode", "force_generic_plan"],
  ["jit", "off"],
  ["default_transaction_isolation", "'read committed'"],
  ["default_transaction_read_only", "off"],
  ["client_encoding", "'UTF8'"],
  ["statement_timeout", "'30s'"],
  ["lock_timeout", "'10s'"],
  ["idle_in_transaction_session_timeout", "'10s'"]
]

const setAll = (how: "set" | "set local"): string =>
  sessionSettings.map(([name, value]) => `${how} ${name} = ${value}`).join("; ")

/**
 * Lets the server's process keep the memory that a statement took for the next one. glibc gives whatever is free above 128 kB at the end of
 * its heap back to the system, until a block that was too large for the heap has been freed: from then on only what exceeds
 * twice its size (mallopt(3), "M_TRIM_THRESHOLD"). Where the threshold happens to be crossed by each commit of a lone run, its 34
 * page faults were half of its time: 0.92 ms of the server's CPU before, 0.44 since. A server without glibc is not changed by it.
 */
const keepMemory = "select pg_catalog.length(pg_catalog.repeat('x', 1048576))"

/** Longer than the session's `statement_timeout`, so that the server speaks first if it can. */
const deadlineMs = 35_000

/**
 * For a batch that is one round trip. Where the network has swallowed its acknowledgement it holds one of two lanes until then, and
 * with it the runs it commits: to be asked again is harmless, to wait for long is not.
 */
const atOnceDeadlineMs = 10_000

const sent = Effect.succeed(true)
const notSent = Effect.succeed(false)

/** Sessions that have what they need: see `prepare`. */
const prepared = new WeakSet<pg.PoolClient>()

/** Builds the service over a pool. */
const fromPool = (pool: pg.Pool, options: GivenPoolOptions): Context.Tag.Service<PgPool> => {
  let pooled = options.pooled
  let named = pooled !== true

  const execute = (client: pg.PoolClient, query: Query): Effect.Effect<QueryResult, QueryError> =>
    Effect.tapError(
      send(
        client,
        {
          text: query.text,
          types: rowTypes,
          ...(query.values === undefined ? {} : { values: [...query.values] }),
          ...(query.values === undefined || !named ? {} : { name: query.name })
        },
        query.deadlineMs ?? deadlineMs
      ),
      (error) =>
        Effect.sync(() => {
          if (losesPreparedStatements(error)) named = false
        })
    )

  const submit = (
    client: pg.PoolClient,
    queries: ReadonlyArray<Query>,
    done: (error: QueryError | undefined) => void
  ): void =>
    sendAtOnce(client, queries, { named, deadlineMs: atOnceDeadlineMs }, (error) => {
      if (error !== undefined && losesPreparedStatements(error)) named = false
      done(error)
    })

  const atOnce = (client: pg.PoolClient, queries: ReadonlyArray<Query>): Effect.Effect<void, QueryError> =>
    Effect.async((resume) =>
      submit(client, queries, (error) => resume(error === undefined ? Effect.void : Effect.fail(error)))
    )

  /** Lets go of the queries with the answer, as whoever made them does: see `PgTransactor`. */
  const sendHeld = (held: { queries: ReadonlyArray<Query> }): Effect.Effect<boolean, QueryError> =>
    Effect.async((resume) => {
      if (pool.idleCount === 0) return resume(notSent)
      pool.connect((_, client) => {
        if (client === undefined) return resume(notSent)
        listen(client)
        if (!prepared.has(client)) {
          client.release()
          return resume(notSent)
        }
        submit(client, held.queries, (error) => {
          held.queries = []
          client.release(error !== undefined && isInDoubt(error))
          resume(error === undefined ? sent : Effect.fail(error))
        })
      })
    })

  const writeAtOnce = (queries: ReadonlyArray<Query>): Effect.Effect<boolean, QueryError> =>
    Effect.suspend(() => sendHeld({ queries }))

  /** One look at the first session tells what stands before the server. */
  const findOut = (client: pg.PoolClient): Effect.Effect<boolean, QueryError> =>
    pooled === undefined
      ? Effect.map(execute(client, { name: "pid", text: backendPid }), ({ rows }) => {
          pooled = isProxied(client, Number(rows[0]?.["pid"]))
          named &&= !pooled
          return pooled
        })
      : Effect.succeed(pooled)

  /** What a session needs once. */
  const prepare = (client: pg.PoolClient): Effect.Effect<void, QueryError> =>
    Effect.suspend(() => {
      if (prepared.has(client)) return Effect.void
      prepared.add(client)
      return Effect.flatMap(findOut(client), (proxied) =>
        proxied ? Effect.void : execute(client, { name: "settings", text: `${setAll("set")}; ${keepMemory}` })
      )
    })

  const acquire = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const client = yield* restore(checkOut(pool))
      let doomed = false
      yield* Effect.addFinalizer(() => Effect.sync(() => client.release(doomed)))
      const destroy = Effect.sync(() => {
        doomed = true
      })
      yield* Effect.tapError(prepare(client), () => destroy)
      return {
        execute: (query: Query) => execute(client, query),
        writeAtOnce: (queries) => atOnce(client, queries),
        destroy
      } satisfies Connection
    })
  )

  const preamble = `; ${setAll("set local")}`
  return {
    acquire,
    writeAtOnce,
    get preamble() {
      return pooled === true ? preamble : ""
    }
  }
}

/** Takes a client out of the pool; one that arrives after an interruption goes back. */
const checkOut = (pool: pg.Pool): Effect.Effect<pg.PoolClient, QueryError> =>
  Effect.suspend(() => {
    let arrived: pg.PoolClient | undefined
    let gone = false
    const giveBack = Effect.sync(() => {
      gone = true
      arrived?.release()
    })
    return Effect.async<pg.PoolClient, QueryError>((resume) => {
      pool.connect((cause, client) => {
        if (client === undefined) return resume(Effect.fail(toQueryError(cause)))
        listen(client)
        if (gone) return client.release()
        arrived = client
        resume(Effect.succeed(client))
      })
    }).pipe(Effect.onInterrupt(() => giveBack))
  })

/** Clients that have a listener of ours. */
const heard = new WeakSet<pg.PoolClient>()

/**
 * Without a listener, a session that breaks between two statements would be a crash: the pool takes its own away when it hands
 * a client out, so ours comes in the same turn of the event loop, before the fiber that waits for the client goes on.
 */
const listen = (client: pg.PoolClient): void => {
  if (heard.has(client)) return
  heard.add(client)
  client.on("error", ignore)
}

/** An error that has an answer elsewhere: the statement under way fails with it, and an idle client leaves the pool. */
const ignore = (): undefined => undefined

const make = (config: PoolConfig): pg.Pool =>
  new pg.Pool({
    connectionString: Redacted.value(config.url),
    max: config.maxConnections ?? 10,
    application_name: config.applicationName ?? "perdure",
    connectionTimeoutMillis: Duration.toMillis(config.connectTimeout ?? "5 seconds"),
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000
  })

/** Ends a pool, without waiting for long for clients that are still out. */
const end = (pool: pg.Pool): Effect.Effect<void> =>
  Effect.promise(() => pool.end()).pipe(Effect.interruptible, Effect.timeoutOption("5 seconds"), Effect.asVoid)

/** An idle session that breaks is told to the pool, also while it closes; without a listener it would be a crash. */
const watch = (pool: pg.Pool): pg.Pool => (pool.listeners("error").includes(ignore) ? pool : pool.on("error", ignore))

/** A pool of our own to a server. */
export const layer = (config: PoolConfig): Layer.Layer<PgPool> =>
  Layer.scoped(
    PgPool,
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => watch(make(config))),
        end
      ),
      (pool) => fromPool(pool, config)
    )
  )

/** A pool that somebody else opens and closes, as that of the embedded database. */
export const layerFromPool = (pool: pg.Pool, options: GivenPoolOptions = {}): Layer.Layer<PgPool> =>
  Layer.sync(PgPool, () => fromPool(watch(pool), { ...options, pooled: options.pooled ?? false }))
