/**
 * The test kit: crashes at every step of your own workflows, the invariants on any database of ours, a time that waits.
 *
 * @module
 */

export type { CrashTestOptions, CrashTestReport, Trigger } from "./CrashTest.js"
export * as CrashTest from "./CrashTest.js"
export * as Invariants from "./invariants/check.js"
export { Ledger, type LedgerEntry } from "./Ledger.js"
export { type Injection, type Mode, modes, type Point } from "./Points.js"
export type { RunOutcome } from "./Subject.js"
export * as TestDatabase from "./TestDatabase.js"
export { VirtualClock } from "./VirtualClock.js"
