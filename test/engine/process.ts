import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import pg from "pg"
import type { Registry } from "../../src/definition/Registry.js"
import { Engine } from "../../src/Engine.js"
import { layerEngine } from "../../src/layers.js"
import { layer as stores } from "../../src/postgres/layer.js"
import * as PgWakeups from "../../src/postgres/PgWakeups.js"
import * as Pool from "../../src/postgres/Pool.js"
import type { SettingsShape } from "../../src/runtime/Settings.js"
import type { AuditLog } from "../../src/store/AuditLog.js"
import type { Wakeups } from "../../src/store/Wakeups.js"
import { LifeScheduler } from "../../src/testing/LifeScheduler.js"
import { lend } from "./lentPool.js"

/** What a process is made of. */
export interface ProcessOptions {
  readonly workflows: Layer.Layer<never, unknown, Registry>
  readonly settings?: Partial<SettingsShape>
  /** Replaces the audit log. */
  readonly audit?: Layer.Layer<AuditLog>
  /** Replaces the way of hints. */
  readonly wakeups?: Layer.Layer<Wakeups>
  /** By the scheduler that an application has, each fiber with a queue of its own; it can't be killed or frozen then. */
  readonly plain?: boolean
  /** What the engine is built in: a tracer, say. */
  readonly around?: Layer.Layer<never>
  /** Stands between the engine and its connections. */
  readonly pool?: (pool: Layer.Layer<Pool.PgPool>) => Layer.Layer<Pool.PgPool>
}

/** Where the processes of a world live: on a server, or in an embedded database that is opened already. */
export type Ground = { readonly url: Redacted.Redacted } | { readonly embedded: pg.Pool }

/** An engine with a scheduler and connections of its own: it can end like a process, by SIGKILL. */
export interface EngineProcess {
  /** Each call runs in this process. */
  readonly engine: Context.Tag.Service<Engine>
  /** By this name the database knows its sessions. */
  readonly sessions: string
  /** Runs an effect in this process; it never ends if the process dies. */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Stops every fiber for good, with no finalizer, and drops its connections; the server may still be at a statement. */
  readonly halt: () => void
  /** Stops every fiber until `unfreeze`: SIGSTOP. */
  readonly freeze: () => void
  readonly unfreeze: () => void
  /** Ends it in order. */
  readonly stop: Effect.Effect<void>
}

let count = 0

/** Times in which a test need not wait for a regular look. */
const quick: Partial<SettingsShape> = { pollMs: 100, heartbeatMs: 200, idleMs: 50 }

/** A pool whose clients have a listener from the first: a dead process attaches none, and its sessions are ended. */
const openPool = (url: Redacted.Redacted, sessions: string): pg.Pool => {
  const pool = new pg.Pool({ connectionString: Redacted.value(url), max: 4, application_name: sessions })
  pool.on("error", () => undefined)
  pool.on("connect", (client) => client.on("error", () => undefined))
  return pool
}

const layersOf = (ground: Ground, sessions: string, lent: pg.Pool, options: ProcessOptions) => {
  const pool = Pool.layerFromPool(lent)
  const exclusive = "embedded" in ground
  const base = Layer.merge(
    stores(undefined, { exclusive }).pipe(Layer.provide(options.pool === undefined ? pool : options.pool(pool))),
    options.wakeups ?? ("embedded" in ground ? PgWakeups.layerLocal : PgWakeups.layer({ url: ground.url }))
  )
  const all = options.audit === undefined ? base : Layer.merge(base, options.audit)
  return options.workflows.pipe(
    Layer.provideMerge(layerEngine({ ...quick, workerId: sessions, ...options.settings })),
    Layer.provide(options.around ?? Layer.empty),
    Layer.provide(all)
  )
}

/** Starts a process; it is stopped with the scope, if it still lives then. */
export const startProcess = (
  ground: Ground,
  options: ProcessOptions
): Effect.Effect<EngineProcess, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const scheduler = new LifeScheduler()
    const scope = yield* Scope.make()
    const sessions = `process-${++count}`
    const run = options.plain === true ? directly : inside(scheduler)
    const own = "embedded" in ground ? ground.embedded : openPool(ground.url, sessions)
    const lent = lend(own)
    const stop = Effect.suspend(() => {
      scheduler.resume()
      return scheduler.life === "dead" ? Effect.void : run(Scope.close(scope, Exit.void))
    })
    // The pool of a dead process may have clients that never come back: nobody waits for its end.
    const close = Effect.sync(() =>
      "embedded" in ground ? undefined : Effect.runFork(Effect.promise(() => own.end()))
    )
    yield* Effect.addFinalizer(() => Effect.zipRight(stop, close))
    const context = yield* run(Layer.buildWithScope(layersOf(ground, sessions, lent.pool, options), scope))
    return {
      engine: callsInside(Context.get(context, Engine), run),
      sessions,
      run,
      halt: () => {
        scheduler.kill()
        lent.takeBack()
      },
      freeze: () => scheduler.pause(),
      unfreeze: () => scheduler.resume(),
      stop
    }
  })

/** By the scheduler that an application has. */
const directly = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => effect

const inside =
  (scheduler: LifeScheduler) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Effect.runtime<R>(), (runtime) =>
      Effect.async<A, E>((resume) => {
        const fiber = Runtime.runFork(runtime)(Effect.withScheduler(effect, scheduler), { scheduler, immediate: false })
        fiber.addObserver((exit) => resume(exit))
        return Effect.sync(() => fiber.unsafeInterruptAsFork(fiber.id()))
      })
    )

/** The facade, with every call moved into the process. */
const callsInside = (engine: Context.Tag.Service<Engine>, run: EngineProcess["run"]): Context.Tag.Service<Engine> =>
  new Proxy(engine, {
    get: (target, key) => {
      const member: unknown = Reflect.get(target, key)
      if (Effect.isEffect(member)) return run(member as Effect.Effect<unknown>)
      if (typeof member !== "function") return member
      return (...parameters: ReadonlyArray<unknown>) =>
        run((member as (...all: ReadonlyArray<unknown>) => Effect.Effect<unknown>)(...parameters))
    }
  })
