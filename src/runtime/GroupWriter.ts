import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { DatabaseError } from "../model/Errors.js"
import * as Batcher from "./Batcher.js"

/** Trouble that says nothing about a single item: the connection, the server, its resources. */
export const concernsAll = (error: DatabaseError): boolean =>
  error.outcome === "unknown" || error.sqlState === undefined || /^(08|53|57P|58)/.test(error.sqlState)

/** Waits 50 ms, then longer, never more than 2 s. */
export const backoff = Schedule.exponential("50 millis").pipe(
  Schedule.either(Schedule.spaced("2 seconds")),
  Schedule.jittered
)

/** Says that an item of a batch has to be written by itself. */
export const postponed: unique symbol = Symbol("perdure/postponed")

/**
 * Writes what many submit with few transactions, so that no item can harm another.
 *
 * **Details** `write` is one transaction for all of a batch or nothing. A batch that fails is halved until what is
 * poisonous stands alone; that, and what `write` postpones, goes through `alone` on a lane of its own, and nobody waits
 * for it. Trouble that concerns the whole database is waited out.
 */
export const make = <Item, Out, E>(options: {
  readonly max: number
  readonly write: (items: ReadonlyArray<Item>) => Effect.Effect<ReadonlyArray<Out | typeof postponed>, DatabaseError>
  readonly alone: (item: Item) => Effect.Effect<Out, E>
  /** Whether a batch waits for a database that is away, or its items go their own ways at once. */
  readonly waits: boolean
}): Effect.Effect<Batcher.Batcher<Item, Out, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const lanes = yield* FiberSet.make<void>()
    type Answer = (index: number, outcome: Effect.Effect<Out, E>) => Effect.Effect<void>

    const onLane = (item: Item, index: number, answer: Answer) =>
      FiberSet.run(
        lanes,
        Effect.flatMap(Effect.exit(options.alone(item)), (exit) => answer(index, exit))
      )

    const settle = (
      items: ReadonlyArray<Item>,
      outcomes: ReadonlyArray<Out | typeof postponed>,
      offset: number,
      answer: Answer
    ): Effect.Effect<void> =>
      Effect.forEach(
        items,
        (item, index) => {
          const outcome = outcomes[index] as Out | typeof postponed
          return outcome === postponed
            ? onLane(item, offset + index, answer)
            : answer(offset + index, Effect.succeed(outcome))
        },
        { discard: true }
      )

    /** The batch as a whole is tried until the database answers: it is the same commits, and writing them is idempotent. */
    const waitAndRepeat = (items: ReadonlyArray<Item>, answer: Answer, offset: number, first: DatabaseError) =>
      Effect.logWarning("Writes wait for the database", first).pipe(
        Effect.zipRight(Effect.sleep("50 millis")),
        Effect.zipRight(options.write(items)),
        Effect.retry({ schedule: backoff, while: concernsAll }),
        Effect.matchEffect({
          onSuccess: (outcomes) => settle(items, outcomes, offset, answer),
          onFailure: () => flush(items, answer, offset)
        })
      )

    const flush = (items: ReadonlyArray<Item>, answer: Answer, offset: number): Effect.Effect<void> =>
      Effect.matchEffect(options.write(items), {
        onSuccess: (outcomes) => settle(items, outcomes, offset, answer),
        onFailure: (error) => {
          if (options.waits && concernsAll(error)) return waitAndRepeat(items, answer, offset, error)
          if (items.length === 1 || concernsAll(error))
            return settle(
              items,
              items.map(() => postponed),
              offset,
              answer
            )
          const half = items.length >> 1
          return Effect.zipRight(
            flush(items.slice(0, half), answer, offset),
            flush(items.slice(half), answer, offset + half)
          )
        }
      })

    return yield* Batcher.make<Item, Out, E>({
      max: options.max,
      flush: (items, answer) => flush(items, answer, 0)
    })
  })
