import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import pg from "pg"
import { type Listening, type Wakeup, Wakeups } from "../store/Wakeups.js"
import { backendPid, isProxied, type QueryError, send, toQueryError } from "./Connection.js"
import { hintText, packHints, unpackHints } from "./Hints.js"
import { defaultSchema, type SchemaName } from "./Statement.js"
import { rowTypes } from "./TypeParsers.js"

/** How hints travel. `url` must lead to PostgreSQL directly: a pooling proxy knows no LISTEN. */
export interface WakeupsConfig {
  readonly url: Redacted.Redacted
  readonly schema?: SchemaName
  /** How often the session is asked whether it still answers; 10 seconds by default. */
  readonly heartbeat?: Duration.DurationInput
  /** How long it may take to answer; 5 seconds by default. */
  readonly deadline?: Duration.DurationInput
}

/** How long the last hints may take. */
const lastWords = Duration.seconds(1)

/** Hints that a slow listener may lag behind. */
const hubSize = 4_096

/** Different hints that may wait to be sent; more are dropped and counted. */
const pendingSize = 10_000

/** Hints that were not sent to other processes: theirs to find out at their next look. */
export const hintsDropped = Metric.counter("perdure_hints_dropped_total", {
  description: "Hints that were not sent to other processes",
  incremental: true
})

const reconnect = Schedule.exponential("100 millis").pipe(
  Schedule.union(Schedule.spaced("5 seconds")),
  Schedule.jittered,
  Schedule.resetAfter("30 seconds")
)

/** A session that listens, and over which hints are sent. */
interface Session {
  readonly client: pg.Client
  /** The server's number of it: what it said itself comes back to it. */
  readonly pid: number
  /** Behind a pooling proxy it can only speak. */
  readonly hears: boolean
}

/** Ends a session without waiting for a server that may be out of reach. */
const close = (client: pg.Client): Effect.Effect<void> =>
  Effect.promise(() => client.end()).pipe(
    Effect.interruptible,
    Effect.timeoutOption("1 second"),
    Effect.zipRight(Effect.sync(() => client.connection.stream.destroy()))
  )

/**
 * Opens a session; `gone` is called before it is closed.
 *
 * **Details** Its only finalizer: with Effect 3.22 an interruption that arrives while the later of a scope's finalizers is under way is
 * lost when it ends (each restores the fiber's references as they were at its start), and a loop around the scope would go on for ever.
 */
const connect = (
  config: WakeupsConfig,
  gone: (client: pg.Client) => void
): Effect.Effect<pg.Client, QueryError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const client = new pg.Client({
        connectionString: Redacted.value(config.url),
        application_name: "perdure wake-ups",
        connectionTimeoutMillis: 5_000,
        query_timeout: Duration.toMillis(config.deadline ?? "5 seconds"),
        keepAlive: true
      })
      // A session that breaks is noticed by its next query; without a listener it would be a crash.
      return client.on("error", () => undefined)
    }),
    (client) =>
      Effect.zipRight(
        Effect.sync(() => gone(client)),
        close(client)
      )
  ).pipe(
    Effect.tap((client) => Effect.tryPromise({ try: () => client.connect(), catch: toQueryError })),
    Effect.interruptible
  )

/** Resolves, as a failure, when the session ends. */
const ended = (client: pg.Client): Effect.Effect<never, QueryError> =>
  Effect.async((resume) => {
    const onEnd = () => resume(Effect.fail(toQueryError(new Error("the session ended"))))
    client.once("end", onEnd)
    return Effect.sync(() => client.off("end", onEnd))
  })

