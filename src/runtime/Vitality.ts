import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Workers } from "../store/Workers.js"
import { Settings } from "./Settings.js"

/** The part of a lease after which a heartbeat is late: what starts now might be taken over before it is known to be. */
const latePart = 0.75

/** The part of a lease without a heartbeat after which others may have missed theirs, too. */
const gapPart = 0.5

/**
 * Whether this worker may rely on its leases: known at any moment without asking anybody, also right after its event loop
 * stood still or its process was stopped.
 *
 * **Details** Counted from when a heartbeat that arrived was *sent*, on a clock that does not go back. A worker that had
 * trouble itself does not judge others for one lease time: the trouble may have been everybody's.
 */
export class Vitality extends Context.Tag("perdure/Vitality")<
  Vitality,
  {
    /** In milliseconds, of a clock that does not go back. */
    readonly now: () => number
    /** Whether attempts may start and runs may be taken. */
    readonly isVital: () => boolean
    /** Whether runs of workers that seem dead may be taken over. */
    readonly mayTakeOver: () => boolean
    /** A heartbeat that was sent at this time has arrived. */
    readonly beaten: (sentAt: number) => void
    /** The session by which others see that this worker lives is gone: nothing starts until the next heartbeat. */
    readonly lost: () => void
    /** Is called when this worker may start attempts again, and after each heartbeat. */
    readonly onBeat: (call: () => void) => void
  }
>() {}

const make = Effect.gen(function* () {
  const { leaseMs } = yield* Settings
  const { exclusive } = yield* Workers
  const clock = yield* Effect.clock
  const now = () => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)
  const calls: Array<() => void> = []
  let beatenAt = now()
  let troubledUntil = Number.NEGATIVE_INFINITY
  let sessionLost = false
  const trouble = () => {
    troubledUntil = now() + leaseMs
  }
  const isVital = () => exclusive || (!sessionLost && now() - beatenAt < leaseMs * latePart)
  return {
    now,
    isVital,
    mayTakeOver: () => exclusive || (isVital() && now() - beatenAt < leaseMs * gapPart && now() >= troubledUntil),
    beaten: (sentAt: number) => {
      if (now() - beatenAt > leaseMs * gapPart) trouble()
      beatenAt = Math.max(beatenAt, sentAt)
      sessionLost = false
      for (const call of calls) call()
    },
    lost: () => {
      sessionLost = true
      trouble()
    },
    onBeat: (call: () => void) => {
      calls.push(call)
    }
  }
})

export const layer: Layer.Layer<Vitality, never, Workers> = Layer.effect(Vitality, make)
