import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Attributes } from "../model/Attributes.js"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { FiringRow } from "../model/Firing.js"
import type { Parent } from "../model/Frontier.js"
import type { DefinitionKey, Incarnation, RunId } from "../model/Ids.js"
import type { Lease, RunCommit, RunRow, RunStart } from "../model/Run.js"
import type { ParkReason, RunStatus } from "../model/Status.js"
import type { Transaction, Writes } from "./Transactor.js"

/** What became of a start: a new run, or how the one that is there compares. */
export type StartOutcome =
  | { readonly _tag: "Started" }
  | { readonly _tag: "Exists"; readonly status: RunStatus }
  | { readonly _tag: "Differs"; readonly field: "workflow" | "version" | "input" }

/**
 * Whether a commit may be written.
 *
 * **Details** `Ready`: the row is locked and bears `fence` and `version − 1`. `Applied`: this very commit is there
 * already, its acknowledgement was lost. `Stale`: another holds the run. `Busy`: somebody has the row locked.
 */
export type CommitCheck = "Ready" | "Applied" | "Stale" | "Busy"

/** Whether a verb for all failed because of one: a row is not as it must be, or somebody has it locked. */
export const isNotReady = (error: DatabaseError): boolean => error.sqlState === "PD002" || error.sqlState === "55P03"

/** Where a claim looks. Each is one bounded, indexed look. */
export type ClaimLook =
  /** Unleased runs in which a firing can start, by priority, then age. */
  | { readonly _tag: "Ready"; readonly definitions: ReadonlyArray<DefinitionKey> }
  /** Unleased runs whose timer came due. */
  | { readonly _tag: "Due"; readonly definitions: ReadonlyArray<DefinitionKey> }
  /** Runs whose worker is dead. */
  | { readonly _tag: "Orphaned"; readonly definitions: ReadonlyArray<DefinitionKey> }
  /** These runs of these definitions, when nobody alive holds them and they have not ended: for inputs, commands and `Engine.recover`. Those that a dead worker holds only if `takesOver`, as by default. */
  | {
      readonly _tag: "Named"
      readonly runIds: ReadonlyArray<RunId>
      readonly definitions: ReadonlyArray<DefinitionKey>
      readonly takesOver?: boolean
    }
  /** These runs, leased to this very incarnation: it does not know them, their acknowledgement was lost. No crash is counted. */
  | { readonly _tag: "Own"; readonly runIds: ReadonlyArray<RunId> }

/** A run just claimed: its row under the new fence, and its firings from each node's lowest open one on. */
export interface ClaimedRun {
  readonly row: RunRow
  readonly firings: ReadonlyArray<FiringRow>
}

/** A run that was claimed and can't be read: a row of it was damaged. Whoever claimed it parks it under the new fence. */
export interface UndecodableRun extends Lease {
  readonly error: UndecodableRow
}

/** What a claim brought. */
export interface Claims {
  readonly claimed: ReadonlyArray<ClaimedRun>
  readonly undecodable: ReadonlyArray<UndecodableRun>
}

/** A run that was cancelled without being held: its last commit, under a fence of its own if that ended it. */
export interface CancelledRun extends Lease {
  readonly version: number
  /** Whose child it was. */
  readonly parent: Parent | null
}

/** A failed run that is to be tried again; `endedAt` in milliseconds since the epoch. */
export interface FailedRun extends ClaimedRun {
  readonly endedAt: number
}

/** Whether a run was given up. */
export type ReleaseOutcome = "Released" | "Pending" | "Stale"

/** A run as a list shows it; an unapplied cancel already reads as `cancelling`. */
export interface RunSummary {
  readonly runId: RunId
  readonly workflow: string
  readonly workflowVersion: number
  readonly status: RunStatus
  readonly reason: string | null
  readonly version: number
  readonly fence: number
  readonly worker: Incarnation | null
  readonly createdAt: Date
  readonly endedAt: Date | null
}

/** A run as the outside sees it. */
export interface RunView extends RunSummary {
  readonly input: string
  readonly output: string | null
  readonly failure: string | null
}

/** Which runs a list shows: newest first, after a cursor. */
export interface RunFilter {
  readonly workflow?: string
  readonly status?: RunStatus
  /** Runs that bear all of these. */
  readonly attributes?: Attributes
  /** Started at this time or later, and before that one. */
  readonly since?: Date
  readonly until?: Date
  readonly limit: number
  /** `createdAt` and `runId` of the last run seen. */
  readonly after?: { readonly createdAt: Date; readonly runId: RunId }
}

/** One answer to "why can or can't this run resume?". */
export interface Resumability {
  readonly status: RunStatus
  readonly leasedBy: Incarnation | null
  readonly leaseAlive: boolean
  readonly ready: boolean
  readonly dueAt: Date | null
  readonly unappliedInputs: number
  readonly unappliedCommands: number
}

/** Everything the rows know of why a run does not move. */
export interface RunStanding extends Resumability {
  readonly workflow: string
  readonly workflowVersion: number
  readonly reason: string | null
  readonly endedAt: Date | null
  /** The holder's name, when its lease runs out unless its heart beats, and whether its session is gone. */
  readonly holderId: string | null
  readonly leaseUntil: Date | null
  readonly holderGone: boolean
  /** Whether a live worker executes its workflow, whether such a one has room, and when one was last seen. */
  readonly isServed: boolean
  readonly hasRoom: boolean
  readonly servedAt: Date | null
}

type Read<A> = Effect.Effect<A, DatabaseError | UndecodableRow, Transaction>
type Write<A> = Effect.Effect<A, DatabaseError, Transaction>

