import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

/** Something that turns single requests into batches. */
export interface Batcher<in Item, out Out, out E> {
  readonly submit: (item: Item) => Effect.Effect<Out, E>
}

interface Waiting<Item, Out, E> {
  readonly item: Item
  readonly answer: Deferred.Deferred<Out, E>
}

/** Fibers are scheduled with priority 0 and in rising order. */
const afterAllOthers = 1

/**
 * Gathers what is submitted while the batch before is under way; a lone item on an idle system goes at once.
 *
 * **Details** `flush` settles each of its items exactly once through `answer`, in any order and possibly after it has
 * returned; its own failure or defect settles whatever it left open. At most `max` items a batch, one batch at a time.
 */
export const make = <Item, Out, E>(options: {
  readonly max: number
  readonly flush: (
    items: ReadonlyArray<Item>,
    answer: (index: number, outcome: Effect.Effect<Out, E>) => Effect.Effect<void>
  ) => Effect.Effect<void, E>
}): Effect.Effect<Batcher<Item, Out, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const queue = yield* Queue.unbounded<Waiting<Item, Out, E>>()
    const gathered = Effect.gen(function* () {
      const first = yield* Queue.take(queue)
      // Whoever can run now may have something to submit; on an idle system nobody can, and this costs nothing.
      yield* Effect.yieldNow({ priority: afterAllOthers })
      return [first, ...(yield* Queue.takeUpTo(queue, options.max - 1))]
    })
    const turn = Effect.flatMap(gathered, (batch) => {
      return options
        .flush(
          batch.map((waiting) => waiting.item),
          (index, outcome) => Effect.asVoid(Deferred.complete(batch[index]!.answer, outcome))
        )
        .pipe(
          Effect.catchAllCause((cause) =>
            Effect.forEach(batch, (waiting) => Deferred.failCause(waiting.answer, cause), { discard: true })
          )
        )
    })
    yield* Effect.forkScoped(Effect.forever(turn))
    return {
      submit: (item) =>
        Effect.flatMap(Deferred.make<Out, E>(), (answer) =>
          Effect.zipRight(Queue.offer(queue, { item, answer }), Deferred.await(answer))
        )
    }
  })
