import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"

/** Told once what became of an item; must not throw. */
export type Told<Out, E> = (exit: Exit.Exit<Out, E>) => void

/** Something that turns single requests into batches. */
export interface Batcher<in Offered, out Out, out E> {
  readonly submit: (offered: Offered) => Effect.Effect<Out, E>
  /** The same without a fiber that waits: what is written for every step of every run goes this way. */
  readonly offer: (offered: Offered, told: Told<Out, E>) => void
}

interface Waiting<Offered, Out, E> {
  readonly offered: Offered
  readonly told: Told<Out, E>
}

/** How a batcher works. */
export interface BatcherOptions<Offered, Item, Out, E> {
  /** Items in a batch at most. */
  readonly max: number
  /** Batches under way at once. */
  readonly lanes: number
  /** What an offer comes to when its batch is formed: the later, the more it holds. Nothing: it is dropped, untold. */
  readonly prepare: (offered: Offered) => Item | undefined
  /**
   * Writes a batch and tells each item's outcome exactly once, in any order and possibly after it has returned; its own
   * failure or defect is told to whatever it left open.
   */
  readonly flush: (
    items: ReadonlyArray<Item>,
    tell: (index: number, exit: Exit.Exit<Out, E>) => void
  ) => Effect.Effect<void, E>
}

/** Fibers are scheduled with priority 0 and in rising order. */
const afterAllOthers = 1

/**
 * Gathers what is offered while the batches before are under way; a lone item on an idle system goes at once.
 *
 * **Details** With several lanes what waits is shared out between them, so that one lane's batch is formed and its outcome
 * acted on while the database works on the other's.
 */
export const make = <Offered, Item, Out, E>(
  options: BatcherOptions<Offered, Item, Out, E>
): Effect.Effect<Batcher<Offered, Out, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const waiting: Array<Waiting<Offered, Out, E>> = []
    const some = Effect.unsafeMakeLatch(false)
    let underWay = 0

    const offer = (offered: Offered, told: Told<Out, E>): void => {
      waiting.push({ offered, told })
      some.unsafeOpen()
    }

    const write = Effect.suspend(() => {
      const share = Math.ceil((waiting.length + underWay) / options.lanes)
      const taken = waiting.splice(0, Math.min(options.max, share))
      if (waiting.length === 0) some.unsafeClose()
      const items: Array<Item> = []
      const open: Array<Told<Out, E> | undefined> = []
      for (const { offered, told } of taken) {
        const item = options.prepare(offered)
        if (item === undefined) continue
        items.push(item)
        open.push(told)
      }
      if (items.length === 0) return Effect.void
      underWay += items.length
      const tell = (index: number, exit: Exit.Exit<Out, E>): void => {
        const told = open[index]
        if (told === undefined) return
        open[index] = undefined
        told(exit)
      }
      return Effect.suspend(() => options.flush(items, tell)).pipe(
        Effect.catchAllCause((cause) =>
          Effect.sync(() => {
            for (let index = 0; index < open.length; index++) tell(index, Exit.failCause(cause))
          })
        ),
        Effect.zipRight(
          Effect.sync(() => {
            underWay -= items.length
          })
        )
      )
    })

    // Whoever can run now may have something to offer; on an idle system nobody can, and the yield costs nothing.
    const turn = Effect.zipRight(Effect.zipRight(some.await, Effect.yieldNow({ priority: afterAllOthers })), write)
    for (let lane = 0; lane < options.lanes; lane++) yield* Effect.forkScoped(Effect.forever(turn))
    return {
      offer,
      submit: (offered) => Effect.async<Out, E>((resume) => offer(offered, resume))
    }
  })
