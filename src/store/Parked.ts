import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { DatabaseError } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import type { RunStatus } from "../model/Status.js"
import type { Transaction } from "./Transactor.js"

/** What became of the wish to let a parked run go on. */
export type UnparkOutcome =
  | { readonly _tag: "Unparked"; readonly status: RunStatus }
  | { readonly _tag: "RunNotFound" }
  | { readonly _tag: "Refused"; readonly status: RunStatus }

/** What an operator does with parked runs. */
export class Parked extends Context.Tag("perdure/Parked")<
  Parked,
  {
    /**
     * Makes a parked run claimable again, with what was held for it.
     *
     * **Details** Nobody holds a parked run: its row is changed under its lock. Of the crashes of its firings as many are kept
     * as make one run alone.
     */
    readonly unpark: (runId: RunId) => Effect.Effect<UnparkOutcome, DatabaseError, Transaction>
  }
>() {}
