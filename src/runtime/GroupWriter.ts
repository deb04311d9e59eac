import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
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
export const make = <Offered, Item, Out, E>(options: {
  readonly max: number
  readonly lanes: number
  readonly prepare: (offered: Offered) => Item | undefined
  readonly write: (items: ReadonlyArray<Item>) => Effect.Effect<ReadonlyArray<Out | typeof postponed>, DatabaseError>
  readonly alone: (item: Item) => Effect.Effect<Out, E>
  /** Whether a batch waits a while for a database that is away, or its items go their own ways at once. */
  readonly waits: boolean
}): Effect.Effect<Batcher.Batcher<Offered, Out, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const lanes = yield* FiberSet.make<void>()
    type Tell = (index: number, exit: Exit.Exit<Out, E>) => void

    const onLane = (item: Item, index: number, tell: Tell) =>
      FiberSet.run(
        lanes,
        Effect.map(Effect.exit(options.alone(item)), (exit) => tell(index, exit))
      )

    const settle = (
      items: ReadonlyArray<Item>,
      outcomes: ReadonlyArray<Out | typeof postponed>,
      offset: number,
      tell: Tell
    ): Effect.Effect<void> =>
      Effect.suspend(() => {
        const later: Array<number> = []
        for (let index = 0; index < items.length; index++) {
          const outcome = outcomes[index] as Out | typeof postponed
          if (outcome === postponed) later.push(index)
          else tell(offset + index, Exit.succeed(outcome))
        }
        if (later.length === 0) return Effect.void
        return Effect.forEach(later, (index) => onLane(items[index]!, offset + index, tell), { discard: true })
      })

    const allAlone = (items: ReadonlyArray<Item>, tell: Tell, offset: number) =>
      settle(
        items,
        items.map(() => postponed),
        offset,
        tell
      )

    /**
     * The batch as a whole is tried a few times: it is the same items, and writing them is idempotent. What looks like the
     * database's trouble may still be that of one row, so in the end each goes alone.
     */
    const waitAndRepeat = (items: ReadonlyArray<Item>, tell: Tell, offset: number, first: DatabaseError) =>
      Effect.logWarning("Writes wait for the database", first).pipe(
        Effect.zipRight(Effect.sleep("50 millis")),
        Effect.zipRight(options.write(items)),
        Effect.retry({ schedule: backoff, while: concernsAll, times: Limits.batchTries }),
        Effect.matchCauseEffect({
          onSuccess: (outcomes) => settle(items, outcomes, offset, tell),
          onFailure: () => allAlone(items, tell, offset)
        })
      )

    const flush = (items: ReadonlyArray<Item>, tell: Tell, offset: number): Effect.Effect<void> =>
      Effect.matchCauseEffect(options.write(items), {
        onSuccess: (outcomes) => settle(items, outcomes, offset, tell),
        onFailure: (cause) => {
          const error = Option.getOrUndefined(Cause.failureOption(cause))
          if (error !== undefined && concernsAll(error)) {
            return options.waits ? waitAndRepeat(items, tell, offset, error) : allAlone(items, tell, offset)
          }
          // A broken invariant of one item, a defect, is that item's alone too.
          if (items.length === 1) return allAlone(items, tell, offset)
          const half = items.length >> 1
          return Effect.zipRight(
            flush(items.slice(0, half), tell, offset),
            flush(items.slice(half), tell, offset + half)
          )
        }
      })

    return yield* Batcher.make<Offered, Item, Out, E>({
      max: options.max,
      lanes: options.lanes,
      prepare: options.prepare,
      flush: (items, tell) => flush(items, tell, 0)
    })
  })
