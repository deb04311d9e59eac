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

/** Fibers queue one by one: a priority says nothing to others, and its two copies of references took a tenth of a lone chain's time. */
const afterOthers = Effect.yieldNow()

/**
 * Gathers what is offered while the batches before are under way; a lone item on an idle system goes at once.
 *
 * **Details** With several lanes what waits is shared out between them, so that one lane's batch is formed and its outcome
 * acted on while the database works on the other's. An offer wakes one lane, and that one the next if it leaves something.
 */
export const make = <Offered, Item, Out, E>(
  options: BatcherOptions<Offered, Item, Out, E>
): Effect.Effect<Batcher<Offered, Out, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const waiting: Array<Waiting<Offered, Out, E>> = []
    /** Lanes that have nothing to do. */
    const idle: Array<(go: Effect.Effect<void>) => void> = []
    /** A lane has been woken and has not formed its batch yet. */
    let wakes = false
    let underWay = 0

    const wake = (): void => {
      if (wakes || waiting.length === 0) return
      const lane = idle.pop()
      if (lane === undefined) return
      wakes = true
      // Whoever can run now may have something to offer; on an idle system nobody can, and the yield costs nothing.
      lane(afterOthers)
    }

    const offer = (offered: Offered, told: Told<Out, E>): void => {
      waiting.push({ offered, told })
      wake()
    }

    const work = Effect.async<void>((resume) => {
      idle.push(resume)
      wake()
    })

    const write = Effect.suspend(() => {
      wakes = false
      const share = Math.ceil((waiting.length + underWay) / options.lanes)
      const taken = waiting.splice(0, Math.min(options.max, share))
      wake()
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
      return Effect.matchCause(
        Effect.suspend(() => options.flush(items, tell)),
        {
          onSuccess: () => {
            underWay -= items.length
          },
          onFailure: (cause) => {
            for (let index = 0; index < open.length; index++) tell(index, Exit.failCause(cause))
            underWay -= items.length
          }
        }
      )
    })

    const lane: Effect.Effect<never> = Effect.flatMap(work, () => Effect.flatMap(write, () => lane))
    for (let count = 0; count < options.lanes; count++) yield* Effect.forkScoped(lane)
    return {
      offer,
      submit: (offered) => Effect.async<Out, E>((resume) => offer(offered, resume))
    }
  })
