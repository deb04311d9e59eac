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
  /** No other process can be on this database (its folder is locked): every other worker is dead. */
  readonly exclusive: boolean
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
      definitions: ReadonlyArray<DefinitionKey>
    ) => Effect.Effect<boolean, DatabaseError, Transaction>
    /** The database's time, in milliseconds since the epoch. */
    readonly clock: Effect.Effect<number, DatabaseError, Transaction>
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
