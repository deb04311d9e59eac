import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { FiringKey, RunId } from "../model/Ids.js"
import type { Lease, RunCommit } from "../model/Run.js"
import type { PendingSignal, StepRow } from "../model/StepRow.js"
import type { Aged, Swept } from "./Retention.js"
import type { Transaction, Writes } from "./Transactor.js"

type Read<A> = Effect.Effect<A, DatabaseError | UndecodableRow, Transaction>

/**
 * What handlers remember of their steps.
 *
 * **Details** Rows are written by the commits of their run alone, so that whoever lost its fence can't remember anything.
 */
export class StepStore extends Context.Tag("perdure/StepStore")<
  StepStore,
  {
    /** Upserts the steps of commits that are `Ready`. */
    readonly write: (commits: ReadonlyArray<RunCommit>) => Writes
    /**
     * Writes steps in a transaction of the caller, whose work they remember: if the lease still holds, under a lock of the
     * run's row by which nobody can take it over until the end. Gives whether it did. Reads nothing but text.
     */
    readonly writeHeld: (
      lease: Lease,
      rows: ReadonlyArray<StepRow>
    ) => Effect.Effect<boolean, DatabaseError, Transaction>
    /** All that is remembered of one firing. */
    readonly of: (firing: FiringKey) => Read<ReadonlyArray<StepRow>>
    /** Signals of a name to a node that no step has taken, the oldest `limit` of them. */
    readonly signals: (
      to: { readonly runId: RunId; readonly nodeId: string; readonly name: string },
      limit: number
    ) => Read<ReadonlyArray<PendingSignal>>
    /** The last answer to a query that a node has published, as JSON text. */
    readonly published: (runId: RunId, nodeId: string, name: string) => Read<string | undefined>
    /** Deletes the steps of runs that are old enough, at most `limit`. */
    readonly cleanup: (aged: Aged, limit: number) => Effect.Effect<Swept, DatabaseError, Transaction>
  }
>() {}