/**
 * Runs and firings: the state of every run and the right to change it.
 *
 * **Details** Every verb takes a batch and writes whole transitions: it returns an outcome per item, in the order given, or, where there
 * is none to tell, what is to be written.
 * Rows of a run are written only by the holder of its fence.
 */
export class StateStore extends Context.Tag("perdure/StateStore")<
  StateStore,
  {
    /** Inserts runs; only those `Started` may get their first commit's firings and messages. Waits for a stranger's uncommitted start of the same name up to the transaction's lock time-out. */
    readonly start: (runs: ReadonlyArray<RunStart>) => Write<ReadonlyArray<StartOutcome>>
    /** Inserts runs, or fails the whole transaction (`isNotReady`) if one is there already; waits so long (ms) for a stranger's. */
    readonly startAll: (runs: ReadonlyArray<RunStart>, lockTimeoutMs: number) => Writes
    /** Locks the runs' rows in the order of their ids, without waiting unless told to, and says which commits may be written. */
    readonly check: (
      commits: ReadonlyArray<RunCommit>,
      options: { readonly wait: boolean }
    ) => Write<ReadonlyArray<CommitCheck>>
    /** Writes run rows (and results of ended runs) of commits that are `Ready` under the same transaction. */
    readonly writeRuns: (commits: ReadonlyArray<RunCommit>) => Writes
    /** The same without a check before it; fails the whole transaction (`isNotReady`) unless every commit may be written, and waits so long (ms) for a lock. */
    readonly writeAllRuns: (commits: ReadonlyArray<RunCommit>, lockTimeoutMs: number) => Writes
    /** Upserts firing rows of commits that are `Ready`, or of runs just `Started`. */
    readonly writeFirings: (commits: ReadonlyArray<RunCommit>) => Writes
    /** Takes runs that nobody alive holds: new fence, running firings back to `scheduled` with a crash counted if their worker died, and the run `recovering` if any was. */
    readonly claim: (incarnation: Incarnation, look: ClaimLook, limit: number) => Write<Claims>
    /** Gives runs up if the version is unchanged and nothing unapplied is visible (`Pending` otherwise); `interrupted` firings go back to `scheduled` at no cost. */
    readonly release: (
      leases: ReadonlyArray<
        Lease & {
          readonly version: number
          readonly ready: boolean
          readonly dueAt: number | null
          readonly force: boolean
        }
      >
    ) => Write<ReadonlyArray<ReleaseOutcome>>
    /** Parks runs that can't be brought to life, under the fence just taken. */
    readonly park: (
      runs: ReadonlyArray<Lease & { readonly reason: ParkReason; readonly detail: string }>
    ) => Write<number>
    /** Cancels, of these runs, those with an unapplied cancel that nobody alive holds, parked ones too: from their rows alone, as nothing of them is at work. Not those whose nodes compensate. */
    readonly cancelUnheld: (runIds: ReadonlyArray<RunId>) => Write<ReadonlyArray<CancelledRun>>
    /** Brings back, of these runs, the parked ones with an unapplied cancel whose nodes compensate: as being cancelled. */
    readonly wakeToCancel: (runIds: ReadonlyArray<RunId>) => Write<ReadonlyArray<CancelledRun>>
    /** Locks, of these runs, the failed ones with an unapplied retry; gives them with the firings that their last commit ended. */
    readonly failedToRetry: (runIds: ReadonlyArray<RunId>) => Write<ReadonlyArray<FailedRun>>
    /** Makes locked failed runs claimable again, under a new fence, by commits whose other rows are written like any others. */
    readonly reopen: (commits: ReadonlyArray<RunCommit>) => Write<void>
    /** Brings back, of these runs, the parked ones with an unapplied retry: their deaths are forgotten. */
    readonly unpark: (runIds: ReadonlyArray<RunId>) => Write<ReadonlyArray<RunId>>
    /** Says when runs just started, that nobody holds, have to be looked at. */
    readonly postpone: (starts: ReadonlyArray<RunStart>) => Writes
    /** Parks unleased runs of definitions that no live worker has served for `silentMs`; at most `limit`. */
    readonly parkUnknown: (silentMs: number, limit: number) => Write<ReadonlyArray<RunId>>
    /** Brings runs parked as `UnknownWorkflow` back when their definition is served again; at most `limit`. */
    readonly unparkKnown: (definitions: ReadonlyArray<DefinitionKey>, limit: number) => Write<ReadonlyArray<RunId>>
    /** Runs leased to this incarnation, to be compared with its memory. */
    readonly leasedTo: (incarnation: Incarnation) => Read<ReadonlyArray<RunId>>
    /** Runs with input and result, in any order; who is not there is left out. */
    readonly find: (runIds: ReadonlyArray<RunId>) => Read<ReadonlyArray<RunView>>
    /** A run with input and result. */
    readonly get: (runId: RunId) => Read<RunView | undefined>
    /** The last `limit` firings of every node of a run. */
    readonly firings: (runId: RunId, limit: number) => Read<ReadonlyArray<FiringRow>>
    /** The firings of a run that have not ended, by node and number, at most `limit`. */
    readonly openFirings: (runId: RunId, limit: number) => Read<ReadonlyArray<FiringRow>>
    /** Runs newest first, without their values. */
    readonly list: (filter: RunFilter) => Read<ReadonlyArray<RunSummary>>
    /** Statuses and results of runs that have ended, of those asked for. */
    readonly ended: (runIds: ReadonlyArray<RunId>) => Read<ReadonlyArray<RunView>>
    /** Why a run does not move. */
    readonly standing: (runId: RunId) => Read<RunStanding | undefined>
    /** Whether a run can resume, and if not, why. */
    readonly resumability: (runId: RunId) => Read<Resumability | undefined>
  }
>() {}
