import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type { Incarnation, RunId } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import { Lifeline } from "../store/Lifeline.js"
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
import { Vitality } from "./Vitality.js"

/** An exclusive worker's lease lasts for weeks; its heartbeat only keeps `served` times and the clock fresh. */
const exclusiveHeartbeatMs = 10_000

/** The part of a lease that a heartbeat may take before its connection is given up: there is time for two more. */
const deadlinePart = 0.25

/** How much later than asked for an unknown workflow's runs may be parked. */
const unknownPart = 0.1

/**
 * Signs of life, over the lifeline: nothing else this worker does can delay them but its own event loop.
 *
 * **Details** A worker that was declared dead drops every run without a word and registers as somebody new. One whose
 * session broke starts nothing before it has opened another.
 */
const beats = Effect.gen(function* () {
  const settings = yield* Settings
  const lifeline = yield* Lifeline
  const workers = yield* Workers
  const vitality = yield* Vitality
  const definitions = yield* Definitions
  const identity = yield* Identity
  const supervisor = yield* RunSupervisor
  const heartbeatMs = workers.exclusive ? exclusiveHeartbeatMs : settings.heartbeatMs
  const deadlineMs = Math.max(50, settings.leaseMs * deadlinePart)

  const sign = (incarnation: Incarnation) =>
    Effect.flatMap(lifeline.session(deadlineMs), (session) =>
      lifeline.transact(
        "heartbeat",
        deadlineMs,
        workers.heartbeat(incarnation, definitions.keys(), { session, room: supervisor.room() })
      )
    )

  const beat = Effect.gen(function* () {
    const sentAt = vitality.now()
    if (yield* Effect.flatMap(identity.current, sign)) return vitality.beaten(sentAt)
    yield* Effect.logWarning("This worker was declared dead; it starts anew")
    yield* supervisor.abandon
    const next = yield* identity.renew
    // Others see the new one's session with its first heartbeat.
    if (lifeline.own) yield* sign(next)
  })

  // Others see what this worker executes by its heartbeat.
  const bell = yield* Queue.sliding<void>(1)
  if (lifeline.own) definitions.onRegistered(() => Effect.asVoid(Queue.offer(bell, undefined)))

  const lost = Effect.sync(() => {
    if (lifeline.own) vitality.lost()
  })

  /** The time until the next one, cut short when the session goes. */
  const pause = (failures: number) =>
    failures > 0
      ? Effect.sleep(Duration.millis(Math.min(heartbeatMs, Limits.heartbeatRetryMs * 2 ** failures)))
      : Effect.sleep(Duration.millis(heartbeatMs)).pipe(
          Effect.race(Queue.take(bell)),
          Effect.race(
            Effect.zipRight(
              Effect.zipRight(lifeline.lost, lost),
              Effect.sleep(Duration.millis(Math.min(heartbeatMs, Limits.heartbeatRetryMs)))
            )
          )
        )

  const turn = (failures: number): Effect.Effect<number> =>
    Effect.matchCauseEffect(beat, {
      onSuccess: () => Effect.succeed(0),
      onFailure: (cause) =>
        Effect.logWarning("The heartbeat failed; the next one tries again", cause).pipe(
          Effect.zipRight(lost),
          Effect.as(failures + 1)
        )
    })

  const first = lifeline.own ? turn(0) : Effect.succeed(0)
  yield* Effect.forkScoped(
    Effect.flatMap(first, (failures) =>
      Effect.iterate(failures, {
        while: () => true,
        body: (sofar) => Effect.zipRight(pause(sofar), turn(sofar))
      })
    )
  )
})

/** Keeps what the database believes this worker holds in step with what it does hold, and the database's clock. */
const upkeep = Effect.gen(function* () {
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
  let foreign = new Set<RunId>()

  /**
   * Runs leased to this worker that it does not know: the acknowledgement of their claim or start was lost. Runs it has in
   * memory that are not leased to it: another one took them while its heartbeat was late.
   */
  const reconcile = Effect.gen(function* () {
    const incarnation = yield* identity.current
    const leased = new Set(yield* clock.adjustAnd(states.leasedTo(incarnation)))
    const unknown = [...leased].filter((runId) => !supervisor.has(runId))
    const gone = supervisor.ids().filter((runId) => !leased.has(runId))
    // Twice in a row: not just a claim, or an end, under way.
    const again = unknown.filter((runId) => missing.has(runId))
    const lost = gone.filter((runId) => foreign.has(runId))
    missing = new Set(unknown)
    foreign = new Set(gone)
    supervisor.lose(lost)
    if (again.length > 0) yield* recovery.claim([{ _tag: "Own", runIds: again }], again.length)
  })

  const housekeeping = Effect.gen(function* () {
    yield* transactor.transact("park", states.parkUnknown(settings.unknownAfterMs, Limits.claimBatch))
    const mine = definitions.keys()
    if (mine.length > 0) yield* transactor.transact("unpark", states.unparkKnown(mine, Limits.claimBatch))
  })

  const steadily = (everyMs: number, turn: Effect.Effect<void>) =>
    Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(Duration.millis(everyMs)), turn)))
  const everyMs = workers.exclusive ? exclusiveHeartbeatMs : settings.heartbeatMs
  yield* steadily(everyMs, careful("The comparison of leases", reconcile))
  yield* steadily(Math.max(everyMs, settings.unknownAfterMs * unknownPart), careful("Housekeeping", housekeeping))
  definitions.onRegistered(({ key }) =>
    careful("Unparking", Effect.asVoid(transactor.transact("unpark", states.unparkKnown([key], Limits.claimBatch))))
  )
})

/** Last in, first out: fibers have been drained by then, and the leases that are left are free at once. */
const leaving = Effect.gen(function* () {
  const transactor = yield* Transactor
  const workers = yield* Workers
  const identity = yield* Identity
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
  | Transactor
  | Lifeline
  | Workers
  | Vitality
  | StateStore
  | DatabaseClock
  | Definitions
  | Identity
  | Recovery
  | RunSupervisor
> = Layer.scopedDiscard(Effect.zipRight(leaving, Effect.zipRight(upkeep, beats)))
