import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type pg from "pg"
import type { Connection, Query } from "../../src/postgres/Connection.js"
import { type Stores, layer as stores } from "../../src/postgres/layer.js"
import { PgPool } from "../../src/postgres/Pool.js"

/** Which of two sessions takes the next step. */
export type Side = 0 | 1

type Pool = Context.Tag.Service<PgPool>

/** A session whose statements wait to be let through, one at a time. */
class Session {
  pid = 0
  /** Lets the next statement through; there while one waits. */
  private next: (() => void) | undefined
  private over = false
  private readonly changes: Array<() => void> = []
  /** A statement has been let through and has no answer. */
  asked = false
  /** Statements let through so far. */
  steps = 0

  constructor(private readonly base: Pool) {}

  /** The pool as the stores see it. */
  get pool(): Pool {
    return {
      preamble: this.base.preamble,
      acquire: Effect.gen(this, function* () {
        const connection = yield* this.base.acquire
        const { rows } = yield* connection.execute({ name: "pid", text: "select pg_backend_pid()::int4 as pid" })
        this.pid = Number(rows[0]?.["pid"])
        return this.gated(connection)
      })
    }
  }

  private gated(connection: Connection): Connection {
    const wait = Effect.async<void>((resume) => {
      this.next = () => {
        this.asked = true
        resume(Effect.void)
      }
      this.changed()
    })
    const answered = Effect.sync(() => {
      this.asked = false
      this.changed()
    })
    return {
      destroy: connection.destroy,
      execute: (query: Query) => Effect.ensuring(Effect.zipRight(wait, connection.execute(query)), answered)
    }
  }

  /** Runs to its end, a statement at a time. */
  async run<A, E>(effect: Effect.Effect<A, E, Stores>): Promise<Exit.Exit<A, E>> {
    const layer = stores().pipe(Layer.provide(Layer.succeed(PgPool, this.pool)))
    const exit = await Effect.runPromiseExit(Effect.provide(effect, layer))
    this.over = true
    this.changed()
    return exit
  }

  get done(): boolean {
    return this.over
  }

  /** Lets the next statement through and waits until it is answered and the next one waits, or it is blocked. */
  async step(isBlocked: (pid: number) => Promise<boolean>): Promise<void> {
    if (!this.asked) {
      await this.until(() => this.next !== undefined || this.over)
      const next = this.next
      this.next = undefined
      if (next !== undefined) this.steps++
      next?.()
    }
    while (!(this.over || (!this.asked && this.next !== undefined))) {
      const change = new Promise<void>((resolve) => this.changes.push(resolve))
      if (this.over || (!this.asked && this.next !== undefined)) return
      // Blocked is what the server says; anything else is answered soon.
      if (this.asked && (await isBlocked(this.pid))) return
      await Promise.race([change, new Promise((resolve) => setImmediate(resolve))])
    }
  }

  private async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.changes.push(resolve))
  }

  private changed(): void {
    for (const call of this.changes.splice(0)) call()
  }
}

/** What two transactions came to when their statements were sent in one order. */
export interface Interleaved<A, B> {
  readonly order: ReadonlyArray<Side>
  readonly first: Exit.Exit<A, unknown>
  readonly second: Exit.Exit<B, unknown>
  /** Whether one had to wait for the other. */
  readonly blocked: boolean
  /** Statements that each of them sent. */
  readonly steps: readonly [number, number]
}

/** Runs two transactions with their statements in the order given; what is left of one when the other has ended follows. */
export const interleave = async <A, B>(
  options: {
    readonly pool: Pool
    readonly watcher: pg.Pool
    readonly first: Effect.Effect<A, unknown, Stores>
    readonly second: Effect.Effect<B, unknown, Stores>
  },
  order: ReadonlyArray<Side>
): Promise<Interleaved<A, B>> => {
  const sessions = [new Session(options.pool), new Session(options.pool)] as const
  let blocked = false
  const isBlocked = async (pid: number) => {
    const { rows } = await options.watcher.query("select cardinality(pg_blocking_pids($1)) > 0 as blocked", [pid])
    return rows[0]?.blocked === true
  }
  const first = sessions[0].run(options.first)
  const second = sessions[1].run(options.second)
  for (const side of order) {
    if (sessions[side].done) continue
    await sessions[side].step(isBlocked)
    blocked ||= sessions[side].asked
  }
  for (let turn = 0; sessions.some((session) => !session.done); turn++) {
    const side = turn % 2 === 0 ? 0 : 1
    if (!sessions[side].done) await sessions[side].step(isBlocked)
  }
  const steps = [sessions[0].steps, sessions[1].steps] as const
  return { order, first: await first, second: await second, blocked, steps }
}

/** All orders of `a` steps of one session and `b` of the other. */
export const orders = (a: number, b: number): ReadonlyArray<ReadonlyArray<Side>> => {
  if (a === 0) return [Array.from({ length: b }, () => 1 as const)]
  if (b === 0) return [Array.from({ length: a }, () => 0 as const)]
  return [
    ...orders(a - 1, b).map((rest) => [0 as const, ...rest]),
    ...orders(a, b - 1).map((rest) => [1 as const, ...rest])
  ]
}
