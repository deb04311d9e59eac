import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import { type Connection, type Query, QueryError } from "../../src/postgres/Connection.js"
import * as Pool from "../../src/postgres/Pool.js"

/** What stands between a process and its connections: the statement, and how to run it. */
type Between = (query: Query, run: ReturnType<Connection["execute"]>) => ReturnType<Connection["execute"]>

const nothing = Effect.succeed({ command: "", rows: [] })

/** A batch passes as its statements, and then as the COMMIT that sends it. */
const allBetween =
  (fault: Between, writeAtOnce: NonNullable<Connection["writeAtOnce"]>) => (queries: ReadonlyArray<Query>) => {
    const { operation } = queries[0]!
    const commit = { name: "commit", text: "commit", ...(operation === undefined ? {} : { operation }) }
    return Effect.forEach(queries, (query) => fault(query, nothing), { discard: true }).pipe(
      Effect.zipRight(fault(commit, Effect.zipRight(writeAtOnce(queries), nothing))),
      Effect.asVoid
    )
  }

/** Puts something between a process and its connections. */
const between =
  (fault: Between) =>
  (pool: Layer.Layer<Pool.PgPool>): Layer.Layer<Pool.PgPool> =>
    Layer.effect(
      Pool.PgPool,
      // Without the way that needs no connection of one's own: everything passes here.
      Effect.map(Pool.PgPool, (inner) => ({
        preamble: inner.preamble,
        acquire: Effect.map(inner.acquire, (connection) => {
          const { writeAtOnce } = connection
          return {
            ...connection,
            execute: (query: Query) => fault(query, connection.execute(query)),
            ...(writeAtOnce === undefined ? {} : { writeAtOnce: allBetween(fault, writeAtOnce) })
          }
        })
      }))
    ).pipe(Layer.provide(pool))

/** The session broke before an answer came. */
const broken = new QueryError({ sqlState: undefined, reason: "Connection terminated unexpectedly", broken: true })

/** The first COMMIT of these transactions goes through, and nobody hears of it. */
export const loseAcknowledgement = (operation: string) => {
  const fault = { happened: 0 }
  const pool = between((query, run) => {
    if (query.text !== "commit" || query.operation !== operation || fault.happened > 0) return run
    fault.happened++
    return Effect.zipRight(run, Effect.fail(broken))
  })
  return { fault, pool }
}

/** The first statement of this name is refused by the server, `times` times. */
export const refuse = (name: string, sqlState: string, times = 1) => {
  const fault = { happened: 0 }
  const pool = between((query, run) => {
    if (!query.name.endsWith(name) || fault.happened >= times) return run
    fault.happened++
    return Effect.fail(new QueryError({ sqlState, reason: `refused with ${sqlState}`, broken: false }))
  })
  return { fault, pool }
}

/** Says when a process has made a commit after which it shall die; nothing of it goes on from there. */
export const mortal = (dies: (commits: number) => boolean) => {
  const dead = Deferred.unsafeMake<void>(FiberId.none)
  let commits = 0
  const pool = between((query, run) =>
    Effect.flatMap(run, (result) => {
      const counts = query.text === "commit" && /^(start|runs)$/.test(query.operation ?? "")
      if (!counts || !dies(++commits)) return Effect.succeed(result)
      Deferred.unsafeDone(dead, Effect.void)
      return Effect.never
    })
  )
  return { pool, dead: Deferred.await(dead) }
}

/** Ends when the first transaction of this kind is over, be it written or rolled back. */
export const seen = (operation: string) => {
  const over = Deferred.unsafeMake<void>(FiberId.none)
  const pool = between((query, run) =>
    Effect.tap(run, () => {
      const ends = query.text === "commit" || query.text === "rollback"
      if (ends && query.operation === operation) Deferred.unsafeDone(over, Effect.void)
    })
  )
  return { pool, over: Deferred.await(over) }
}
