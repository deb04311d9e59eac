import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { type Connection, type Query, QueryError } from "../../src/postgres/Connection.js"
import * as Pool from "../../src/postgres/Pool.js"

/** What stands between a process and its connections: the statement, and how to run it. */
type Between = (query: Query, run: ReturnType<Connection["execute"]>) => ReturnType<Connection["execute"]>

/** Puts something between a process and its connections. */
const between =
  (fault: Between) =>
  (pool: Layer.Layer<Pool.PgPool>): Layer.Layer<Pool.PgPool> =>
    Layer.effect(
      Pool.PgPool,
      Effect.map(Pool.PgPool, (inner) => ({
        ...inner,
        acquire: Effect.map(inner.acquire, (connection) => ({
          ...connection,
          execute: (query: Query) => fault(query, connection.execute(query))
        }))
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

/** A pool whose process can die in it: what it had out is destroyed, as the server does when the process is gone. */
export const mortal = (dies: (commits: number) => boolean) => {
  const out = new Set<{ readonly connection: Connection; readonly scope: Scope.CloseableScope }>()
  const dead = Deferred.unsafeMake<void>(FiberId.none)
  let commits = 0
  const pool = (given: Layer.Layer<Pool.PgPool>): Layer.Layer<Pool.PgPool> =>
    Layer.effect(
      Pool.PgPool,
      Effect.map(Pool.PgPool, (inner) => ({
        ...inner,
        acquire: Effect.uninterruptible(
          Effect.gen(function* () {
            const scope = yield* Scope.make()
            const connection = yield* Scope.extend(inner.acquire, scope)
            const mine = { connection, scope }
            out.add(mine)
            yield* Effect.addFinalizer((exit) =>
              Effect.suspend(() => (out.delete(mine) ? Scope.close(scope, exit) : Effect.void))
            )
            return {
              ...connection,
              execute: (query: Query) =>
                Effect.flatMap(connection.execute(query), (result) => {
                  const counts = query.text === "commit" && /^(start|commit)$/.test(query.operation ?? "")
                  if (!counts || !dies(++commits)) return Effect.succeed(result)
                  Deferred.unsafeDone(dead, Effect.void)
                  return Effect.never
                })
            }
          })
        )
      }))
    ).pipe(Layer.provide(given))
  // A finalizer runs with the scheduler of whoever acquired, which is dead: nobody may wait for it.
  const bury = Effect.sync(() => {
    for (const { connection, scope } of out) {
      Effect.runFork(Effect.zipRight(connection.destroy, Scope.close(scope, Exit.void)))
    }
    out.clear()
  })
  return { pool, dead: Deferred.await(dead), bury, commits: () => commits }
}
