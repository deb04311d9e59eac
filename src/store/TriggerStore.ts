import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { DefinitionKey, Incarnation, RunId } from "../model/Ids.js"
import type { CommandKind, RunCommand, RunCommit, RunStart, TriggerDelivery, TriggerInput } from "../model/Run.js"
import type { RunStatus } from "../model/Status.js"
import type { Aged, Swept } from "./Retention.js"
import type { Transaction, Writes } from "./Transactor.js"

/** What became of an external event. */
export type DeliverOutcome =
  | { readonly _tag: "Delivered" }
  | { readonly _tag: "Duplicate" }
  | { readonly _tag: "RunNotFound" }
  | { readonly _tag: "RunEnded"; readonly status: RunStatus }

/** What became of a command. */
export type RequestOutcome =
  | { readonly _tag: "Requested"; readonly status: RunStatus }
  | { readonly _tag: "RunNotFound" }
  | { readonly _tag: "Refused"; readonly status: RunStatus }

/** Something unapplied and whose run it waits for. */
export interface Unapplied {
  readonly seq: string
  readonly runId: RunId
  readonly kind: "input" | "command"
  /** The incarnation that holds the run, if any. */
  readonly worker: Incarnation | null
  readonly runStatus: RunStatus
}

/**
 * What arrives from outside: trigger inputs and commands.
 *
 * **Details** Whoever delivers inserts one row and locks no run; the run's owner takes the rows over in its own commits.
 */
export class TriggerStore extends Context.Tag("perdure/TriggerStore")<
  TriggerStore,
  {
    /** Inserts external events; the same (run, node, inputId) again is a `Duplicate` and changes nothing. A run of another workflow than asked for is none. */
    readonly deliver: (
      inputs: ReadonlyArray<TriggerDelivery>
    ) => Effect.Effect<ReadonlyArray<DeliverOutcome>, DatabaseError, Transaction>
    /** The definition of a run that something is to be delivered to; nothing if there is no such run. */
    readonly addressee: (runId: RunId) => Effect.Effect<DefinitionKey | undefined, DatabaseError, Transaction>
    /** Inserts a command where the run's status admits it; the same one still unapplied is not repeated. */
    readonly request: (
      runId: RunId,
      kind: CommandKind,
      admits: ReadonlyArray<RunStatus>
    ) => Effect.Effect<RequestOutcome, DatabaseError, Transaction>
    /** Unapplied rows after a cursor (`seq`), at most `limit`, in order of arrival; inputs or commands. */
    readonly look: (
      kind: "input" | "command",
      after: string,
      limit: number
    ) => Effect.Effect<ReadonlyArray<Unapplied>, DatabaseError | UndecodableRow, Transaction>
    /** Unapplied inputs of runs, in order of arrival. */
    readonly inputs: (
      runIds: ReadonlyArray<RunId>
    ) => Effect.Effect<ReadonlyArray<TriggerInput>, DatabaseError | UndecodableRow, Transaction>
    /** Unapplied commands of runs, in order of arrival. */
    readonly commands: (
      runIds: ReadonlyArray<RunId>
    ) => Effect.Effect<ReadonlyArray<RunCommand>, DatabaseError | UndecodableRow, Transaction>
    /** Marks what commits took over, passes applied commands on to children, tells parents of the end of a child; ends what is left of runs that ended, holds it where they parked. */
    readonly settle: (commits: ReadonlyArray<RunCommit>) => Writes
    /** Notes whose children runs just started are; tells the parents of those that have ended already. */
    readonly link: (starts: ReadonlyArray<RunStart>) => Writes
    /** Settles late arrivals of runs that have ended or are parked, under the runs' row locks. */
    readonly settleLate: (runIds: ReadonlyArray<RunId>) => Effect.Effect<number, DatabaseError, Transaction>
    /** All inputs of a run after a cursor (`seq`), for people. */
    readonly history: (
      runId: RunId,
      after: string,
      limit: number
    ) => Effect.Effect<ReadonlyArray<TriggerInput>, DatabaseError | UndecodableRow, Transaction>
    /** Deletes settled inputs and commands of runs that are old enough, at most `limit`. */
    readonly cleanup: (aged: Aged, limit: number) => Effect.Effect<Swept, DatabaseError, Transaction>
  }
>() {}
