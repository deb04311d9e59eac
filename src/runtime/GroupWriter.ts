import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { DatabaseError } from "../model/Errors.js"
import { Limits } from "../model/Limits.js"
import * as Batcher from "./Batcher.js"

/** Trouble that says nothing about a single item: the connection, the server, its resources. */
const concernsAll = (error: DatabaseError): boolean => {
  if (error.sqlState === undefined) return error.outcome !== "fatal"
  return error.outcome === "unknown" || /^(08|53|57P|58)/.test(error.sqlState)
}

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
  /** Whether a batch waits a while for a database that is away, or its items go their own ways at once. */
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

    const allAlone = (items: ReadonlyArray<Item>, answer: Answer, offset: number) =>
      settle(
        items,
        items.map(() => postponed),
        offset,
        answer
      )

    /**
     * The batch as a whole is tried a few times: it is the same items, and writing them is idempotent. What looks like the
     * database's trouble may still be that of one row, so in the end each goes alone.
     */
    const waitAndRepeat = (items: ReadonlyArray<Item>, answer: Answer, offset: number, first: DatabaseError) =>
      Effect.logWarning("Writes wait for the database", first).pipe(
        Effect.zipRight(Effect.sleep("50 millis")),
        Effect.zipRight(options.write(items)),
        Effect.retry({ schedule: backoff, while: concernsAll, times: Limits.batchTries }),
        Effect.matchCauseEffect({
          onSuccess: (outcomes) => settle(items, outcomes, offset, answer),
          onFailure: () => allAlone(items, answer, offset)
        })
      )

    const flush = (items: ReadonlyArray<Item>, answer: Answer, offset: number): Effect.Effect<void> =>
      Effect.matchCauseEffect(options.write(items), {
        onSuccess: (outcomes) => settle(items, outcomes, offset, answer),
        onFailure: (cause) => {
          const error = Option.getOrUndefined(Cause.failureOption(cause))
          if (error !== undefined && concernsAll(error)) {
            return options.waits ? waitAndRepeat(items, answer, offset, error) : allAlone(items, answer, offset)
          }
          // A broken invariant of one item, a defect, is that item's alone too.
          if (items.length === 1) return allAlone(items, answer, offset)
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
