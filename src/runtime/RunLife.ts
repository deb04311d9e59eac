import type { RunCommit } from "../model/Run.js"
import type { Decision } from "./RunMachine.js"
import type { RunEvent } from "./RunState.js"

/** Why a run left this worker's memory. */
export type RunExit =
  /** It is over. */
  | "Ended"
  /** It waits, and its rows are all there is of it. */
  | "Evicted"
  /** Another worker holds it, or it was parked. */
  | "Lost"

/**
 * What a live run is at.
 *
 * **Details** `resting`: until something arrives. `entered`: the committer will ask for its next commit. `committing`: the
 * commit's fate is open. `leaving`: it is being given up. `gone`: out of memory, whatever may still arrive.
 */
export type Phase = "new" | "resting" | "entered" | "committing" | "leaving" | "gone"

/** A decision whose commit is under way, and what led to it. */
export interface Deciding {
  readonly decision: Decision
  readonly commit: RunCommit
  readonly at: number
  readonly events: ReadonlyArray<RunEvent>
}
