import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import { Registry } from "../definition/Registry.js"
import type { Engine } from "../Engine.js"
import { layerEngine } from "../layers.js"
import { RunId } from "../model/Ids.js"
import { type CallersClient, callersClient, callersLayer } from "../postgres/CallersClient.js"
import * as PgStores from "../postgres/layer.js"
import * as PgWakeups from "../postgres/PgWakeups.js"
import { PgPool } from "../postgres/Pool.js"
import { RunSupervisor } from "../runtime/RunSupervisor.js"
import type { SettingsShape } from "../runtime/Settings.js"
import { Waker } from "../runtime/Waker.js"
import type { AuditLog } from "../store/AuditLog.js"
import { StateStore } from "../store/StateStore.js"
import { FaultPool } from "./FaultPool.js"
import { type Ledger, layer as ledgerLayer } from "./Ledger.js"
import { LifeScheduler } from "./LifeScheduler.js"
import type { Surroundings } from "./Surroundings.js"

/** What handlers may use: the world outside, and the application's own client of the database that the engine has. */
export type Outside = Ledger | CallersClient

/** Workflows with their handlers, as a worker registers them. */
export type WorkflowLayer = Layer.Layer<never, unknown, Registry | Outside>

/** How a worker is started. */
export interface WorkerOptions {
  readonly name: string
  readonly workflows: WorkflowLayer
  readonly settings: Partial<SettingsShape>
  readonly seed: number
  /** How much this worker's clock differs from the others'. */
  readonly skewMs?: number
  /** Whether transactions go statement by statement, as behind a pooling proxy. */
  readonly statementwise?: boolean
  /** Replaces the audit log. */
  readonly audit?: Layer.Layer<AuditLog> | undefined
  /** Replaces verbs of the state store, as a mutated engine would. */
  readonly mutate?: ((store: StateStore["Type"]) => StateStore["Type"]) | undefined
}

/** What a worker does when it has taken runs and has not written a commit of them. */
const takesOver = "claim: commit"

/** What a call came to; `died`: the worker was killed, and nobody knows. */
export type Called<A, E> = Exit.Exit<A, E> | "died"

type Running = Runtime.Runtime<Engine>

/**
 * One life of a worker process: a whole engine with its own scheduler, its own connections and its own view of the clock.
 */
export class TestWorker {
  readonly scheduler = new LifeScheduler()
  readonly log: Array<string> = []
  readonly name: string
  private readonly connections: FaultPool
  private readonly running: Promise<Running | "died">
  private readonly ending = Deferred.unsafeMake<void>(FiberId.none)
  private readonly waiting: Array<(goesOn: boolean) => void> = []
  private readonly deaths: Array<() => void> = []
  /** Whether its engine was there; before, trouble with the database ends a process in order. */
  private ready = false
  private sleepsLightly = false
  private supervisor: Context.Tag.Service<RunSupervisor> | undefined
  private waker: Context.Tag.Service<Waker> | undefined
  private stopped: Promise<void> | undefined

  constructor(
    private readonly world: Surroundings<TestWorker>,
    private readonly options: WorkerOptions
  ) {
    this.name = options.name
    this.connections = new FaultPool(world.database.pool, {
      pass: (kind, name) => {
        if (name === takesOver) world.awaken(this)
        return world.points.pass(kind, name)
      },
      kill: () => this.kill(),
      pause: (mode) => this.pauseHere(mode === "awakened"),
      sessionsTimeOut: () => world.database.sessions === "one" || options.seed % 2 === 0,
      busy: () => world.busy(),
      preamble: () => world.preamble(),
      time: (until) => world.time(until),
      session: world.session,
      statementwise: options.statementwise === true,
      rewrite: world.rewrite,
      sessions: world.database.sessions
    })
    this.running = this.launch()
  }

  /** Whether this life goes on. */
  get life(): LifeScheduler["life"] {
    return this.scheduler.life
  }

  /** SIGKILL: no fiber does another step, and the server ends the sessions. */
  kill(): void {
    if (this.life === "dead") return
    this.scheduler.kill()
    this.world.clock.drop(this)
    this.world.died(this)
    for (const call of this.deaths) call()
    for (const call of this.waiting.splice(0)) call(false)
    this.world.during(this.connections.end())
  }

  /** SIGSTOP. */
  pause(): void {
    this.scheduler.pause()
  }

  /** SIGCONT. */
  resume(): void {
    this.scheduler.resume()
    for (const call of this.waiting.splice(0)) call(true)
  }

  /** A graceful stop: the engine drains and leaves. Resolves when the worker has nothing left. */
  stop(): Promise<void> {
    Deferred.unsafeDone(this.ending, Effect.void)
    this.stopped ??= this.mortal<void>(new Promise((resolve) => this.ended.push(resolve))).then(() => this.kill())
    return this.stopped
  }

