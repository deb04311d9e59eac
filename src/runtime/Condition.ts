import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Incarnation } from "../model/Ids.js"
import { type Listening, Wakeups } from "../store/Wakeups.js"
import { AuditTrail } from "./AuditTrail.js"
import { Identity } from "./Identity.js"
import { RunSupervisor } from "./RunSupervisor.js"
import { Settings } from "./Settings.js"
import { Vitality } from "./Vitality.js"
import { Waker } from "./Waker.js"

/** How a worker goes at a moment, as it knows without asking anybody. */
export interface Standing {
  readonly incarnation: Incarnation
  readonly listening: Listening
  /** Milliseconds since everything was last looked at; undefined before that was done once. */
  readonly sweptMsAgo: number | undefined
  /** Longer ago than this, the sweep hangs or fails. */
  readonly sweepLateMs: number
  /** Firings that run, and how many may. */
  readonly slots: { readonly taken: number; readonly size: number }
  /** Runs in memory, and how many may be. */
  readonly runs: { readonly held: number; readonly most: number }
  /** Events that wait to be recorded. */
  readonly auditWaiting: number
}

/** How this worker goes, for probes, metrics and operators; nothing is decided by it. */
export class Condition extends Context.Tag("perdure/Condition")<
  Condition,
  { readonly now: Effect.Effect<Standing> }
>() {}

/** Sweeps that may be missed. */
const missedSweeps = 10

/** A sweep of a busy database may take this long however often one is asked for. */
const leastLateMs = 5_000

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const identity = yield* Identity
  const wakeups = yield* Wakeups
  const waker = yield* Waker
  const supervisor = yield* RunSupervisor
  const trail = yield* AuditTrail
  const vitality = yield* Vitality
  const sweepLateMs = Math.max(leastLateMs, missedSweeps * settings.pollMs)
  const now = Effect.gen(function* () {
    const sweptAt = waker.sweptAt()
    return {
      incarnation: yield* identity.current,
      listening: yield* wakeups.listening,
      sweptMsAgo: sweptAt === undefined ? undefined : vitality.now() - sweptAt,
      sweepLateMs,
      slots: { taken: supervisor.slots.inUse, size: settings.slots },
      runs: { held: supervisor.ids().length, most: settings.maxRuns },
      auditWaiting: trail.waiting()
    } satisfies Standing
  })
  return { now }
})

export const layer: Layer.Layer<Condition, never, Identity | Wakeups | Waker | RunSupervisor | AuditTrail | Vitality> =
  Layer.effect(Condition, make)
