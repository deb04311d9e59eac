import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { StepHost } from "../definition/StepHost.js"
import type { AttemptOutcome } from "../model/Firing.js"
import type { StepRow } from "../model/StepRow.js"
import type { StartFiring } from "./RunState.js"
import { StepJournal } from "./StepJournal.js"
import { firingName, type StepOwner } from "./StepOwner.js"
import type { StepRegister } from "./StepRegister.js"
import { StepSession } from "./StepSession.js"

/**
 * The steps of one live run: what its firings remember, who waits for a commit, and which signals are taken.
 *
 * **Details** Made when the first step of the run asks for it.
 */
export class RunSteps implements StepRegister {
  private readonly journals = new Map<string, StepJournal>()
  private readonly sessions = new Map<string, StepSession>()
  private readonly reached = new Map<StepRow, { readonly journal: StepJournal; readonly goOn: () => void }>()
  private readonly arrived = new Map<string, number>()
  /** Signals that a step of this run has taken in this life. */
  readonly taken = new Set<string>()

  constructor(readonly owner: StepOwner) {}

  /** The steps of one attempt. */
  begin(start: StartFiring): StepHost {
    const session = new StepSession(this, this.journalOf(start), start)
    this.sessions.set(firingName(start), session)
    return session
  }

  /** All that is remembered of a firing. */
  remembered(start: StartFiring): Effect.Effect<StepJournal> {
    return Effect.suspend(() => {
      const journal = this.journalOf(start)
      return Effect.as(journal.load, journal)
    })
  }

  private journalOf(start: StartFiring): StepJournal {
    const key = firingName(start)
    const journal = this.journals.get(key) ?? new StepJournal(this.owner, start)
    this.journals.set(key, journal)
    return journal
  }

  /** Writes how far a step has come; `goOn` is called when that is committed. */
  record(journal: StepJournal, start: StartFiring, row: StepRow, goOn: () => void): void {
    this.reached.set(row, { journal, goOn })
    const { firing, node } = start
    this.owner.push({ _tag: "StepReached", node, firing: firing.firing, attempt: firing.attempt, row })
  }

  /** These rows are true. */
  committed(rows: ReadonlyArray<StepRow>): void {
    for (const row of rows) {
      const reached = this.reached.get(row)
      if (reached === undefined) continue
      this.reached.delete(row)
      reached.journal.remember(row)
      reached.goOn()
    }
  }

  /** A signal to this node was handed over. */
  signalled(nodeId: string): void {
    this.arrived.set(nodeId, this.arrivals(nodeId) + 1)
  }

  /** How many signals to a node were handed over. */
  arrivals(nodeId: string): number {
    return this.arrived.get(nodeId) ?? 0
  }

  /** What an attempt came to that was interrupted because a step of it waits; nothing if it was not. */
  ended(start: StartFiring, exit: Exit.Exit<AttemptOutcome>): AttemptOutcome | undefined {
    const key = firingName(start)
    const session = this.sessions.get(key)
    if (session === undefined) return undefined
    this.sessions.delete(key)
    if (session.refused !== undefined) {
      this.journals.delete(key)
      return { _tag: "Failed", kind: "defect", message: session.refused.message }
    }
    // Whoever calls the handler again, be it an operator, finds out how far it was.
    if (!Exit.isSuccess(exit) || exit.value._tag !== "Completed") session.writeBeat()
    if (!Exit.isInterrupted(exit)) {
      if (!Exit.isSuccess(exit) || !isCalledAgain(exit.value)) this.journals.delete(key)
      return undefined
    }
    const waits = session.outcome()
    if (waits !== undefined) for (const row of waits.steps) this.expect(key, row)
    return waits
  }

  /** Rows that come with the end of an attempt: nobody waits for them, but they are remembered. */
  private expect(key: string, row: StepRow): void {
    const journal = this.journals.get(key)
    if (journal !== undefined) this.reached.set(row, { journal, goOn: () => undefined })
  }
}

/** Whether the handler of a firing is called again after such an end of an attempt, and so has to remember its steps. */
const isCalledAgain = (outcome: AttemptOutcome): boolean =>
  outcome._tag === "Suspended" || (outcome._tag === "Failed" && outcome.retryAt !== undefined)
