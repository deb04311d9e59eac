import type { RunCommand, TriggerInput } from "../model/Run.js"
import type { Registered } from "./Definitions.js"
import type { RunState, StartFiring } from "./RunState.js"

/** A run this worker holds the lease of, as it was just started or rebuilt. */
export interface HeldRun {
  readonly registered: Registered
  readonly state: RunState
  readonly fence: number
  /** Firings whose commit is there and which only need their fibers. */
  readonly starts: ReadonlyArray<StartFiring>
  /** What waited for it when it was claimed. */
  readonly inputs: ReadonlyArray<TriggerInput>
  readonly commands: ReadonlyArray<RunCommand>
}
