import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { RunId } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import { StateStore } from "../store/StateStore.js"
import { Transactor } from "../store/Transactor.js"
import { Workers } from "../store/Workers.js"
import { careful } from "./Careful.js"
import { DatabaseClock } from "./DatabaseClock.js"
import { Definitions } from "./Definitions.js"
import { Identity } from "./Identity.js"
import { Recovery } from "./Recovery.js"
import { RunSupervisor } from "./RunSupervisor.js"
import { Settings } from "./Settings.js"

/** An exclusive worker's lease lasts for weeks; its heartbeat only keeps `served` times and the clock fresh. */
const exclusiveHeartbeatMs = 10_000

/**
 * Keeps this worker's lease, and what the database believes it holds in step with what it does hold.
 *
 * **Details** A worker that was declared dead drops every run without a word and registers as somebody new.
 */
const make = Effect.gen(function* () {
  const settings = yield* Settings
  const transactor = yield* Transactor
  const workers = yield* Workers
  const states = yield* StateStore
  const clock = yield* DatabaseClock
  const definitions = yield* Definitions
  const identity = yield* Identity
  const recovery = yield* Recovery
  const supervisor = yield* RunSupervisor
  let missing = new Set<RunId>()

  /** Runs leased to this worker that it does not know: the acknowledgement of their claim or start was lost. */
  const reconcile = Effect.gen(function* () {
    const incarnation = yield* identity.current
    const leased = yield* transactor.transact("leased", states.leasedTo(incarnation))
    const unknown = leased.filter((runId) => !supervisor.has(runId))
    // Missing twice in a row: not just a claim under way.
    const again = unknown.filter((runId) => missing.has(runId))
    missing = new Set(unknown)
    if (again.length > 0) yield* recovery.claim({ _tag: "Own", runIds: again }, again.length)
  })

  const beat = Effect.gen(function* () {
    const incarnation = yield* identity.current
    const alive = yield* transactor.transact("heartbeat", workers.heartbeat(incarnation, definitions.keys()))
    if (alive) {
      yield* clock.adjust
      yield* reconcile
      return
    }
    yield* Effect.logWarning("This worker was declared dead; it starts anew")
    yield* supervisor.abandon
    yield* identity.renew
  })

  const housekeeping = Effect.gen(function* () {
    yield* transactor.transact("park", states.parkUnknown(settings.unknownAfterMs, Limits.claimBatch))
    const mine = definitions.keys()
    if (mine.length > 0) yield* transactor.transact("unpark", states.unparkKnown(mine, Limits.claimBatch))
  })

  const pause = Effect.sleep(Duration.millis(workers.exclusive ? exclusiveHeartbeatMs : settings.heartbeatMs))
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.zipRight(pause, Effect.zipRight(careful("The heartbeat", beat), careful("Housekeeping", housekeeping)))
    )
  )
  definitions.onRegistered(({ key }) =>
    careful("Unparking", Effect.asVoid(transactor.transact("unpark", states.unparkKnown([key], Limits.claimBatch))))
  )
  // Last in, first out: fibers have been drained by then, and the leases that are left are free at once.
  yield* Effect.addFinalizer(() =>
    Effect.flatMap(identity.current, (incarnation) =>
      transactor
        .transact("leave", workers.leave(incarnation))
        .pipe(Effect.catchAll((error) => Effect.logWarning("Leaving failed; the lease will run out", error)))
    )
  )
})

export const layer: Layer.Layer<
  never,
  never,
  Transactor | Workers | StateStore | DatabaseClock | Definitions | Identity | Recovery | RunSupervisor
> = Layer.scopedDiscard(make)
