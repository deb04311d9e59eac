import { connect, createServer, type Socket } from "node:net"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { packHints, unpackHints } from "../../src/postgres/Hints.js"
import type { Stores } from "../../src/postgres/layer.js"
import * as PgWakeups from "../../src/postgres/PgWakeups.js"
import type { PgPool } from "../../src/postgres/Pool.js"
import { SchemaName } from "../../src/postgres/Statement.js"
import { type Wakeup, Wakeups } from "../../src/store/Wakeups.js"
import { openProxy } from "../workers/proxy.js"
import { freshUrl, onFreshUrl, query, runId } from "./harness.js"

const hint = (kind: Wakeup["kind"], id: string): Wakeup => ({ kind, runId: runId(id) })

/** One process: its wake-ups, as a service of its own. */
const process = (url: Redacted.Redacted, config: Partial<PgWakeups.WakeupsConfig> = {}) =>
  Effect.map(Layer.build(PgWakeups.layer({ url, ...config })), Context.get(Wakeups))

/** Collects hints until one of them is heard; gives a way to wait for it. */
const listening = (wakeups: typeof Wakeups.Service, until: (hint: Wakeup) => boolean) =>
  Effect.gen(function* () {
    const heard: Array<Wakeup> = []
    const done = yield* Deferred.make<ReadonlyArray<Wakeup>>()
    const ready = yield* Deferred.make<void>()
    yield* Effect.forkScoped(
      wakeups.hints.pipe(
        Stream.onStart(Deferred.succeed(ready, undefined)),
        Stream.runForEach((one) => {
          heard.push(one)
          return until(one) ? Deferred.succeed(done, heard) : Effect.void
        })
      )
    )
    yield* Deferred.await(ready)
    return Deferred.await(done)
  })

/** Milliseconds: a silent session is noticed within 150, and is closed within a second more. */
const moments = [0, 150, 300, 450, 600, 900, 1_200]

/** Sessions that listen on this database. */
const sessions = Effect.map(
  query(
    "select pid from pg_stat_activity where application_name = 'perdure wake-ups' and datname = current_database()"
  ),
  (rows) => rows.map((row) => row["pid"])
)

/** Says something until it is heard: a hint may be lost while a session is being opened. */
const until = <A>(wakeups: typeof Wakeups.Service, hints: ReadonlyArray<Wakeup>, heard: Effect.Effect<A>) =>
  Effect.raceFirst(heard, Effect.forever(Effect.delay(wakeups.announce(hints), "50 millis")))

/** A TCP proxy; what it carries when it swallows stays open and silent for ever, what comes later is carried. */
const swallowingProxy = (target: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const sockets = new Set<Socket>()
      const server = createServer((client) => {
        const upstream = connect(target, "127.0.0.1")
        for (const socket of [client, upstream]) sockets.add(socket.on("error", () => socket.destroy()))
        client.pipe(upstream)
        upstream.pipe(client)
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const swallow = () => {
        for (const socket of sockets) socket.unpipe().pause()
      }
      return { port, swallow, sockets, server }
    }),
    ({ server, sockets }) =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        server.close()
      })
  )

const onDatabase = <A, E>(
  test: (url: Redacted.Redacted) => Effect.Effect<A, E, Stores | PgPool | Scope.Scope>
): Effect.Effect<A, E> => Effect.scoped(Effect.flatMap(freshUrl, (url) => onFreshUrl(url)(test(url))))

