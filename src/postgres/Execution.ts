import * as Effect from "effect/Effect"
import type { DatabaseError } from "../model/Errors.js"
import { type RawRow, type Statement, Transaction } from "../store/Transactor.js"
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
