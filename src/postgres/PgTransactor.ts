import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { DatabaseError } from "../model/Errors.js"
import {
  type Statement,
  Transaction,
  type TransactOptions,
  Transactor,
  type Writes,
  writeAll
} from "../store/Transactor.js"
import type { Connection, Query, QueryError } from "./Connection.js"
import { join } from "./JoinedTransaction.js"
import { PgPool } from "./Pool.js"
import { atCommit, beforeCommit, isInDoubt } from "./SqlStates.js"

/** How much longer than the server's own time-out this side waits before it takes the connection for dead. */
const answerGraceMs = 5_000

/** The transactor over a pool. */
export const layer: Layer.Layer<Transactor, never, PgPool> = Layer.effect(
  Transactor,
  Effect.map(PgPool, (pool) => ({
    transact: <A, E, R>(operation: string, effect: Effect.Effect<A, E, R>, options: TransactOptions = {}) =>
      withoutOuter(
        operation,
        onConnection(operation, pool, (connection) =>
          Effect.uninterruptible(
            inTransaction(operation, connection, beginText(pool.preamble, options), options, effect)
          )
        )
      ),
    read: <A, E, R>(operation: string, effect: Effect.Effect<A, E, R>) =>
      withoutOuter(
        operation,
        onConnection(operation, pool, (connection) =>
          Effect.uninterruptible(
            pool.preamble === ""
              ? Effect.provideService(effect, Transaction, makeSession(operation, connection, {}))
              : inTransaction(operation, connection, beginText(pool.preamble, {}), {}, effect)
          )
        )
      ),
    writeAtOnce: (operation: string, writes: Writes) =>
      writes.length === 0
        ? Effect.void
        : withoutOuter(
            operation,
            Effect.suspend(() => batch(operation, pool, { writes }))
          ),
    join
  }))
)

