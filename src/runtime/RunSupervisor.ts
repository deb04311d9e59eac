import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type { RunId } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import type { RunCommand, TriggerInput } from "../model/Run.js"
import type { Inbox } from "../store/Inbox.js"
import { StateStore } from "../store/StateStore.js"
import type { StepStore } from "../store/StepStore.js"
import { Transactor } from "../store/Transactor.js"
import type { Wakeup } from "../store/Wakeups.js"
import { AuditTrail } from "./AuditTrail.js"
import { Awaiters } from "./Awaiters.js"
import { Committer } from "./Committer.js"
import { DatabaseClock } from "./DatabaseClock.js"
import { Definitions } from "./Definitions.js"
import { Facade } from "./Facade.js"
import { Forks } from "./Forks.js"
import type { HeldRun } from "./HeldRun.js"
import { LargePayloads } from "./LargePayloads.js"
import { Releaser } from "./Releaser.js"
import type { Parking, RunEnvironment } from "./RunEnvironment.js"
import { RunFiber } from "./RunFiber.js"
import type { RunExit } from "./RunLife.js"
import { Settings } from "./Settings.js"
import { Slots } from "./Slots.js"
import { makeStepReader } from "./StepReader.js"
import { Tracing } from "./Tracing.js"
import { Vitality } from "./Vitality.js"

/**
 * Owns every live run of this worker: its budget of runs and firings, and the fibers.
 */
export class RunSupervisor extends Context.Tag("perdure/RunSupervisor")<
  RunSupervisor,
  {
    readonly slots: Slots
    /** How many more runs may be taken into memory. */
    readonly room: () => number
    /** Keeps room for claims or starts that are under way; give it back when they are through. */
    readonly reserve: (runs: number) => void
    readonly has: (runId: RunId) => boolean
    readonly ids: () => ReadonlyArray<RunId>
    /** Takes a leased run into memory and lets it live. */
    readonly adopt: (run: HeldRun) => void
    /** Hands over what arrived from outside for a live run. */
    readonly deliver: (runId: RunId, inputs: ReadonlyArray<TriggerInput>, commands: ReadonlyArray<RunCommand>) => void
    /** Runs somebody should look at: they left memory, or something arrived for them. */
    readonly looks: Queue.Dequeue<Look>
    /** Asks for a look at a run; `kind` says what others are told of if it can't live here. */
    readonly lookAt: (runId: RunId, kind?: Wakeup["kind"]) => void
    /** Parks a run under a lease of this worker; what can't be written stays leased. */
    readonly park: (run: Parking) => Effect.Effect<void>
    /** Interrupts these runs, writing nothing: another worker has their leases. */
    readonly lose: (runIds: ReadonlyArray<RunId>) => void
    /** Drops every run at once, writing nothing: the leases are gone. */
    readonly abandon: Effect.Effect<void>
    /** Starts nothing more, waits for what runs up to the grace time, then hands everything over. */
    readonly drain: Effect.Effect<void>
  }
>() {}

/** A run to be looked at, and what others are told of where it can't be claimed. */
export interface Look {
  readonly runId: RunId
  readonly kind: Wakeup["kind"] | undefined
}

const lease = (run: HeldRun) => ({ runId: run.state.runId, fence: run.fence })

