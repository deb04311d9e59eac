import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { DatabaseError } from "../model/Errors.js"
import { Transactor } from "../store/Transactor.js"
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
    /** Looks at the database's clock again. */
    readonly adjust: Effect.Effect<void, DatabaseError>
  }
>() {}

const make = Effect.gen(function* () {
  const transactor = yield* Transactor
  const workers = yield* Workers
  const clock = yield* Effect.clock
  let offset = 0
  const adjust = Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    // In a transaction: where the database's time is shifted, it is shifted for transactions.
    const there = yield* transactor.transact("clock", workers.clock)
    const after = yield* Clock.currentTimeMillis
    offset = there - (before + after) / 2
  })
  yield* adjust
  const unsafeNow = () => clock.unsafeCurrentTimeMillis() + offset
  return { now: Effect.sync(unsafeNow), unsafeNow, adjust }
})

export const layer: Layer.Layer<DatabaseClock, DatabaseError, Transactor | Workers> = Layer.effect(DatabaseClock, make)
