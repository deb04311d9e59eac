import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Attributes } from "../model/Attributes.js"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { Incarnation, RunId } from "../model/Ids.js"
import type { RunStatus } from "../model/Status.js"
import type { RecordedEvent } from "./AuditLog.js"
import type { RunSummary } from "./StateStore.js"
import type { Transaction } from "./Transactor.js"

/** A worker with what it can do and what it has. */
export interface WorkerStanding {
  readonly incarnation: Incarnation
  readonly workerId: string
  readonly startedAt: Date
  readonly heartbeatAt: Date
  readonly alive: boolean
  /** Whether a session of its own tells others at once when it dies. */
  readonly hasSession: boolean
  /** How many more runs it would take. */
  readonly room: number
  /** Workflows it executes, as `name@version`. */
  readonly serves: ReadonlyArray<string>
  /** Runs it holds, counted up to 10,000. */
  readonly runs: number
}

/** What became of runs, as the audit log tells it, newest last. */
export interface Recent {
  /** Events of runs (`run.*`), by row of the log; a row without any has an empty list. */
  readonly rows: ReadonlyArray<{ readonly seq: bigint; readonly events: ReadonlyArray<RecordedEvent> }>
  /** The last row there is. */
  readonly last: bigint
}

/** A run that somebody follows, with the last event they have seen. */
export interface Watch {
  readonly runId: RunId
  readonly after: string
}

/** What is new of a run that somebody follows, in the order of the watches. */
export interface Watched {
  /** The place of the watch in what was asked. */
  readonly watch: number
  readonly status: RunStatus
  readonly reason: string | null
  readonly events: ReadonlyArray<RecordedEvent>
}

/** What the database says of itself. */
export interface DatabaseStanding {
  readonly version: string
  /** PostgreSQL's number of its version, as 150004. */
  readonly versionNumber: number
  /** Settings on which durability depends. */
  readonly fsync: string
  readonly synchronousCommit: string
  /** The last migration that was applied. */
  readonly migration: string
  /** The last one that this version knows; names are in their order. */
  readonly packagedMigration: string
}

/** How much waits, each counted up to 10,000. */
export interface Backlog {
  /** Runs that could go on and that nobody holds. */
  readonly ready: number
  /** Runs whose timer came due and that nobody holds. */
  readonly due: number
  readonly inputs: number
  readonly commands: number
  readonly parked: number
  /** Runs of dead workers. */
  readonly orphaned: number
}

type Read<A> = Effect.Effect<A, DatabaseError | UndecodableRow, Transaction>

/**
 * Questions that operators ask; nothing here decides anything.
 *
 * **Details** Each is a bounded look along an index. They run on connections of their own where there are any.
 */
export class Overview extends Context.Tag("perdure/Overview")<
  Overview,
  {
    readonly attributes: (runId: RunId) => Read<Attributes>
    readonly workers: Read<ReadonlyArray<WorkerStanding>>
    /** Runs that are parked, or that could have gone on for `lateMs` and did not; at most `limit` of each kind. */
    readonly troubled: (lateMs: number, limit: number) => Read<ReadonlyArray<RunSummary>>
    readonly backlog: Read<Backlog>
    /** What became of runs since a row of the audit log; `undefined` reads nothing but where the log ends. */
    readonly recent: (after: bigint | undefined, limit: number) => Read<Recent>
    readonly watched: (watches: ReadonlyArray<Watch>, limit: number) => Read<ReadonlyArray<Watched>>
    readonly database: Read<DatabaseStanding>
  }
>() {}
