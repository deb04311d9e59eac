import type { SettingsShape } from "../runtime/Settings.js"
import type { Client } from "./Client.js"
import type { LedgerEntry } from "./Ledger.js"
import type { WorkerOptions, WorkflowLayer } from "./TestWorker.js"

/** What a run came to. */
export interface RunOutcome {
  readonly runId: string
  readonly status: string
  readonly output: string | null
  readonly failure: string | null
}

/** What an execution came to, run by run. */
export type Outcome = ReadonlyArray<RunOutcome>

/** What a crash explorer explores: workflows, and somebody outside who uses them. */
export interface Subject {
  readonly name: string
  readonly workflows: WorkflowLayer
  /** What a later worker knows instead, by its number from 1: another version of the application. */
  readonly workflowsOf?: (life: number) => WorkflowLayer
  /** What the client does; the execution is over when it is through. */
  readonly script: (client: Client) => Promise<unknown>
  readonly settings?: Partial<SettingsShape>
  /** How many workers there are at a time; one unless told otherwise. */
  readonly workers?: number
  /** How much later the clock of each further worker is. */
  readonly skewMs?: number
  /** Whether transactions go statement by statement, as behind a pooling proxy, where others are sent at once. */
  readonly statementwise?: boolean
  /** Replaces the audit log. */
  readonly audit?: WorkerOptions["audit"]
  /** Replaces verbs of the state store. */
  readonly mutate?: WorkerOptions["mutate"]
  /**
   * Whether another outcome than that of the crash-free execution may be right: says why it is not, if it is not. Absent:
   * the outcome must be the same.
   */
  readonly possible?: (outcome: Outcome, crashFree: Outcome) => string | undefined
  /** A firing has a time for all its attempts, which is over in every execution. */
  readonly timed?: boolean
  /** Whether a failed run is tried again: a death after the failure is not charged to what the failure had cancelled. */
  readonly retried?: boolean
  /** Whether firings give streams: a death before some progress is forgotten with it. */
  readonly streams?: boolean
  /** Whether every compensation does one effect, `undoEffect`, on the ledger: they must come in reverse order of commits. */
  readonly undoes?: boolean
  /** What must hold besides of the outcome and of what was done outside, in every execution: says what does not. */
  readonly expect?: (outcome: Outcome, entries: ReadonlyArray<LedgerEntry>) => string | undefined
}

/** What compensations do on the ledger, where a subject says that they do. */
export const undoEffect = "undo"

/** Short times, since each look at the database is paid for in every case. */
export const exploredSettings: Partial<SettingsShape> = {
  leaseMs: 3_000,
  heartbeatMs: 1_000,
  pollMs: 2_000,
  idleMs: 500,
  graceMs: 2_000,
  slots: 16
}
