import type { SqlClient } from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { DatabaseError } from "../model/Errors.js"

/** A statement that is prepared once per connection under its name. */
export interface Statement {
  readonly name: string
  readonly text: string
}

/** A statement with its parameters, whose rows nobody needs. */
export interface Write {
  readonly statement: Statement
  readonly parameters: ReadonlyArray<unknown>
}

/**
 * What a verb writes, in order; nothing is sent yet.
 *
 * **Details** A verb that only writes gives these, so that several of them go together in one round trip, and so that it can be seen
 * from its type that it reads nothing.
 */
export type Writes = ReadonlyArray<Write>

/** A row as the driver gives it, before its schema has seen it. */
export type RawRow = Readonly<Record<string, unknown>>

/**
 * The transaction a verb runs in: every verb of a port that reads asks for it, and `writeAll` for those that only write, so that what
 * belongs together commits together.
 *
 * **Details** Statements of one transaction run in the order they are given. The service never crosses a fork.
 */
export class Transaction extends Context.Tag("perdure/Transaction")<
  Transaction,
  {
    readonly run: (
      statement: Statement,
      parameters: ReadonlyArray<unknown>
    ) => Effect.Effect<ReadonlyArray<RawRow>, DatabaseError>
    /** Runs statements whose rows nobody needs. */
    readonly writeAll: (writes: Writes) => Effect.Effect<void, DatabaseError>
  }
>() {}

/** Writes in the present transaction. */
export const writeAll = (writes: Writes): Effect.Effect<void, DatabaseError, Transaction> =>
  Effect.flatMap(Transaction, (transaction) => transaction.writeAll(writes))

/** How a transaction is run. */
export interface TransactOptions {
  /** Bound on waiting for any one lock. */
  readonly lockTimeout?: Duration.DurationInput
  /** Bound on any one statement. */
  readonly statementTimeout?: Duration.DurationInput
}

/**
 * Runs engine work in transactions of its own connections.
 *
 * **Details** `transact` runs the whole of it uninterruptibly: a statement of the engine is never cancelled half way, and
 * a connection whose state is in doubt is destroyed instead of reused. An error of the effect rolls back.
 *
 * **Errors** `DatabaseError` with outcome `retryable` (nothing happened: 40001, 40P01, 55P03, a refused connection …),
 * `unknown` (the acknowledgement of COMMIT was lost) or `fatal`.
 */
export class Transactor extends Context.Tag("perdure/Transactor")<
  Transactor,
  {
    readonly transact: <A, E, R>(
      operation: string,
      effect: Effect.Effect<A, E, R>,
      options?: TransactOptions
    ) => Effect.Effect<A, E | DatabaseError, Exclude<R, Transaction>>
    /** Runs statements that only read, each by itself, without the round trips of a transaction around them. */
    readonly read: <A, E, R>(
      operation: string,
      effect: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | DatabaseError, Exclude<R, Transaction>>
    /** Sends all of it in one round trip, as one transaction. */
    readonly writeAtOnce: (operation: string, writes: Writes) => Effect.Effect<void, DatabaseError>
    /** A transaction service over the transaction that is open on an application's client; `fatal` when none is open. */
    readonly join: (client: SqlClient) => Effect.Effect<Context.Tag.Service<Transaction>, DatabaseError>
  }
>() {}
