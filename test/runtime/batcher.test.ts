import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type Batcher, make } from "../../src/runtime/Batcher.js"

/** A batch under way, and how it ends. */
interface UnderWay {
  readonly items: ReadonlyArray<number>
  readonly end: (exit: Exit.Exit<void, string>) => void
}

/** A batcher whose batches stay under way until they are ended by hand; negative numbers come to nothing. */
const batcher = (lanes: number, max = 100) =>
  Effect.gen(function* () {
    const batches: Array<UnderWay> = []
    const { offer, submit }: Batcher<number, string, string> = yield* make<number, number, string, string>({
      lanes,
      max,
      prepare: (offered) => (offered < 0 ? undefined : offered),
      flush: (items, tell) =>
        Effect.gen(function* () {
          const end = yield* Deferred.make<void, string>()
          batches.push({ items, end: (exit) => Deferred.unsafeDone(end, exit) })
          yield* Deferred.await(end)
          for (const [index, item] of items.entries()) tell(index, Exit.succeed(`done ${item}`))
        })
    })
    const told: Array<string> = []
    return {
      batches,
      told,
      submit,
      /** Offers all of it at once, and lets the lanes do what they can. */
      offer: (...numbers: ReadonlyArray<number>) =>
        Effect.gen(function* () {
          for (const number of numbers) offer(number, (exit) => told.push(Exit.isSuccess(exit) ? exit.value : "failed"))
          yield* settled
        }),
      end: (batch: number, exit: Exit.Exit<void, string> = Exit.void) =>
        Effect.gen(function* () {
          batches[batch]?.end(exit)
          yield* settled
        }),
      items: () => batches.map(({ items }) => items)
    }
  })

/** All that can run has run. */
const settled = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow({ priority: 2 }), { discard: true })

describe("what is offered", () => {
  it.scoped("alone goes at once, and what comes meanwhile goes together", () =>
    Effect.gen(function* () {
      const one = yield* batcher(1)
      yield* one.offer(1)
      expect(one.items()).toEqual([[1]])
      yield* one.offer(2, 3)
      yield* one.offer(4)
      expect(one.items()).toEqual([[1]])
      yield* one.end(0)
      expect(one.items()).toEqual([[1], [2, 3, 4]])
      yield* one.end(1)
      expect(one.told).toEqual(["done 1", "done 2", "done 3", "done 4"])
      yield* one.offer(5)
      expect(one.items()).toEqual([[1], [2, 3, 4], [5]])
    })
  )

  it.scoped("is shared out between lanes, at most so much to each batch", () =>
    Effect.gen(function* () {
      const two = yield* batcher(2, 3)
      yield* two.offer(1)
      yield* two.offer(2, 3, 4, 5, 6, 7, 8, 9)
      expect(two.items()).toEqual([[1], [2, 3, 4]])
      yield* two.end(0)
      expect(two.items()).toEqual([[1], [2, 3, 4], [5, 6, 7]])
      yield* two.end(1)
      yield* two.end(2)
      expect(two.items()).toEqual([[1], [2, 3, 4], [5, 6, 7], [8, 9]])
    })
  )

  it.scoped("at once is shared out between all lanes", () =>
    Effect.gen(function* () {
      const two = yield* batcher(2)
      yield* two.offer(1, 2, 3, 4, 5)
      expect(two.items()).toEqual([
        [1, 2, 3],
        [4, 5]
      ])
    })
  )

  it.scoped("and comes to nothing stands in nobody's way", () =>
    Effect.gen(function* () {
      const one = yield* batcher(1)
      yield* one.offer(-1)
      yield* one.offer(-2, 1, -3)
      yield* one.end(0)
      expect(one.items()).toEqual([[1]])
      expect(one.told).toEqual(["done 1"])
      yield* one.offer(2)
      expect(one.items()).toEqual([[1], [2]])
    })
  )

  it.scoped("in a batch that fails is told so, and the lane goes on", () =>
    Effect.gen(function* () {
      const one = yield* batcher(1)
      yield* one.offer(1)
      yield* one.offer(2)
      yield* one.end(0, Exit.fail("no"))
      yield* one.end(1, Exit.die("no"))
      expect(one.told).toEqual(["failed", "failed"])
      yield* one.offer(3)
      yield* one.end(2)
      expect(one.told).toEqual(["failed", "failed", "done 3"])
    })
  )

  it.scoped("by a fiber is answered to it", () =>
    Effect.gen(function* () {
      const one = yield* batcher(1)
      const answers = yield* Effect.fork(Effect.all([one.submit(1), one.submit(2)], { concurrency: "unbounded" }))
      yield* settled
      yield* one.end(0)
      expect(yield* answers).toEqual(["done 1", "done 2"])
    })
  )
})
