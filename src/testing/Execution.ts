import type { LedgerEntry } from "./Ledger.js"
import type { Injection, Point } from "./Points.js"
import type { Outcome, Subject } from "./Subject.js"
import type { TestDatabase } from "./TestDatabase.js"
import type { Violation, WorldOptions } from "./World.js"

/** One execution of a subject, with what is injected into it. */
export interface Case {
  readonly subject: Subject
  readonly database: TestDatabase
  readonly injections: ReadonlyArray<Injection>
  readonly seed: number
  readonly rewrite?: WorldOptions["rewrite"]
  /** The crash-free execution to compare with; absent for that one itself. */
  readonly crashFree?: Executed
}

/** What an execution showed. */
export interface Executed {
  readonly outcome: Outcome
  readonly points: ReadonlyArray<Point>
  readonly missed: ReadonlyArray<Injection>
  /** How many points had been passed when the last injection hit. */
  readonly hitAt: number
  readonly entries: ReadonlyArray<LedgerEntry>
  readonly violations: ReadonlyArray<Violation>
  readonly log: ReadonlyArray<string>
}
