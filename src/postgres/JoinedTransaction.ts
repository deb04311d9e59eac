import type { SqlClient } from "@effect/sql/SqlClient"
import * as SqlStatement from "@effect/sql/Statement"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { DatabaseError } from "../model/Errors.js"
import type { RawRow, Statement, Transaction } from "../store/Transactor.js"
import { type QueryError, toQueryError } from "./Connection.js"
import { beforeCommit } from "./SqlStates.js"

const operation = "join"

/**
 * A transaction service over the transaction that is open on an application's client.
 *
 * **Details** Neither the client's name transforms nor a statement transformer of the fiber touches what is sent and what
 * comes back; its type parsers do, so the verbs that are used this way read nothing but text.
 *
 * **Errors** `fatal` when no transaction is open.
 */
export const join = (client: SqlClient): Effect.Effect<Context.Tag.Service<Transaction>, DatabaseError> => {
  const plain = client.withoutTransforms()

  const execute = (
    text: string,
    parameters: ReadonlyArray<unknown>
  ): Effect.Effect<ReadonlyArray<RawRow>, QueryError> =>
    plain.unsafe<RawRow>(text, parameters).pipe(
      SqlStatement.withTransformerDisabled,
      Effect.mapError((error) => toQueryError(error.cause)),
      Effect.uninterruptible
    )

  // Outside of a transaction block the server refuses a savepoint, so this asks the server and not the client.
  const requireTransaction = Effect.zipRight(
    execute("savepoint perdure_joined", []),
    execute("release savepoint perdure_joined", [])
  ).pipe(
    Effect.mapError((error) => (error.sqlState === noActiveTransaction ? notOpen : beforeCommit(operation, error)))
  )

  const run = (statement: Statement, parameters: ReadonlyArray<unknown>) =>
    Effect.mapError(execute(statement.text, parameters), (error) =>
      beforeCommit(`${operation}: ${statement.name}`, error)
    )

  return Effect.as(requireTransaction, {
    run,
    writeAll: (writes) =>
      Effect.forEach(writes, ({ parameters, statement }) => run(statement, parameters), { discard: true })
  })
}

const noActiveTransaction = "25P01"

const notOpen = new DatabaseError({
  outcome: "fatal",
  operation,
  sqlState: noActiveTransaction,
  reason: "no transaction is open on this client: call it inside `sql.withTransaction`"
})
