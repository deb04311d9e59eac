import * as Effect from "effect/Effect"
import type { Signal } from "../definition/Signal.js"
import { listedSignal } from "../definition/SignalCheck.js"
import type { FiringKey, RunId } from "../model/Ids.js"
import type { ParkReason } from "../model/Status.js"
import type { PendingSignal } from "../model/StepRow.js"
import type { StreamProgress } from "./Checkpoint.js"
import type { FacadeCalls } from "./Facade.js"
import type { HeldRun } from "./HeldRun.js"
import type { RunEnvironment } from "./RunEnvironment.js"
import type { RunEvent, RunState, StartFiring } from "./RunState.js"
import type { StepReader } from "./StepReader.js"

/** The live run that steps belong to. */
export interface StepOwner {
  readonly runId: RunId
  readonly fence: number
  readonly reader: StepReader
  readonly now: Effect.Effect<number>
  readonly unsafeNow: () => number
  /** Milliseconds of a clock that neither goes back nor jumps. */
  readonly steady: () => number
  /** How long a step may wait in memory; not at all where everything is to be read back from rows. */
  readonly hotMs: () => number
  readonly facade: () => FacadeCalls | undefined
  /** How deep below the first parent the run is, how deep it may be, and how many children an attempt may start. */
  readonly depth: number
  readonly childDepth: number
  readonly childFanOut: number
  readonly nodeId: (node: number) => string
  /** The signal of a name that a node lists. */
  readonly signal: (node: number, name: string) => Signal | undefined
  /** Whether a firing was open when its run was read from its rows: then there may be rows of its steps. */
  readonly wasOpen: (start: StartFiring) => boolean
  readonly push: (event: RunEvent) => void
  /** Interrupts a firing from outside. */
  readonly interrupt: (start: StartFiring) => void
  /** Does something when all that can go on now has gone on. */
  readonly later: (then: () => void) => void
  /** A row of a step can't be read: the run can't go on. */
  readonly unreadable: (why: string) => void
  /** The streams of an attempt, if it has any. */
  readonly streamsOf: (start: StartFiring) => StreamProgress | undefined
}

/** The oldest signals of a name to a firing's node that no step has taken, at most so many; a row that can't be read stops the run. */
export const pendingSignals = (
  owner: StepOwner,
  { nodeId, runId }: FiringKey,
  name: string,
  limit: number
): Effect.Effect<ReadonlyArray<PendingSignal>> =>
  Effect.catchAll(owner.reader.signals({ runId, nodeId, name }, limit), (error) =>
    Effect.zipRight(
      Effect.sync(() => owner.unreadable(error.message)),
      Effect.never
    )
  )

/** By what a firing is known within its run. */
export const firingName = ({ firing, node }: StartFiring): string => `${node}/${firing.firing}`

/** The other way round: the index of a node, and its firing. */
export const placeOf = (name: string): { readonly node: number; readonly firing: number } => {
  const [node = 0, firing = 0] = name.split("/").map(Number)
  return { node, firing }
}

/** What of a live run its steps and streams use. */
export interface Hands {
  readonly push: (event: RunEvent) => void
  readonly interrupt: (name: string) => void
  readonly fork: (effect: Effect.Effect<void>) => void
  /** The run can't go on: a row can't be read, unless another reason is given. */
  readonly unreadable: (why: string, reason?: ParkReason) => void
}

/** A run as it was when it came into memory. */
interface Taken {
  readonly state: RunState
  readonly starts: ReadonlyArray<StartFiring>
}

/** Whether a firing was open when its run was read from its rows. */
export const wasOpen = ({ starts, state }: Taken, start: StartFiring): boolean =>
  start.firing.firing < state.nodes[start.node]!.next && !starts.includes(start)

/**
 * Comes back when whatever can run has run.
 *
 * **Details** Effect's own scheduler has a queue of microtasks for each fiber (since 3.20), so that no priority says this; a scheduler with
 * one queue for all, as the tests have, may take several turns of the event loop, and there it does.
 */
const afterAllOthers = Effect.zipRight(
  Effect.async<void>((resume) => {
    const turn = setImmediate(() => resume(Effect.void))
    return Effect.sync(() => clearImmediate(turn))
  }),
  Effect.yieldNow({ priority: 1 })
)

/** The owner of the steps of a run, as it was when it came into memory. */
export const stepOwner = (
  run: Taken & Pick<HeldRun, "fence" | "registered">,
  { clock, facade, settings, stepReader }: RunEnvironment,
  hands: Hands
): Omit<StepOwner, "streamsOf"> => ({
  runId: run.state.runId,
  fence: run.fence,
  reader: stepReader,
  now: clock.now,
  unsafeNow: clock.unsafeNow,
  steady: clock.steady,
  hotMs: () => (settings.alwaysEvict ? 0 : settings.idleMs),
  facade: facade.calls,
  depth: run.state.frontier.parent?.depth ?? 0,
  childDepth: settings.childDepth,
  childFanOut: settings.childFanOut,
  nodeId: (node) => run.state.plan.nodes[node]!.id,
  signal: (node, name) => listedSignal(run.registered.codecs[node]?.definition, name),
  wasOpen: (start) => wasOpen(run, start),
  push: hands.push,
  interrupt: (start) => hands.interrupt(firingName(start)),
  later: (then) => hands.fork(Effect.zipRight(afterAllOthers, Effect.sync(then))),
  unreadable: hands.unreadable
})
