import type { StepRow } from "../model/StepRow.js"
import type { StartFiring } from "./RunState.js"
import type { StepJournal } from "./StepJournal.js"
import type { StepOwner } from "./StepOwner.js"

/** Whoever commits steps and knows which signals are taken. */
export interface StepRegister {
  readonly owner: StepOwner
  readonly taken: Set<string>
  readonly arrivals: (nodeId: string) => number
  readonly record: (journal: StepJournal, start: StartFiring, row: StepRow, then: () => void) => void
}