/** Takes a connection for as long as it is used. */
const onConnection = <A, E, R>(
  operation: string,
  pool: Context.Tag.Service<PgPool>,
  use: (connection: Connection) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | DatabaseError, R> =>
  Effect.acquireUseRelease(
    Scope.make(),
    (scope) =>
      pool.acquire.pipe(
        Scope.extend(scope),
        Effect.mapError((error) => beforeCommit(operation, error)),
        Effect.flatMap(use)
      ),
    Scope.close
  )

/**
 * Over a session that is ready where there is one, else over one that is made so.
 *
 * **Details** It lets go of what it has written. V8 makes a function in the old generation that is assigned to a property where it
 * stands, and whatever that can reach outlives every young collection until the next full one, needed or not. `Effect.async` and
 * `Effect.uninterruptible` make such functions: with them what a commit was written from was promoted, a sixth of all that was
 * allocated. A lone chain of ten steps took 3.8 ms with that and 3.45 without, and 2.07 and 1.77 ms of
 * this process's CPU (means of 800, two pairs in turn); 3 % are promoted now.
 */
const batch = (
  operation: string,
  pool: Context.Tag.Service<PgPool>,
  held: { writes: Writes }
): Effect.Effect<void, DatabaseError> => {
  const scoped = () =>
    onConnection(operation, pool, (connection) => atOnce(operation, connection, pool.preamble, held.writes))
  const { writeAtOnce } = pool
  if (writeAtOnce === undefined || pool.preamble !== "") return Effect.uninterruptible(scoped())
  return Effect.uninterruptible(
    Effect.suspend(() =>
      Effect.matchEffect(writeAtOnce(queriesOf(operation, held.writes)), {
        onSuccess: (done) => {
          if (!done) return scoped()
          held.writes = []
          return Effect.void
        },
        onFailure: (error) => {
          held.writes = []
          return Effect.fail(atCommit(operation, error))
        }
      })
    )
  )
}

const queriesOf = (operation: string, writes: Writes): ReadonlyArray<Query> => {
  const queries: Array<Query> = []
  for (const { parameters, statement } of writes) {
    queries.push({ name: statement.name, text: statement.text, values: parameters, operation })
  }
  return queries
}

/** All of it in one round trip where the connection can do that, else one after the other. */
const atOnce = (
  operation: string,
  connection: Connection,
  preamble: string,
  writes: Writes
): Effect.Effect<void, DatabaseError> => {
  const { writeAtOnce } = connection
  if (writeAtOnce === undefined || preamble !== "") {
    return inTransaction(operation, connection, beginText(preamble, {}), {}, writeAll(writes))
  }
  return writeAtOnce(queriesOf(operation, writes)).pipe(
    Effect.tapError((error) => (isInDoubt(error) ? connection.destroy : Effect.void)),
    Effect.mapError((error) => atCommit(operation, error))
  )
}

/** A transaction inside a transaction would wait for itself or commit by itself: a bug of the caller. */
const withoutOuter = <A, E, R>(operation: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWithEffect((context: Context.Context<R>) =>
    Option.isSome(Context.getOption(context, Transaction))
      ? Effect.dieMessage(`${operation}: a transaction was begun inside another one`)
      : effect
  )

const inTransaction = <A, E, R>(
  operation: string,
  connection: Connection,
  begin: string,
  options: TransactOptions,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | DatabaseError, Exclude<R, Transaction>> =>
  Effect.gen(function* () {
    const session = makeSession(operation, connection, options)
    yield* session.begin(begin)
    const exit = yield* Effect.exit(Effect.provideService(effect, Transaction, session))
    session.close()
    if (Exit.isSuccess(exit)) return yield* Effect.as(session.commit, exit.value)
    yield* session.rollback
    return yield* exit
  })

/** One transaction on one connection: it remembers the first error, and destroys the connection when it is in doubt. */
const makeSession = (operation: string, connection: Connection, options: TransactOptions) => {
  let open = true
  let doubtful = false
  let firstError: DatabaseError | undefined
  const deadlineMs =
    options.statementTimeout === undefined ? undefined : Duration.toMillis(options.statementTimeout) + answerGraceMs

  const destroy = Effect.suspend(() => {
    doubtful = true
    return connection.destroy
  })

  const execute = (query: Query) =>
    Effect.tapError(
      connection.execute({ ...query, operation, ...(deadlineMs === undefined ? {} : { deadlineMs }) }),
      (error: QueryError) => (isInDoubt(error) ? destroy : Effect.void)
    )

  // It is several statements: one that fails may have left a transaction open.
  const begin = (text: string) =>
    Effect.mapError(
      Effect.tapError(execute({ name: "begin", text }), () => destroy),
      (error) => beforeCommit(operation, error)
    )

  const run = (statement: Statement, parameters: ReadonlyArray<unknown>) => {
    if (!open) return Effect.dieMessage(`${operation}: ${statement.name} was run after the end of its transaction`)
    const { name, text } = statement
    return execute(parameters.length === 0 ? { name, text } : { name, text, values: parameters }).pipe(
      Effect.mapBoth({
        onFailure: (error) => {
          const failure = beforeCommit(`${operation}: ${statement.name}`, error)
          firstError ??= failure
          return failure
        },
        onSuccess: (result) => result.rows
      })
    )
  }

  const aborted = Effect.suspend(() =>
    Effect.fail(
      firstError ?? new DatabaseError({ outcome: "fatal", operation, reason: "COMMIT was answered by a rollback" })
    )
  )

  const sendCommit = execute({ name: "commit", text: "commit" }).pipe(
    Effect.mapError((error) => atCommit(operation, error)),
    Effect.tapError((error) => (error.outcome === "unknown" ? destroy : Effect.void)),
    Effect.flatMap((result) => (result.command === "COMMIT" ? Effect.void : aborted))
  )

  // An effect that went on over a broken connection has nothing to commit.
  const commit = Effect.suspend(() => (doubtful ? aborted : sendCommit))

  // A connection in doubt is closed, which rolls back. A rollback that fails costs the connection; what failed is known.
  const rollback = Effect.suspend(() =>
    doubtful ? Effect.void : Effect.catchAll(execute({ name: "rollback", text: "rollback" }), () => destroy)
  )

  return {
    begin,
    run,
    writeAll: (writes: Writes) =>
      Effect.forEach(writes, ({ parameters, statement }) => run(statement, parameters), { discard: true }),
    commit,
    rollback,
    close: () => {
      open = false
    }
  }
}

/** BEGIN and everything that holds for one transaction only, in one round trip. */
const beginText = (preamble: string, options: TransactOptions): string =>
  `begin isolation level read committed read write${preamble}${localTimeout("lock_timeout", options.lockTimeout)}${localTimeout(
    "statement_timeout",
    options.statementTimeout
  )}`

const localTimeout = (name: string, timeout: Duration.DurationInput | undefined): string =>
  timeout === undefined ? "" : `; set local ${name} = ${Math.max(1, Math.round(Duration.toMillis(timeout)))}`
