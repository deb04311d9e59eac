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

/** Times before which something goes, in milliseconds since the epoch: of the workflows that have one of their own, and of all others. */
export interface Ages {
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
    /**
     * Deletes what runs that live have done with: messages that firings took one after the other and that ended long ago, events that
     * were applied and signals that a step has taken, answered commands; at most `limit` rows of each, of some runs.
     *
     * **Details** Goes round: done when it has seen every run that is old enough to have such rows. What is left: all that is not
     * consumed, that an open firing or its retry needs, that compensation would need, what `shared`, `all`, `latest`, `unordered` and
     * `stream` handles got, the ends of children, and the rows of firings and steps. An `inputId` that is gone may be sent again.
     */
    readonly trim: (ages: Ages, limit: number) => Write<Swept>
    /** Deletes the audit trails of runs that are gone. */
    readonly forget: (runIds: ReadonlyArray<string>) => Write<void>
    /** Deletes the events that are old enough, and those whose run is gone, from at most `limit` rows of the audit log. */
    readonly events: (ages: Ages, limit: number) => Write<Swept>
  }
>() {}