  private readonly ended: Array<() => void> = []

  /** The application's own client in this process. */
  get sql(): ReturnType<typeof callersClient> {
    return callersClient(this.connections.pool)
  }

  /** Whether a run is in this process's memory. */
  holds(runId: string): boolean {
    return this.supervisor?.has(RunId.make(runId)) ?? false
  }

  /** Looks once for everything there is to do, as it does now and then by itself. */
  sweep(): Promise<Called<void, unknown>> {
    return this.call(Effect.suspend(() => this.waker?.sweep ?? Effect.void))
  }

  /** Runs an effect in this process with its engine. */
  async call<A, E>(effect: Effect.Effect<A, E, Engine>): Promise<Called<A, E>> {
    const runtime = await this.mortal(this.running)
    if (runtime === "died" || this.life === "dead") return "died"
    return this.mortal(
      new Promise<Exit.Exit<A, E>>((resolve) => {
        Runtime.runFork(runtime)(effect, { immediate: false, scheduler: this.scheduler }).addObserver(resolve)
      })
    )
  }

  /** Resolves as soon as this life is over, whatever it was to wait for. */
  private mortal<A>(promise: Promise<A>): Promise<A | "died"> {
    if (this.life === "dead") return Promise.resolve("died")
    return Promise.race([promise, new Promise<"died">((resolve) => this.deaths.push(() => resolve("died")))])
  }

  /** Goes on when another worker has taken runs and has not written a commit of them. */
  awaken(): void {
    if (this.sleepsLightly) this.resume()
  }

  private pauseHere(lightly: boolean): Promise<boolean> {
    this.pause()
    this.sleepsLightly = lightly
    const resume = this.world.rest()
    return new Promise((resolve) =>
      this.waiting.push((goesOn) => {
        resume()
        resolve(goesOn)
      })
    )
  }

  private launch(): Promise<Running | "died"> {
    return this.mortal(
      new Promise<Running>((resolve) => {
        const life = Effect.scoped(
          Effect.gen(this, function* () {
            const context = yield* Layer.build(this.layer())
            const runtime = yield* Effect.provide(Effect.runtime<Engine>(), context)
            this.supervisor = Option.getOrUndefined(Context.getOption(context, RunSupervisor))
            this.waker = Option.getOrUndefined(Context.getOption(context, Waker))
            this.ready = true
            resolve(runtime)
            yield* Deferred.await(this.ending)
          })
        ).pipe(
          Effect.withClock(this.world.clock.clockOf(this, this.options.skewMs)),
          Effect.withRandom(Random.make(this.options.seed)),
          Effect.provide(Logger.replace(Logger.defaultLogger, this.logger()))
        )
        Effect.runFork(life, { immediate: false, scheduler: this.scheduler }).addObserver((exit) => {
          for (const call of this.ended) call()
          if (Exit.isSuccess(exit)) return
          if (this.ready) this.world.report("worker", `${this.name} ended: ${Cause.pretty(exit.cause)}`)
          this.log.push(`${this.world.clock.now} ${this.name} ended: ${Cause.pretty(exit.cause)}`)
          this.kill()
        })
      })
    )
  }

  private layer(): Layer.Layer<Engine, unknown> {
    const stores = Layer.merge(PgStores.layer(), PgWakeups.layerLocal).pipe(
      Layer.provide(Layer.succeed(PgPool, this.connections.pool))
    )
    const { audit, mutate = (store) => store } = this.options
    const mutated = Layer.effect(StateStore, Effect.map(StateStore, mutate))
    const kept = mutated.pipe(Layer.provideMerge(stores))
    const opened = audit === undefined ? kept : Layer.merge(kept, audit)
    const engine = layerEngine({ workerId: this.name, ...this.options.settings }).pipe(Layer.provide(opened))
    const observed = Layer.effect(
      Registry,
      Effect.map(Registry, (registry) => this.world.observe(registry, this))
    )
    const ledger = ledgerLayer({
      entries: this.world.entries,
      hit: (kind, name) => this.world.hit(kind, name, this)
    })
    const sql = callersLayer(this.connections.pool)
    return this.options.workflows.pipe(Layer.provide([observed, ledger, sql]), Layer.provideMerge(engine))
  }

  private logger(): Logger.Logger<unknown, void> {
    return Logger.make(({ cause, logLevel, message }) => {
      const words = (Array.isArray(message) ? message : [message]).map(wordOf)
      const why = Cause.isEmpty(cause) ? "" : ` ${Cause.pretty(cause)}`
      this.log.push(`${this.world.clock.now} ${this.name} ${logLevel.label} ${words.join(" ")}${why}`)
    })
  }
}

const wordOf = (part: unknown): string => {
  if (typeof part === "string") return part
  return part instanceof Error ? `${part.name}: ${part.message}` : JSON.stringify(part)
}
