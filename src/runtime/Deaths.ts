import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import { Limits } from "../model/Limits.js"
import { Lifeline } from "../store/Lifeline.js"
import { isOver } from "../store/ProcessIdentity.js"
import { Transactor } from "../store/Transactor.js"
import { type Rival, Workers } from "../store/Workers.js"
import { careful } from "./Careful.js"
import { Identity } from "./Identity.js"
import { Vitality } from "./Vitality.js"
import { Waker } from "./Waker.js"

/**
 * Sees deaths long before a lease has run out: a worker whose session is gone, twice, with no heartbeat in between, is
 * declared dead, and what it held is taken over at once. One look is enough beside a process that is over: what is started
 * again after a crash has no doubts about what was there before.
 *
 * **Details** Only workers that have a session themselves look; one that had trouble waits. Being wrong costs no more than
 * the fences allow: who was declared dead and lives registers anew. The more workers there are, the less often each looks.
 */
const make = Effect.gen(function* () {
  const transactor = yield* Transactor
  const lifeline = yield* Lifeline
  const workers = yield* Workers
  const identity = yield* Identity
  const vitality = yield* Vitality
  const waker = yield* Waker

  const rivals = Effect.flatMap(identity.current, (me) => transactor.transact("watch", workers.rivals(me)))

  const declare = (silent: ReadonlyArray<Rival>) =>
    Effect.gen(function* () {
      if (silent.length === 0 || !vitality.mayTakeOver()) return
      const dead = yield* transactor.transact("declare", workers.declareDead(silent))
      if (dead === 0) return
      yield* Effect.logInfo(`Workers are dead: the sessions of ${dead} are gone`)
      yield* waker.claim
    })

  /** Those that were gone at both looks, and whose heart has not beaten meanwhile. */
  const settle = (suspects: ReadonlyArray<Rival>) =>
    Effect.gen(function* () {
      yield* Effect.sleep(Duration.millis(Limits.doubtMs))
      const heartbeats = new Map(suspects.map(({ heartbeat, incarnation }) => [incarnation, heartbeat]))
      const again = yield* rivals
      yield* declare(again.filter((rival) => rival.gone && heartbeats.get(rival.incarnation) === rival.heartbeat))
    })

  let others = 1
  const look = Effect.gen(function* () {
    if (!vitality.mayTakeOver()) return
    const seen = yield* rivals
    others = seen.length
    const [doubtful, over] = Arr.partition(
      seen.filter((rival) => rival.gone),
      ({ process }) => process !== null && isOver(process)
    )
    yield* declare(over)
    if (doubtful.length > 0) yield* settle(doubtful)
  })

  const pause = Effect.flatMap(Random.nextRange(0.8, 1.2), (factor) =>
    Effect.sleep(
      Duration.millis(factor * Math.min(Limits.watchMostMs, Math.max(Limits.watchLeastMs, others * Limits.watchMs)))
    )
  )

  /** Whoever begins looks at once, when it has shown that it lives itself: what it is started for may be another's death. */
  const begun = Effect.repeat(
    Effect.sync(() => vitality.mayTakeOver()),
    { until: (may) => may, schedule: Schedule.spaced(Duration.millis(Limits.beginMs)) }
  )

  if (lifeline.own) {
    const looks = Effect.forever(Effect.zipRight(careful("The look for deaths", look), pause))
    yield* Effect.forkScoped(Effect.zipRight(begun, looks))
  }
})

export const layer: Layer.Layer<never, never, Transactor | Lifeline | Workers | Identity | Vitality | Waker> =
  Layer.scopedDiscard(make)
