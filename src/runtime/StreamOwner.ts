import type * as Effect from "effect/Effect"
import type { RunId } from "../model/Ids.js"
import type { ParkReason } from "../model/Status.js"
import type { PlanNode, PlanPort } from "./Plan.js"
import type { RunEvent, RunState, StartFiring } from "./RunState.js"
import type { Slots } from "./Slots.js"
import type { StepReader } from "./StepReader.js"

/** The live run that streams belong to. */
export interface StreamOwner {
  readonly runId: RunId
  readonly reader: StepReader
  readonly push: (event: RunEvent) => void
  readonly fork: (effect: Effect.Effect<void>) => void
  /** The run can't go on. */
  readonly park: (reason: ParkReason, why: string) => void
  /** The last checkpoint of a firing, as JSON text. */
  readonly checkpointOf: (start: StartFiring) => Effect.Effect<string | undefined>
  /** Whether a firing may have given something in an attempt before. */
  readonly mayHaveGiven: (start: StartFiring) => boolean
  /** Interrupts a firing, which starts again when there is room. */
  readonly interrupt: (start: StartFiring) => void
  /** Where a firing leaves its slot while it waits for others. */
  readonly slots: Pick<Slots, "lend" | "retake">
}

/**
 * How far the reader of a handle is: messages that were delivered in this life, and how many were there when it had read all.
 *
 * **Details** Those of a life before count as many as there may be.
 */
export interface Gate {
  delivered: number
  read: number
}

/** Somebody who is told when a wait of his begins and when it is over, in whatever way. */
export interface Waiter {
  readonly waits: () => void
  readonly goesOn: () => void
}

/** What the streams of an attempt know of those of the run. */
export interface StreamRun {
  readonly owner: StreamOwner
  /** As it was last committed. */
  readonly state: RunState
  readonly gate: (nodeId: string, handle: string) => Gate
  /** Ends when something holds; looked at after each commit. Who waits is told before and after, unless it holds already. */
  readonly until: (holds: () => boolean, who?: Waiter) => Effect.Effect<void>
  /** Lets those go on who waited for what is so now. */
  readonly changed: () => void
  /** Whether the consumers of a port are not too far behind. */
  readonly hasRoom: (port: PlanPort) => boolean
}

/** Where a stream is read or given: one attempt of one firing. */
export interface StreamSite extends Waiter {
  readonly run: StreamRun
  readonly start: StartFiring
  readonly plan: PlanNode
  /** Nothing more is committed of what it gives. */
  readonly closed: boolean
}
