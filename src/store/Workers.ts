import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { DefinitionKey, Incarnation } from "../model/Ids.js"
import type { Transaction } from "./Transactor.js"

/** A worker as it registers. */
export interface WorkerRegistration {
  readonly incarnation: Incarnation
  readonly workerId: string
  readonly leaseMs: number
  /** Its process, as `ProcessIdentity` names it; null where the system does not tell. */
  readonly process: string | null
  /** No other process can be on this database (its folder is locked): every other worker is dead. */
  readonly exclusive: boolean
}

/** What a heartbeat says beside that its worker lives. */
export interface Standing {
  /** The key of the advisory lock that the worker's session holds, as text of a bigint; null where it has none. */
  readonly session: string | null
  /** How many more runs it would take. */
  readonly room: number
}

/** Another worker with a session, as it was seen. */
export interface Rival {
  readonly incarnation: Incarnation
  /** Its last heartbeat, as the database writes it. */
  readonly heartbeat: string
  /** Its process, as it registered. */
  readonly process: string | null
  /** Its session does not hold its lock: it is dead, unless its heart beats again. Not while a restart of the server excuses it. */
  readonly gone: boolean
}

/** What the database knows of a definition. */
export interface StoredDefinition extends DefinitionKey {
  readonly hash: string
  /** JSON text of its graph. */
  readonly graph: string
}

/** A worker as others see it. */
export interface WorkerView {
  readonly incarnation: Incarnation
  readonly workerId: string
  readonly startedAt: Date
  readonly heartbeatAt: Date
  readonly alive: boolean
}

/**
 * Who is alive, and what it can execute.
 *
 * **Details** A lease is valid while its worker's heartbeat is younger than its lease time, on the database's clock.
 */
export class Workers extends Context.Tag("perdure/Workers")<
  Workers,
  {
    /** Whether one process at a time can use this database, by other means than leases: then no heartbeat is needed. */
    readonly exclusive: boolean
    readonly register: (worker: WorkerRegistration) => Effect.Effect<void, DatabaseError, Transaction>
    /** Moves the heartbeat and the `served` time of its definitions; `false` if the row is gone or was declared dead: register again under a new incarnation. */
    readonly heartbeat: (
      incarnation: Incarnation,
      definitions: ReadonlyArray<DefinitionKey>,
      standing?: Standing
    ) => Effect.Effect<boolean, DatabaseError, Transaction>
    /** The database's time, in milliseconds since the epoch. */
    readonly clock: Effect.Effect<number, DatabaseError, Transaction>
    /** Other workers with a session that have not left. */
    readonly rivals: (me: Incarnation) => Effect.Effect<ReadonlyArray<Rival>, DatabaseError, Transaction>
    /** Ends the lives of those whose heart has not beaten since they were seen; gives how many. */
    readonly declareDead: (rivals: ReadonlyArray<Rival>) => Effect.Effect<number, DatabaseError, Transaction>
    /** Ends a worker's life: its leases are orphaned at once. */
    readonly leave: (incarnation: Incarnation) => Effect.Effect<void, DatabaseError, Transaction>
    /** Stores definitions that are new and gives back what the database knows of each. */
    readonly define: (
      definitions: ReadonlyArray<StoredDefinition>
    ) => Effect.Effect<ReadonlyArray<StoredDefinition>, DatabaseError | UndecodableRow, Transaction>
    readonly list: Effect.Effect<ReadonlyArray<WorkerView>, DatabaseError | UndecodableRow, Transaction>
    /** Deletes rows of workers that are dead and hold nothing. */
    readonly cleanup: Effect.Effect<number, DatabaseError, Transaction>
  }
>() {}
