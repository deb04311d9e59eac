import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { DatabaseError } from "../model/Errors.js"
import type { Transaction } from "./Transactor.js"

/**
 * A process's own way to the database for its signs of life, so that nothing else it does can delay them.
 *
 * **Details** Where it leads to the server directly, its session holds an advisory lock that the server gives up as soon as
 * the process is gone. It is opened when it is needed, and again after it broke. An answer or an error comes within about
 * `deadlineMs` a statement.
 *
 * **Errors** `DatabaseError` as of the `Transactor`.
 */
export class Lifeline extends Context.Tag("perdure/Lifeline")<
  Lifeline,
  {
    /** Whether there is a way of its own; else signs of life go where everything goes. */
    readonly own: boolean
    /** The key of the lock that the present session holds; null where no session can hold one. */
    readonly session: (deadlineMs: number) => Effect.Effect<string | null, DatabaseError>
    readonly transact: <A, E, R>(
      operation: string,
      deadlineMs: number,
      effect: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | DatabaseError, Exclude<R, Transaction>>
    /** Ends when the session that is open now is gone, at once where none is; never where there is no way of its own. */
    readonly lost: Effect.Effect<void>
  }
>() {}
