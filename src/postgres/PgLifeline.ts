import { randomBytes } from "node:crypto"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import pg from "pg"
import { Lifeline } from "../store/Lifeline.js"
import { Transactor } from "../store/Transactor.js"
import { backendPid, type Connection, isProxied, type Query, QueryError, send, toQueryError } from "./Connection.js"
import * as PgTransactor from "./PgTransactor.js"
import { PgPool } from "./Pool.js"
import { beforeCommit } from "./SqlStates.js"
import { rowTypes } from "./TypeParsers.js"

/** Where signs of life go. Only if `url` leads to PostgreSQL directly can others see by the session that a process lives. */
export interface LifelineConfig {
  readonly url: Redacted.Redacted
}

/** One session: the key of its lock, if it leads to the server directly, and its end. */
interface Session {
  readonly client: pg.Client
  readonly key: string | null
  readonly gone: Deferred.Deferred<void>
}

/** How much longer than the server this side waits for an answer. */
const answerGraceMs = 100

/**
 * How long opening a session may take at most. Each failure doubles what a heartbeat may take up to here: on a machine so busy
 * that a connection takes longer than that, giving up early would mean never to have one.
 */
const openMostMs = 5_000

const notOpen = new QueryError({ sqlState: undefined, reason: "the lifeline is not open", broken: true })

/** A fresh key each time: a session that broke may live on in the server for a while, and hold its own. */
const newKey = (): string => randomBytes(8).readBigInt64BE().toString()

const open = (config: LifelineConfig, deadlineMs: number): Effect.Effect<Session, QueryError> =>
  Effect.gen(function* () {
    const gone = Deferred.unsafeMake<void>(FiberId.none)
    const client = new pg.Client({
      connectionString: Redacted.value(config.url),
      application_name: "perdure lifeline",
      connectionTimeoutMillis: deadlineMs,
      keepAlive: true
    })
    // What breaks is noticed by the next statement and by its end; without a listener it would be a crash.
    client.on("error", () => undefined)
    client.once("end", () => Deferred.unsafeDone(gone, Effect.void))
    const say = (text: string, values: Array<unknown> = []) =>
      send(client, { text, values, types: rowTypes }, deadlineMs + answerGraceMs)
    const begin = Effect.gen(function* () {
      yield* Effect.tryPromise({ try: () => client.connect(), catch: toQueryError })
      const pid = yield* Effect.map(say(backendPid), ({ rows }) => Number(rows[0]?.["pid"]))
      if (isProxied(client, pid)) return { client, key: null, gone }
      const key = newKey()
      yield* say("select pg_advisory_lock($1::int8)", [key])
      return { client, key, gone }
    })
    return yield* Effect.onError(begin, () => close(client))
  })

const close = (client: pg.Client): Effect.Effect<void> => Effect.sync(() => client.connection.stream.destroy())

const make = (config: LifelineConfig) =>
  Effect.gen(function* () {
    let session: Session | undefined
    let deadlineMs = 1_000

    let failures = 0

    const ensure = (within: number) =>
      Effect.gen(function* () {
        deadlineMs = within
        if (session !== undefined) return session
        const opened = yield* Effect.tapError(
          open(config, Math.max(within, Math.min(openMostMs, within * 2 ** failures))),
          () =>
            Effect.sync(() => {
              failures++
            })
        )
        failures = 0
        session = opened
        opened.client.once("end", () => {
          if (session === opened) session = undefined
        })
        return opened
      })

    const connection: Connection = {
      execute: (query: Query) =>
        Effect.suspend(() =>
          session === undefined
            ? Effect.fail(notOpen)
            : send(
                session.client,
                {
                  text: query.text,
                  types: rowTypes,
                  ...(query.values === undefined ? {} : { values: [...query.values] })
                },
                deadlineMs + answerGraceMs
              )
        ),
      destroy: Effect.suspend(() => {
        const broken = session
        session = undefined
        return broken === undefined ? Effect.void : close(broken.client)
      })
    }
    yield* Effect.addFinalizer(() => connection.destroy)
    const pool = PgPool.of({ acquire: Effect.succeed(connection), preamble: "" })
    const built = yield* Layer.build(Layer.provide(PgTransactor.layer, Layer.succeed(PgPool, pool)))
    const transactor = Context.get(built, Transactor)

    return Lifeline.of({
      own: true,
      session: (within) =>
        ensure(within).pipe(
          Effect.map(({ key }) => key),
          Effect.mapError((error) => beforeCommit("lifeline", error))
        ),
      transact: (operation, within, effect) => transactor.transact(operation, effect, { statementTimeout: within }),
      lost: Effect.suspend(() => (session === undefined ? Effect.void : Deferred.await(session.gone)))
    })
  })

/** A connection of its own for signs of life. */
export const layer = (config: LifelineConfig): Layer.Layer<Lifeline> => Layer.scoped(Lifeline, make(config))

/** Signs of life over the connections that there are: for the embedded database, which has only one. */
export const layerShared: Layer.Layer<Lifeline, never, Transactor> = Layer.effect(
  Lifeline,
  Effect.map(Transactor, (transactor) => ({
    own: false,
    session: () => Effect.succeed(null),
    transact: (operation, deadlineMs, effect) =>
      transactor.transact(operation, effect, { statementTimeout: deadlineMs }),
    lost: Effect.never
  }))
)
