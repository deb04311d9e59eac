import * as Schema from "effect/Schema"

/**
 * The transitions of a run, as data: the state machine in the README and the property tests read this table.
 *
 * **Details** `compensating` is a run that has failed, or was cancelled, and undoes what its nodes did: `compensated` if all of it
 * was undone, `failed` if something could not be. `failed → pending` exists only for an operator's retry; every other ended status is final.
 */
export const runTransitions = {
  pending: [
    "running",
    "suspended",
    "recovering",
    "paused",
    "cancelling",
    "compensating",
    "completed",
    "failed",
    "cancelled",
    "parked"
  ],
  running: [
    "suspended",
    "recovering",
    "paused",
    "cancelling",
    "compensating",
    "completed",
    "failed",
    "cancelled",
    "parked"
  ],
  suspended: [
    "running",
    "recovering",
    "paused",
    "cancelling",
    "compensating",
    "completed",
    "failed",
    "cancelled",
    "parked"
  ],
  recovering: [
    "running",
    "suspended",
    "paused",
    "cancelling",
    "compensating",
    "completed",
    "failed",
    "cancelled",
    "parked"
  ],
  paused: [
    "pending",
    "running",
    "suspended",
    "recovering",
    "completed",
    "failed",
    "cancelling",
    "compensating",
    "cancelled",
    "parked"
  ],
  cancelling: ["compensating", "cancelled", "parked"],
  compensating: ["compensated", "failed", "parked"],
  parked: ["pending", "suspended", "recovering", "cancelling", "cancelled"],
  completed: [],
  failed: ["pending"],
  cancelled: [],
  compensated: []
} as const satisfies Record<string, ReadonlyArray<string>>

/** The status of a run, as stored. */
export type RunStatus = keyof typeof runTransitions

/** The transitions of a firing, as data. */
export const firingTransitions = {
  scheduled: ["running", "skipped", "cancelled", "failed"],
  running: ["completed", "failed", "suspended", "scheduled", "cancelled"],
  suspended: ["running", "scheduled", "failed", "cancelled"],
  completed: [],
  failed: ["scheduled"],
  skipped: [],
  cancelled: ["scheduled", "suspended"]
} as const satisfies Record<string, ReadonlyArray<string>>

/** The status of one firing, as stored. */
export type FiringStatus = keyof typeof firingTransitions

/** The status of a node over all its firings: `idle` until the first one. */
export type NodeStatus = "idle" | FiringStatus

const literal = <A extends string>(table: Record<A, unknown>) =>
  Schema.Literal(...(Object.keys(table) as unknown as readonly [A, ...Array<A>]))

export const RunStatus = literal<RunStatus>(runTransitions)
export const FiringStatus = literal<FiringStatus>(firingTransitions)

const endedRun: ReadonlySet<RunStatus> = new Set<RunStatus>(["completed", "failed", "cancelled", "compensated"])
const endedFiring: ReadonlySet<FiringStatus> = new Set<FiringStatus>(["completed", "failed", "skipped", "cancelled"])

/** Whether a run in this status does nothing any more by itself. */
export const isEnded = (status: RunStatus): boolean => endedRun.has(status)

/** Whether a firing in this status is over. */
export const isFiringEnded = (status: FiringStatus): boolean => endedFiring.has(status)

/** Whether a run may go from one status to another; staying is always allowed. */
export const canMoveRun = (from: RunStatus, to: RunStatus): boolean =>
  from === to || (runTransitions[from] as ReadonlyArray<RunStatus>).includes(to)

/** Whether a firing may go from one status to another; staying is always allowed. */
export const canMoveFiring = (from: FiringStatus, to: FiringStatus): boolean =>
  from === to || (firingTransitions[from] as ReadonlyArray<FiringStatus>).includes(to)

/**
 * The status of a node, summarised from its firings.
 *
 * **Details** What is still moving wins over what has ended, and of the ended the worst wins.
 */
export const summariseNode = (firings: Iterable<FiringStatus>): NodeStatus => {
  const seen = new Set(firings)
  const order = ["running", "scheduled", "suspended", "failed", "cancelled", "completed", "skipped"] as const
  return order.find((status) => seen.has(status)) ?? "idle"
}

/** Why a firing put nothing on a port: what a tombstone says. */
export const TombstoneCause = Schema.Literal("not_taken", "failed", "skipped")
export type TombstoneCause = typeof TombstoneCause.Type

/** Why a run can't go on without an operator. */
export const ParkReason = Schema.Literal(
  "UnknownWorkflow",
  "UndecodableRow",
  "CommitRejected",
  "Poison",
  "NonDeterministicEmission"
)
export type ParkReason = typeof ParkReason.Type

/** Where a trigger input or a command stands: unapplied, applied, refused, kept while parked, or after the end. */
export const InputStatus = Schema.Literal("new", "applied", "refused", "held", "dead")
export type InputStatus = typeof InputStatus.Type
