import * as Effect from "effect/Effect"
import type { DatabaseError } from "../model/Errors.js"
import { type RawRow, type Statement, Transaction, type Write } from "../store/Transactor.js"
import { countOf } from "./Rows.js"

/** Runs a statement in the present transaction. */
export const run = (
  statement: Statement,
  parameters: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<RawRow>, DatabaseError, Transaction> =>
  Effect.flatMap(Transaction, (transaction) => transaction.run(statement, parameters))

/** Runs a statement that gives the number of rows it wrote. */
export const runCounted = (
  statement: Statement,
  parameters: ReadonlyArray<unknown>
): Effect.Effect<number, DatabaseError, Transaction> =>
  Effect.flatMap(run(statement, parameters), (rows) => countOf(statement.name, rows))

/** Runs a statement that must write exactly so many rows: what was checked before under a lock is true here. */
export const runExactly = (
  statement: Statement,
  expected: number,
  parameters: ReadonlyArray<unknown>
): Effect.Effect<void, DatabaseError, Transaction> =>
  Effect.flatMap(runCounted(statement, parameters), (count) =>
    count === expected
      ? Effect.void
      : Effect.dieMessage(`${statement.name} wrote ${count} rows where the checks before it admit ${expected}`)
  )

/** A statement whose rows nobody needs, with its parameters. */
export const write = (statement: Statement, parameters: ReadonlyArray<unknown>): Write => ({ statement, parameters })

/**
 * The end of a statement that must write exactly so many rows, from a CTE named `written`: what was checked before under a
 * lock is true here. Another count is an error in the server, so that nothing of the transaction stays.
 */
export const requireCount = (schema: string, expected: string): string =>
  `select ${schema}.require(count(*), ${expected}) from written`
