import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type Connection, type Query, QueryError, type QueryResult } from "../postgres/Connection.js"
import type { PgPool } from "../postgres/Pool.js"
import type { Mode, PointKind } from "./Points.js"

type Pool = Context.Tag.Service<PgPool>

/** The process whose connections these are, and the world around it. */
export interface FaultHost {
  /** A point is passed; gives how it is hit. */
  readonly pass: (kind: PointKind, name: string) => Mode | undefined
  /** The process dies now. */
  readonly kill: () => void
  /** The process is stopped; gives whether it goes on, or has died meanwhile. */
  readonly pause: (mode: "zombie" | "awakened") => Promise<boolean>
  /** Whether the server ends the sessions of a process that is stopped; else they hold their locks. */
  readonly sessionsTimeOut: () => boolean
  /** Something is under way that the world has to wait for, until the function it gives is called. */
  readonly busy: () => () => void
  /** SQL that a transaction begins with. */
  readonly preamble: () => string
  /** The same as a statement: for a transaction that is sent at once, or for a read without one. */
  readonly time: (until: "transaction" | "session") => Query
  /** The time that the only session of a world has been told last. */
  readonly session: { time: unknown }
  /** Whether transactions go statement by statement, as behind a pooling proxy. */
  readonly statementwise: boolean
  /** Rewrites statements, to see whether a mutated engine is caught. */
  readonly rewrite: (query: Query) => Query
  /** Whether the server ends the session of a process that is gone, or the harness has to clean the only one. */
  readonly sessions: "one" | "many"
}

/** One connection of the process; a server session from its first use on. */
interface Lease {
  scope: Scope.CloseableScope | undefined
  connection: Connection | undefined
  broken: boolean
  /** Between BEGIN and its end, where the time of the world is set already. */
  inTransaction: boolean
  /** What the server was sent last. */
  last: Promise<unknown>
}

type Answer = Exit.Exit<QueryResult, QueryError>

const fail = (sqlState: string | undefined, reason: string, broken: boolean): Answer =>
  Exit.fail(new QueryError({ sqlState, reason, broken }))

const gone = () => fail(undefined, "the connection is gone", true)

const kinds: Readonly<Record<string, PointKind>> = { begin: "begin", commit: "commit", rollback: "rollback" }

/**
 * The connections of one process over a pool of the harness: sees every BEGIN, statement and COMMIT, and hits some.
 *
 * **Details** The work on the server is done outside of the process, so that what was sent is also done when the process
 * dies meanwhile. A session is taken from the pool below when a transaction begins.
 */
export class FaultPool {
  private readonly leases = new Set<Lease>()
  private ended = false

  constructor(
    private readonly base: Pool,
    private readonly host: FaultHost
  ) {}

