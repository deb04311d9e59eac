import { setTimeout as delay } from "node:timers/promises"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Registry } from "../definition/Registry.js"
import type { Query } from "../postgres/Connection.js"
import type { LedgerEntry } from "./Ledger.js"
import { bury } from "./LifeScheduler.js"
import { type Attempt, observeRegistry } from "./Observed.js"
import { type Injection, type PointKind, PointLog } from "./Points.js"
import { setTime, type TestDatabase } from "./TestDatabase.js"
import { TestWorker, type WorkerOptions } from "./TestWorker.js"
import { VirtualClock } from "./VirtualClock.js"

/** Something that must not be: an invariant that rows break, or a world that does not come to rest. */
export interface Violation {
  readonly name: string
  readonly detail: string
}

/** How a world is made. */
export interface WorldOptions {
  readonly database: TestDatabase
  readonly injections?: ReadonlyArray<Injection>
  /** Replaces statements before they are sent: what a mutated engine would do. */
  readonly rewrite?: ((query: Query) => Query) | undefined
}

/** Turns of the event loop without anything happening after which nothing will. */
const quietTurns = 2

/** Turns after which a world is waited for without keeping the processor busy: it waits for a server. */
const busyTurns = 200

/** Real time after which a world that does not come to rest is given up. */
const patienceMs = 100_000

/**
 * Everything a test of crashes needs besides the engine: processes that die, a time that waits, points, an outside world.
 *
 * **Details** It is at rest when no fiber of a live process has anything to do and no statement is under way; only then does
 * its time move, to the next who sleeps. So an execution is the same every time, up to the point that is hit.
 */
export class World {
  readonly clock = new VirtualClock()
  readonly points: PointLog
  readonly database: TestDatabase
  readonly rewrite: (query: Query) => Query
  readonly violations: Array<Violation> = []
  readonly entries: Array<LedgerEntry> = []
  readonly attempts: Array<Attempt> = []
  readonly workers: Array<TestWorker> = []
  readonly deaths: Array<{ readonly worker: object; readonly at: number }> = []
  /** Deaths at no point: somebody has killed a worker at a time. */
  kills = 0
  /** The time that the only session has been told last. */
  readonly session: { time: unknown } = { time: undefined }
  private underWay = 0

  constructor(options: WorldOptions) {
    this.database = options.database
    this.points = new PointLog(options.injections ?? [])
    this.rewrite = options.rewrite ?? ((query) => query)
  }

  /** Starts a worker process. */
  start(options: WorkerOptions): TestWorker {
    const worker = new TestWorker(this, options)
    this.workers.push(worker)
    return worker
  }

  /** Workers whose life goes on; a paused one is not among them. */
  get live(): ReadonlyArray<TestWorker> {
    return this.workers.filter((worker) => worker.life === "live")
  }

  /** Processes that were stopped go on while somebody else is at work. */
  awaken(by: TestWorker): void {
    for (const worker of this.workers) if (worker !== by) worker.awaken()
  }

  /** How much is under way: statements without an answer, sessions that end. */
  get waiting(): number {
    return this.underWay
  }

  /** Notes what must not be. */
  report(name: string, detail: string): void {
    this.violations.push({ name, detail })
  }

  /** Something is under way until the function it gives is called. */
  busy(): () => void {
    this.underWay++
    let done = false
    return () => {
      if (!done) this.underWay--
      done = true
    }
  }

  /** What is under way waits for a paused process, until the function it gives is called. */
  rest(): () => void {
    this.underWay--
    return () => {
      this.underWay++
    }
  }

  /** A promise is under way; its failure is the harness's own. */
  during(promise: Promise<unknown>): void {
    const done = this.busy()
    promise.catch((error: unknown) => this.report("harness", String(error))).finally(done)
  }

  /** A worker has died. */
  died(worker: TestWorker): void {
    this.deaths.push({ worker, at: this.clock.now })
  }

  /** SQL a transaction begins with: the time of this world. */
  preamble(): string {
    return setTime(this.clock.now)
  }

  /** The same as a statement of its own: first in a transaction that is sent at once, or before a read without one. */
  time(until: "transaction" | "session"): Query {
    const text = `select set_config('perdure.now', $1, ${until === "transaction"})`
    return { name: `harness.time.${until}`, text, values: [String(this.clock.now)] }
  }

  /** A point inside of a fiber of a worker: two effects around what is done there, one of which may be its end. */
  readonly hit = (kind: PointKind, name: string, worker: TestWorker) => {
    const mode = this.points.pass(kind, name)
    const kill = Effect.async<never>(() => worker.kill())
    return {
      before: mode === "before" ? kill : Effect.void,
      after: mode === "after" ? kill : Effect.void
    }
  }

  /** A registry whose handlers are watched. */
  observe(registry: Context.Tag.Service<Registry>, worker: TestWorker): Context.Tag.Service<Registry> {
    return observeRegistry(registry, {
      worker,
      began: (attempt) => this.attempts.push(attempt),
      hit: (kind, name) => this.hit(kind, name, worker)
    })
  }

  /** Resolves when nothing happens any more without the passing of time. */
  async quiet(): Promise<void> {
    const begun = performance.now()
    let busy = 0
    for (let turns = 0; turns < quietTurns; turns++) {
      await (busy++ < busyTurns ? new Promise((resolve) => setImmediate(resolve)) : delay(1))
      const moving = this.underWay > 0 || this.workers.some((worker) => !worker.scheduler.idle)
      if (moving) turns = -1
      if (performance.now() - begun > patienceMs) throw new Error(`the world does not come to rest: ${this.describe()}`)
    }
  }

  /**
   * Lets time pass until something is so, looking whenever the world is at rest; false if that is not before `deadline`.
   */
  async passUntil(isSo: () => boolean | Promise<boolean>, deadline: number): Promise<boolean> {
    for (;;) {
      await this.quiet()
      if (await isSo()) return true
      const next = this.clock.next
      if (next === undefined || next > deadline) return false
      this.clock.advanceTo(next)
    }
  }

  /** Lets an amount of time pass. */
  async pass(ms: number): Promise<void> {
    const end = this.clock.now + ms
    await this.passUntil(() => false, end)
    this.clock.advanceTo(end)
    await this.quiet()
  }

  /** Ends every process; the world is over. */
  async close(): Promise<void> {
    for (const worker of this.workers) worker.kill()
    await this.quiet()
    bury()
  }

  /** What is going on, for a report. */
  describe(): string {
    const lives = this.workers.map((worker) => `${worker.name} ${worker.life}`).join(", ")
    return `${lives}; ${this.underWay} under way; next sleeper in ${(this.clock.next ?? Number.NaN) - this.clock.now} ms`
  }
}
