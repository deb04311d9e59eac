import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { DatabaseError } from "../model/Errors.js"
import type { Transaction } from "./Transactor.js"

/** Runs that ended before a time: those of some workflows, or with `others` those of all but these. */
export interface Aged {
  readonly before: Date
  readonly workflows: ReadonlyArray<string>
  readonly others: boolean
  /** Begin at the beginning: a hand before did not commit, so that its place is not to be trusted. */
  readonly anew?: boolean
}

/** What one hand took: how many rows, and whether nothing old is left to look at. */
export interface Swept {
  readonly rows: number
  readonly done: boolean
}

/** Times before which events go, in milliseconds since the epoch: of the workflows that have one of their own, and of all others. */
export interface EventAges {
  readonly before: number
  readonly workflows: { readonly [workflow: string]: number }
}

type Write<A> = Effect.Effect<A, DatabaseError, Transaction>

/** Deletes what is older than its policy says, little by little. */
export class Retention extends Context.Tag("perdure/Retention")<
  Retention,
  {
    /**
     * Deletes ended runs with all that is theirs but their audit trail, at most `limit` of them.
     *
     * **Details** A child stays as long as its parent may go on, which would start it again: while it lives, and until it has
     * ended before `parentsBefore` (ms since the epoch). So does what waits for an input or a command to be settled, and what
     * another session has locked.
     */
    readonly runs: (
      aged: Aged & { readonly parentsBefore: number },
      limit: number
    ) => Write<Swept & { readonly runIds: ReadonlyArray<string> }>
    /** Deletes the audit trails of runs that are gone. */
    readonly forget: (runIds: ReadonlyArray<string>) => Write<void>
    /** Deletes the events that are old enough, and those whose run is gone, from at most `limit` rows of the audit log. */
    readonly events: (ages: EventAges, limit: number) => Write<Swept>
  }
>() {}
