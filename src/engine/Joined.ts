import type { SqlClient } from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { DatabaseError } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import type { Transaction, Transactor } from "../store/Transactor.js"

/** A caller's transaction that the engine takes part in. */
export interface JoinedTransaction {
  readonly transaction: Context.Tag.Service<Transaction>
  /** Runs to look at once it has committed. */
  readonly touched: Array<RunId>
}

/** The caller's transaction, if the present call is made inside one. */
export class Joined extends Context.Reference<Joined>()("perdure/Joined", {
  defaultValue: (): JoinedTransaction | undefined => undefined
}) {}

const failed = (outcome: DatabaseError["outcome"], reason: string): DatabaseError =>
  new DatabaseError({ outcome, operation: "inTransaction", reason })

/**
 * Runs an effect in a transaction of the application's client, with the engine inside; gives what runs it touched.
 *
 * **Details** `@effect/sql` turns a failed COMMIT into a defect; here it is a `DatabaseError` of outcome `unknown`.
 */
export const joinTransaction = <A, E, R>(
  transactor: Context.Tag.Service<Transactor>,
  sql: SqlClient,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<{ readonly value: A; readonly touched: ReadonlyArray<RunId> }, E | DatabaseError, R> => {
  const touched: Array<RunId> = []
  const inside = Effect.gen(function* () {
    const transaction = yield* transactor.join(sql)
    return yield* Effect.provideService(effect, Joined, { transaction, touched })
  }).pipe(
    Effect.timeoutFail({
      duration: Duration.millis(Limits.joinedTransactionMs),
      onTimeout: () => failed("retryable", `rolled back after ${Limits.joinedTransactionMs} ms`)
    }),
    Effect.map((value) => ({ value, touched })),
    Effect.mapError((error) => new Inside(error))
  )
  return sql.withTransaction(inside).pipe(
    Effect.catchAllDefect((defect) =>
      isSqlError(defect) ? Effect.fail(failed("unknown", `COMMIT: ${String(defect)}`)) : Effect.die(defect)
    ),
    Effect.catchAll((error): Effect.Effect<never, E | DatabaseError> => {
      if (error instanceof Inside) return Effect.fail(error.error as E | DatabaseError)
      return Effect.fail(error instanceof DatabaseError ? error : failed("retryable", Cause.pretty(Cause.fail(error))))
    })
  )
}

/** Tells the caller's own errors from those of his client. */
class Inside {
  constructor(readonly error: unknown) {}
}

const isSqlError = (defect: unknown): boolean =>
  typeof defect === "object" && defect !== null && "_tag" in defect && defect._tag === "SqlError"