const parkRetries = Schedule.exponential("50 millis").pipe(Schedule.intersect(Schedule.recurs(3)))

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const transactor = yield* Transactor
  const states = yield* StateStore
  const awaiters = yield* Awaiters
  const definitions = yield* Definitions
  const vitality = yield* Vitality
  const slots = new Slots(settings.slots, vitality.isVital, vitality.now)
  vitality.onBeat(() => slots.lookAgain())
  const runs = new Map<RunId, RunFiber>()
  const looks = yield* Queue.sliding<Look>(65_536)
  const fibers = yield* FiberSet.make<void>()
  let reserved = 0
  let draining = false

  const park = (run: Parking) =>
    transactor.transact("park", states.park([run])).pipe(
      Effect.retry(parkRetries),
      Effect.zipRight(Effect.logWarning(`Run ${run.runId} is parked (${run.reason}): ${run.detail}`)),
      Effect.catchAll((error) =>
        Effect.logError(`Run ${run.runId} can't be parked (${run.reason}: ${run.detail})`, error)
      )
    )

  /**
   * As much of its time as there is room: a run that waits gives way to those that could run. With the whole of 2 s for each, 2,000 runs in
   * memory let no more than 1,000 a second begin to wait: 100,000 starts of runs that sleep took 146 s, and take 87 s so.
   */
  const idleMs = () => settings.idleMs * Math.max(0, 1 - (runs.size + reserved) / settings.maxRuns)

  const environment: RunEnvironment = {
    committer: yield* Committer,
    releaser: yield* Releaser,
    clock: yield* DatabaseClock,
    trail: yield* AuditTrail,
    tracing: yield* Tracing,
    large: yield* LargePayloads,
    slots,
    settings,
    idleMs,
    stepReader: yield* makeStepReader,
    facade: yield* Facade,
    park,
    relook: (runId) => looks.unsafeOffer({ runId, kind: undefined })
  }

  const remove = (fiber: RunFiber) => {
    if (runs.get(fiber.runId) === fiber) runs.delete(fiber.runId)
  }

  const forks = new Forks(yield* Effect.runtime<never>())

  /** Rebuilt from the same rows it would die again, and again: a person has to look. */
  const died = (run: HeldRun, defect: unknown) =>
    Effect.zipRight(
      Effect.logError(`Run ${run.state.runId} died in this worker`, defect),
      park({ ...lease(run), reason: "Poison", detail: `the engine died of it: ${String(defect)}` })
    )

  /** Out of the map before its fibers are waited for: the run may come back under another lease meanwhile. */
  const leave = (fiber: RunFiber, exit: Exit.Exit<RunExit>) => {
    remove(fiber)
    const gone = Effect.sync(() => {
      if (Exit.isSuccess(exit) && exit.value === "Ended" && fiber.ended !== undefined) awaiters.ended(fiber.ended)
      fiber.left()
    })
    const defect = Exit.isFailure(exit) ? Cause.dieOption(exit.cause) : Option.none()
    const told = Option.match(defect, { onNone: () => Effect.void, onSome: (cause) => died(fiber.run, cause) })
    return Effect.zipRight(Effect.zipRight(fiber.firingsEnded, told), gone)
  }

  const adopt = (run: HeldRun): void => {
    const fiber = new RunFiber(run, environment, forks)
    runs.set(fiber.runId, fiber)
    if (draining) fiber.drain()
    const life = Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.exit(restore(fiber.live)), (exit) => leave(fiber, exit))
    )
    FiberSet.unsafeAdd(fibers, fiber.begin(life))
  }

  /** Starts nothing more of these runs, waits for what runs up to the grace time, then interrupts it. */
  const handOver = (which: (fiber: RunFiber) => boolean): Effect.Effect<void> =>
    Effect.gen(function* () {
      const leaving = [...runs.values()].filter(which)
      for (const fiber of leaving) fiber.drain()
      // A finalizer calls this: without a word it could not give up waiting.
      const gone = Effect.interruptible(Effect.forEach(leaving, (fiber) => fiber.gone, { discard: true }))
      const grace = Duration.millis(settings.graceMs)
      const inTime = yield* Effect.timeoutOption(gone, grace)
      if (inTime._tag === "Some") return
      yield* Effect.logInfo("Firings are interrupted: the grace time is over")
      for (const fiber of leaving) fiber.interruptFirings()
      const ended = yield* Effect.timeoutOption(gone, Duration.millis(Limits.interruptGraceMs))
      if (ended._tag === "None") yield* Effect.logWarning("Some firings don't end; their runs go on elsewhere")
    })

  const drain = Effect.suspend(() => {
    draining = true
    slots.close()
    return handOver(() => true)
  })
  definitions.onLeaving((registered) => handOver((fiber) => fiber.run.registered === registered))

  return {
    slots,
    room: () => (draining || !vitality.isVital() ? 0 : Math.max(0, settings.maxRuns - runs.size - reserved)),
    reserve: (count: number) => {
      reserved += count
    },
    has: (runId: RunId) => runs.has(runId),
    ids: () => [...runs.keys()],
    adopt,
    deliver: (runId: RunId, inputs: ReadonlyArray<TriggerInput>, commands: ReadonlyArray<RunCommand>) =>
      runs.get(runId)?.deliver(inputs, commands),
    looks,
    lookAt: (runId: RunId, kind?: Wakeup["kind"]) => {
      looks.unsafeOffer({ runId, kind })
    },
    park,
    lose: (runIds: ReadonlyArray<RunId>) => {
      for (const runId of runIds) runs.get(runId)?.lose()
    },
    // Not waited for: a handler that can't be interrupted must not keep the worker from starting anew.
    abandon: Effect.sync(() => {
      runs.clear()
      for (const fiber of fibers) fiber.unsafeInterruptAsFork(FiberId.none)
    }),
    drain
  }
})

export const layer: Layer.Layer<
  RunSupervisor,
  never,
  | Transactor
  | StateStore
  | StepStore
  | Inbox
  | Committer
  | Releaser
  | DatabaseClock
  | AuditTrail
  | LargePayloads
  | Awaiters
  | Facade
  | Definitions
  | Tracing
  | Vitality
> = Layer.scoped(RunSupervisor, make)
