import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { DatabaseError } from "../model/Errors.js"
import { type Transaction, Transactor } from "../store/Transactor.js"
import { Workers } from "../store/Workers.js"

/**
 * The database's time, as this worker knows it: timers in rows are compared with it, never with a worker's own clock.
 */
export class DatabaseClock extends Context.Tag("perdure/DatabaseClock")<
  DatabaseClock,
  {
    /** Milliseconds since the epoch: the worker's clock plus the difference last seen. */
    readonly now: Effect.Effect<number>
    /** The same, at once. */
    readonly unsafeNow: () => number
    /** Milliseconds of a clock that neither goes back nor jumps: for lengths of time within this life. */
    readonly steady: () => number
    /** Looks at the database's clock again, and reads something else in the same transaction. */
    readonly adjustAnd: <A, E, R>(
      read: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | DatabaseError, Exclude<R, Transaction>>
  }
>() {}

const make = Effect.gen(function* () {
  const transactor = yield* Transactor
  const workers = yield* Workers
  const clock = yield* Effect.clock
  let offset = 0
  const adjustAnd = <A, E, R>(read: Effect.Effect<A, E, R>) =>
    Effect.flatMap(Clock.currentTimeMillis, (before) =>
      // In a transaction: where the database's time is shifted, it is shifted for transactions.
      transactor.transact(
        "clock",
        Effect.gen(function* () {
          const there = yield* workers.clock
          const after = yield* Clock.currentTimeMillis
          offset = there - (before + after) / 2
          return yield* read
        })
      )
    )
  yield* adjustAnd(Effect.void)
  const unsafeNow = () => clock.unsafeCurrentTimeMillis() + offset
  const steady = () => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)
  return { now: Effect.sync(unsafeNow), unsafeNow, steady, adjustAnd }
})

export const layer: Layer.Layer<DatabaseClock, DatabaseError, Transactor | Workers> = Layer.effect(DatabaseClock, make)