const make = (config: WakeupsConfig) =>
  Effect.gen(function* () {
    // A counter that has not counted yet is shown as well.
    hintsDropped.unsafeUpdate(0, [])
    const channel = `perdure_${config.schema ?? defaultSchema}`
    const hub = yield* PubSub.sliding<Wakeup>(hubSize)
    const bell = yield* Queue.sliding<void>(1)
    const turn = yield* Effect.makeSemaphore(1)
    const pending = new Set<string>()
    let session: Session | undefined

    const say = (client: pg.Client, text: string, values: Array<unknown> = []) =>
      turn.withPermits(1)(send(client, { text, values, types: rowTypes }))

    const notHeard = yield* Effect.once(
      Effect.logInfo("Hints of other processes are not heard through a pooling proxy: a direct connection is needed")
    )

    const listen = Effect.scoped(
      Effect.gen(function* () {
        const client = yield* connect(config, (closed) => {
          if (session?.client === closed) session = undefined
        })
        const pid = yield* Effect.map(say(client, backendPid), ({ rows }) => Number(rows[0]?.["pid"]))
        client.on("notification", (message) => {
          if (message.channel !== channel || message.processId === pid) return
          for (const hint of unpackHints(message.payload ?? "")) hub.unsafeOffer(hint)
        })
        // Behind a pooling proxy nobody can listen; speaking works.
        const hears = !isProxied(client, pid)
        if (!hears) yield* notHeard
        else yield* say(client, `listen "${channel}"`)
        session = { client, pid, hears }
        const beat = say(client, "select 1").pipe(Effect.repeat(Schedule.spaced(config.heartbeat ?? "10 seconds")))
        yield* Effect.raceFirst(beat, ended(client))
      })
    ).pipe(
      Effect.tapError((error) => Effect.logDebug("The session for hints is opened again", error)),
      Effect.retry(reconnect)
    )

    const drop = (count: number) => Metric.incrementBy(hintsDropped, count)

    /** One statement for all that has gathered; while it is under way, more gathers. */
    const sendNow = Effect.gen(function* () {
      const hints = [...pending]
      pending.clear()
      if (hints.length === 0) return
      if (session === undefined) return yield* drop(hints.length)
      const text = "select count(pg_notify($1, payload)) from unnest($2::text[]) payload"
      yield* Effect.catchAll(say(session.client, text, [channel, [...packHints(hints)]]), (error) =>
        Effect.zipRight(drop(hints.length), Effect.logDebug("Hints were not sent", error))
      )
    })

    yield* Effect.forkScoped(listen)
    // A stop hands runs over: those who may go on with them are told before the session closes.
    yield* Effect.addFinalizer(() => Effect.timeoutOption(Effect.interruptible(sendNow), lastWords))
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Queue.take(bell), sendNow)))

    const announce = (hints: ReadonlyArray<Wakeup>): Effect.Effect<void> =>
      hints.length === 0
        ? Effect.void
        : Effect.gen(function* () {
            yield* PubSub.publishAll(hub, hints)
            const room = hints.slice(0, Math.max(0, pendingSize - pending.size))
            for (const hint of room) pending.add(hintText(hint))
            if (room.length < hints.length) yield* drop(hints.length - room.length)
            yield* Queue.offer(bell, undefined)
          })

    const listening = Effect.sync((): Listening => {
      if (session === undefined) return "broken"
      return session.hears ? "heard" : "unheard"
    })

    return Wakeups.of({ announce, listening, hints: Stream.fromPubSub(hub) })
  })

/**
 * Hints across processes, by LISTEN and NOTIFY over a session of their own.
 *
 * **Details** The session is opened again whenever it breaks or stops answering; meanwhile hints reach this process only.
 * Statements are few: hints gather while one is under way, and committing runs never wait for them.
 */
export const layer = (config: WakeupsConfig): Layer.Layer<Wakeups> => Layer.scoped(Wakeups, make(config))

/** Hints within this process only: for the embedded database, which no other process can use. */
export const layerLocal: Layer.Layer<Wakeups> = Layer.effect(
  Wakeups,
  Effect.map(PubSub.sliding<Wakeup>(hubSize), (hub) => ({
    announce: (hints: ReadonlyArray<Wakeup>) => Effect.asVoid(PubSub.publishAll(hub, hints)),
    // There is nobody else.
    listening: Effect.succeed("heard" as const),
    hints: Stream.fromPubSub(hub)
  }))
)