  /** The pool as the process sees it. */
  get pool(): Pool {
    const acquire = Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => {
          const lease: Lease = {
            scope: undefined,
            connection: undefined,
            broken: false,
            inTransaction: false,
            last: Promise.resolve()
          }
          this.leases.add(lease)
          return lease
        }),
        (lease) => this.send(lease, () => this.giveBack(lease))
      ),
      (lease): Connection => ({
        execute: (query) => Effect.flatten(this.send(lease, () => this.execute(lease, query))),
        ...(this.host.statementwise
          ? {}
          : {
              writeAtOnce: (queries) =>
                Effect.asVoid(Effect.flatten(this.send(lease, () => this.writeAtOnce(lease, queries))))
            }),
        destroy: Effect.sync(() => {
          lease.broken = true
        })
      })
    )
    return { acquire, preamble: this.base.preamble }
  }

  /** The process is gone: its sessions end, on the only session each when what it was sent has been done. */
  async end(): Promise<void> {
    this.ended = true
    await Promise.all(
      [...this.leases].map(async (lease) => {
        if (this.host.sessions === "one") await lease.last
        await this.endSession(lease)
        await lease.last
        await this.endSession(lease)
      })
    )
  }

  /** The server ends the sessions of a process that has stopped in the middle of its transactions. */
  private async timeOut(stopped: Lease): Promise<void> {
    await Promise.all(
      [...this.leases].map(async (lease) => {
        if (lease !== stopped) await lease.last
        if (lease.connection !== undefined) await this.endSession(lease)
      })
    )
  }

  /** Lets the world do something for a lease and waits for it; a dead process never hears of it. */
  private send<A>(lease: Lease, work: () => Promise<A>): Effect.Effect<A> {
    return Effect.async<A>((resume) => {
      if (this.ended) return
      const done = this.host.busy()
      const answer = work()
      lease.last = answer.then(
        (value) => {
          resume(Effect.succeed(value))
          done()
        },
        (error) => {
          resume(Effect.die(error))
          done()
        }
      )
    })
  }

  private execute(lease: Lease, query: Query): Promise<Answer> {
    const kind = kinds[query.name] ?? "statement"
    const sent = query.name === "begin" ? { ...query, text: `${query.text}${this.host.preamble()}` } : query
    return this.pass(lease, kind, `${query.operation ?? "other"}: ${query.name}`, async () => {
      if (kind === "statement" && !lease.inTransaction) await this.setTime(lease)
      if (kind !== "statement") lease.inTransaction = kind === "begin"
      return this.forward(lease, this.host.rewrite(sent))
    })
  }

  /** The time of the world for a read without a transaction; the only session remembers what it was told. */
  private async setTime(lease: Lease): Promise<void> {
    const { session, sessions } = this.host
    const query = this.host.time("session")
    const [now] = query.values ?? []
    if (session.time === now) return
    const answer = await this.forward(lease, query)
    if (sessions === "one" && Exit.isSuccess(answer)) session.time = now
  }

  private writeAtOnce(lease: Lease, queries: ReadonlyArray<Query>): Promise<Answer> {
    const name = `${queries[0]?.operation ?? "other"}: batch`
    const sent = () => [this.host.time("transaction"), ...queries.map((query) => this.host.rewrite(query))]
    return this.pass(lease, "batch", name, async () => {
      const connection = await this.connect(lease)
      const { writeAtOnce } = connection ?? {}
      if (writeAtOnce === undefined) return gone()
      return Effect.runPromiseExit(Effect.as(writeAtOnce(sent()), { command: "", rows: [] }))
    })
  }

  /** Passes a point of the process, with what it sends there; hits it if it is to be. */
  private async pass(lease: Lease, kind: PointKind, name: string, send: () => Promise<Answer>): Promise<Answer> {
    const mode = this.host.pass(kind, name)
    if (mode === "before") return this.die()
    if (mode === "zombie" || mode === "awakened") {
      const goesOn = this.host.pause(mode)
      if (this.host.sessionsTimeOut()) await this.timeOut(lease)
      if (!(await goesOn)) return gone()
    }
    if (lease.broken) return gone()
    if (mode === "57P01") return this.terminate(lease)
    if (mode === "40001" || mode === "40P01") return this.abort(lease, kind, mode)
    const answer = await send()
    if (mode === "after") return this.die()
    if (mode !== "lost") return answer
    lease.broken = true
    return gone()
  }

  /** What it gives, nobody hears. */
  private die(): Answer {
    this.host.kill()
    return gone()
  }

  private async forward(lease: Lease, query: Query): Promise<Answer> {
    const connection = await this.connect(lease)
    return connection === undefined ? gone() : Effect.runPromiseExit(connection.execute(query))
  }

  private async connect(lease: Lease): Promise<Connection | undefined> {
    if (lease.connection !== undefined || lease.broken) return lease.connection
    const scope = await Effect.runPromise(Scope.make())
    lease.scope = scope
    const acquired = await Effect.runPromiseExit(Scope.extend(this.base.acquire, scope))
    if (Exit.isSuccess(acquired)) lease.connection = acquired.value
    else lease.broken = true
    return lease.connection
  }

  /** The server ends the session: whatever was open is rolled back. */
  private async terminate(lease: Lease): Promise<Answer> {
    lease.broken = true
    await this.endSession(lease)
    return fail("57P01", "terminating connection due to administrator command", true)
  }

  /** The server aborts the transaction; at COMMIT that is a rollback. */
  private async abort(lease: Lease, kind: PointKind, sqlState: "40001" | "40P01"): Promise<Answer> {
    const text = `do $fault$ begin raise exception 'injected' using errcode = '${sqlState}'; end $fault$`
    const answer = await this.forward(lease, { name: "fault", text })
    if (kind === "commit") await this.forward(lease, { name: "rollback", text: "rollback" })
    return answer
  }

  private async giveBack(lease: Lease): Promise<void> {
    if (lease.broken) return this.endSession(lease)
    this.leases.delete(lease)
    if (lease.scope !== undefined) await Effect.runPromise(Scope.close(lease.scope, Exit.void))
  }

  /** Ends a session: one of many is closed, the only one is rolled back and used again. */
  private async endSession(lease: Lease): Promise<void> {
    const { connection, scope } = lease
    this.leases.delete(lease)
    lease.connection = undefined
    lease.scope = undefined
    lease.broken = true
    if (connection !== undefined) {
      if (this.host.sessions === "many") await Effect.runPromise(connection.destroy)
      else await Effect.runPromiseExit(connection.execute({ name: "rollback", text: "rollback" }))
    }
    if (scope !== undefined) await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