describe("hints", () => {
  it.live("reach this process at once and others through the database, each once", () =>
    onDatabase((url) =>
      Effect.gen(function* () {
        const [one, two] = [yield* process(url), yield* process(url)]
        const ends = (hint: Wakeup) => hint.kind === "ended"
        const here = yield* listening(one, ends)
        const there = yield* listening(two, (hint) => hint.kind === "ready")
        yield* until(one, [hint("ready", "a")], there)
        const told = yield* listening(two, ends)
        yield* one.announce([hint("input", "b"), hint("input", "b"), hint("command", "c"), hint("ended", "d")])
        const spoken = (yield* told).filter((one) => one.kind !== "ready")
        expect(spoken).toEqual([hint("input", "b"), hint("command", "c"), hint("ended", "d")])
        expect((yield* here).filter((one) => one.kind !== "ready")).toEqual([
          hint("input", "b"),
          hint("input", "b"),
          hint("command", "c"),
          hint("ended", "d")
        ])
      })
    )
  )

  it.live("of another schema are not heard", () =>
    onDatabase((url) =>
      Effect.gen(function* () {
        const [here, elsewhere] = [yield* process(url), yield* process(url, { schema: SchemaName.make("other") })]
        const third = yield* process(url)
        const heard = yield* listening(third, (one) => one.runId === "mine")
        yield* elsewhere.announce([hint("ready", "theirs")])
        yield* until(here, [hint("ready", "mine")], heard)
        expect((yield* heard).map((one) => one.runId)).not.toContain("theirs")
      })
    )
  )

  it.live("are heard again after the session was terminated", () =>
    onDatabase((url) =>
      Effect.gen(function* () {
        const [one, two] = [yield* process(url), yield* process(url)]
        yield* until(one, [hint("ready", "a")], yield* listening(two, () => true))
        yield* query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where application_name = 'perdure wake-ups' and datname = current_database()`
        )
        const heard = yield* listening(two, (one) => one.runId === "b")
        yield* until(one, [hint("ready", "b")], heard)
      })
    )
  )

  it.live("are heard again after the network swallowed everything without a word", () =>
    onDatabase((url) =>
      Effect.gen(function* () {
        const proxy = yield* swallowingProxy(Number(new URL(Redacted.value(url)).port))
        const behind = new URL(Redacted.value(url))
        behind.port = String(proxy.port)
        const config = { heartbeat: "20 millis", deadline: "100 millis" } as const
        const [one, two] = [yield* process(url), yield* process(Redacted.make(behind.href), config)]
        yield* until(one, [hint("ready", "a")], yield* listening(two, () => true))
        proxy.swallow()
        const heard = yield* listening(two, (one) => one.runId === "b")
        yield* until(one, [hint("ready", "b")], heard)
      })
    )
  )

  it.live("to a server that is not there are dropped and counted, and nobody waits", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const wakeups = yield* process(Redacted.make("postgres://postgres@127.0.0.1:1/none"))
        const before = (yield* Metric.value(PgWakeups.hintsDropped)).count
        const heard = yield* listening(wakeups, () => true)
        yield* wakeups.announce([hint("ready", "a")])
        expect(yield* heard).toEqual([hint("ready", "a")])
        yield* Effect.repeat(Metric.value(PgWakeups.hintsDropped), { until: (state) => state.count > before })
      })
    )
  )

  it.live("end their session with their scope", () =>
    onDatabase((url) =>
      Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* process(url)
            yield* Effect.repeat(sessions, { until: (pids) => pids.length === 1 })
          })
        )
        yield* Effect.repeat(sessions, { until: (pids) => pids.length === 0 })
      })
    )
  )

  it.live("end at any moment after their connection fell silent, while it is being closed too", () =>
    onDatabase((url) =>
      Effect.gen(function* () {
        const allThere = yield* Effect.cached(
          Effect.repeat(sessions, { until: (pids) => pids.length >= moments.length })
        )
        const stopAfter = (ms: number) =>
          Effect.gen(function* () {
            const proxy = yield* openProxy(url)
            const silent = process(proxy.url, { heartbeat: "50 millis", deadline: "100 millis" }).pipe(
              Effect.zipRight(allThere),
              Effect.zipRight(proxy.swallow),
              Effect.zipRight(Effect.sleep(ms))
            )
            yield* Effect.scoped(silent)
          })
        yield* Effect.forEach(moments, stopAfter, { concurrency: "unbounded" })
      })
    )
  )

  it.live("within one process need no database", () =>
    Effect.gen(function* () {
      const wakeups = yield* Wakeups
      const heard = yield* listening(wakeups, () => true)
      yield* wakeups.announce([])
      yield* wakeups.announce([hint("ready", "a")])
      expect(yield* heard).toEqual([hint("ready", "a")])
    }).pipe(Effect.scoped, Effect.provide(PgWakeups.layerLocal))
  )

  it("are packed into payloads that NOTIFY takes", () => {
    const ids = Array.from({ length: 200 }, (_, index) => `${index}`.padEnd(200, "x"))
    const payloads = packHints(ids.map((id) => `r ${id}`))
    expect(payloads.length).toBeGreaterThan(1)
    expect(Math.max(...payloads.map((payload) => Buffer.byteLength(payload)))).toBeLessThan(8_000)
    expect(payloads.flatMap(unpackHints).map((one) => one.runId)).toEqual(ids)
    expect(unpackHints("x a\nr \nr b\nready\n")).toEqual([hint("ready", "b")])
  })
})
