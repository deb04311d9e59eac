import type { FiringRow } from "../model/Firing.js"
import type { Incarnation } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import { isEnded, type RunStatus } from "../model/Status.js"
import type { RunStanding } from "../store/StateStore.js"

/** A firing, as an explanation points at it. */
interface Place {
  readonly nodeId: string
  readonly firing: number
}

/** Who holds a run; `here`: this very worker does. */
interface Holder {
  readonly worker: Incarnation
  readonly workerId: string | null
  readonly here: boolean
}

/** Why a run is not moving. */
export type Explanation =
  | { readonly _tag: "Ended"; readonly status: RunStatus; readonly endedAt: Date | null }
  /** An operator has to look; `reason` says at what. */
  | { readonly _tag: "Parked"; readonly reason: string | null }
  | { readonly _tag: "Paused" }
  /** It does move: these firings are at work in a live worker. */
  | ({ readonly _tag: "AtWork"; readonly firings: ReadonlyArray<Place> } & Holder)
  /**
   * A live worker holds it and something could start. `why` is known where this worker is the holder: all slots are taken,
   * a firing of which processes died has to run alone (or another one does), its heartbeat is late, or it has lost sight of
   * the run and finds it with its next comparison.
   */
  | ({ readonly _tag: "WaitsForSlot"; readonly why?: "slots" | "alone" | "heartbeat" | "memory" } & Holder)
  /** Its worker is dead: taken over as soon as somebody sees it, at the latest after `until`, when the lease runs out. */
  | ({ readonly _tag: "HolderDead"; readonly until: Date } & Holder)
  /** It could go on, and no live worker executes its workflow; `servedAt`: when one was last seen. */
  | {
      readonly _tag: "NotServed"
      readonly workflow: string
      readonly workflowVersion: number
      readonly servedAt: Date | null
    }
  /** It could go on, and no live worker that executes its workflow would take another run. */
  | { readonly _tag: "NoRoom" }
  /** It could go on: a worker takes it, or what arrived for it, with its next look. */
  | { readonly _tag: "TakenUpSoon"; readonly inputs: number; readonly commands: number }
  /** It was started for a later time. */
  | { readonly _tag: "WaitsToStart"; readonly dueAt: Date }
  | ({ readonly _tag: "WaitsForTrigger"; readonly reason: string | null } & Place)
  | ({ readonly _tag: "WaitsForTime"; readonly dueAt: Date; readonly reason: string | null } & Place)

/** What this worker's memory says of a run. */
export interface Here {
  /** Whether it executes the run's workflow, and whether it would take another run. */
  readonly serves: boolean
  readonly hasRoom: boolean
  readonly isHolder: boolean
  readonly inMemory: boolean
  readonly isVital: boolean
  /** Whether one of its firings runs alone, or waits for it. */
  readonly isAlone: boolean
}

/**
 * Says why a run is not moving, from its rows, its open firings and the memory of this worker; the first that holds of:
 * it is over, nobody may move it, its holder is dead, it moves, it could move, it waits.
 */
export const explainRun = (
  standing: RunStanding,
  open: ReadonlyArray<FiringRow>,
  here: Here,
  now: number
): Explanation => {
  if (isEnded(standing.status)) return { _tag: "Ended", status: standing.status, endedAt: standing.endedAt }
  if (standing.status === "parked") return { _tag: "Parked", reason: standing.reason }
  const holder = holderOf(standing, here)
  const isDead = holder !== undefined && (!standing.leaseAlive || standing.holderGone)
  const unapplied = standing.unappliedInputs + standing.unappliedCommands
  const isDue = standing.dueAt !== null && standing.dueAt.getTime() <= now
  const couldGoOn = isDead || (holder === undefined && (standing.ready || isDue || unapplied > 0))
  const resting = standing.status === "paused" && standing.unappliedCommands === 0
  if (couldGoOn && !resting && !standing.isServed && !here.serves) {
    const { servedAt, workflow, workflowVersion } = standing
    return { _tag: "NotServed", workflow, workflowVersion, servedAt }
  }
  if (isDead && !resting) return { _tag: "HolderDead", until: standing.leaseUntil ?? new Date(now), ...holder }
  const running = open.filter((firing) => firing.status === "running")
  if (holder !== undefined && running.length > 0) return { _tag: "AtWork", firings: running.map(placeOf), ...holder }
  if (resting) return { _tag: "Paused" }
  if (couldGoOn) {
    if (!standing.hasRoom && !(here.serves && here.hasRoom)) return { _tag: "NoRoom" }
    return { _tag: "TakenUpSoon", inputs: standing.unappliedInputs, commands: standing.unappliedCommands }
  }
  return held(standing, open, here, holder, now)
}

/** Of a run that a live worker holds, or that waits unheld. */
const held = (
  standing: RunStanding,
  open: ReadonlyArray<FiringRow>,
  here: Here,
  holder: Holder | undefined,
  now: number
): Explanation => {
  const startable = open.filter(
    (firing) => firing.status === "scheduled" && (firing.notBefore === null || firing.notBefore <= now)
  )
  const waits = waitOf(open, now)
  if (holder !== undefined && (startable.length > 0 || waits === undefined)) {
    const why = here.isHolder ? { why: whyNot(startable, here) } : {}
    return { _tag: "WaitsForSlot", ...why, ...holder }
  }
  const { dueAt, unappliedCommands, unappliedInputs } = standing
  if (unappliedInputs + unappliedCommands > 0) {
    return { _tag: "TakenUpSoon", inputs: unappliedInputs, commands: unappliedCommands }
  }
  // Nothing of it is open, and it is not its turn.
  if (waits === undefined && dueAt !== null) return { _tag: "WaitsToStart", dueAt }
  return waits ?? { _tag: "TakenUpSoon", inputs: 0, commands: 0 }
}

const whyNot = (startable: ReadonlyArray<FiringRow>, here: Here): "slots" | "alone" | "heartbeat" | "memory" => {
  if (!here.inMemory) return "memory"
  if (!here.isVital) return "heartbeat"
  const suspicious = startable.some((firing) => firing.crashes >= Limits.crashesBeforeAlone)
  return suspicious || here.isAlone ? "alone" : "slots"
}

const holderOf = (standing: RunStanding, here: Here): Holder | undefined =>
  standing.leasedBy === null
    ? undefined
    : { worker: standing.leasedBy, workerId: standing.holderId, here: here.isHolder }

const placeOf = ({ firing, nodeId }: FiringRow): Place => ({ nodeId, firing })

/** The wait that ends first: the earliest time, else the first that waits for an event. */
const waitOf = (open: ReadonlyArray<FiringRow>, now: number): Explanation | undefined => {
  const timed = open
    .filter((firing) => firing.notBefore !== null && firing.notBefore > now)
    .sort((a, b) => (a.notBefore ?? 0) - (b.notBefore ?? 0))[0]
  const waiting = open.find((firing) => firing.status === "suspended" && firing.notBefore === null)
  if (timed?.notBefore != null && (waiting === undefined || timed.status === "scheduled")) {
    return { _tag: "WaitsForTime", dueAt: new Date(timed.notBefore), reason: timed.reason, ...placeOf(timed) }
  }
  return waiting === undefined ? undefined : { _tag: "WaitsForTrigger", reason: waiting.reason, ...placeOf(waiting) }
}
