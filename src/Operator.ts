import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Attributes } from "./model/Attributes.js"
import type { DatabaseError, InvalidInput, UndecodableRow } from "./model/Errors.js"
import type { Standing } from "./runtime/Condition.js"
import type { Explanation } from "./runtime/Explain.js"
import type { Backlog, Recent, Watch, Watched, WorkerStanding } from "./store/Overview.js"
import type { RunSummary } from "./store/StateStore.js"

/** A run that needs a look: parked, or late. */
export interface TroubledRun extends RunSummary {
  readonly explanation: Explanation
}

/** One thing that was looked at, and what to do where it is not as it should be. */
export interface Finding {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
  readonly remedy?: string
}

type Trouble = DatabaseError | UndecodableRow

/**
 * What operators ask of an engine and do to its runs.
 *
 * **Details** Questions are asked over connections of their own where there are any, and are given up after 5 seconds.
 *
 * @example
 * const program = Effect.gen(function*() {
 *   const operator = yield* Operator
 *   for (const { runId, explanation } of yield* operator.troubled(20)) yield* Effect.log(runId, explanation)
 * })
 */
export class Operator extends Context.Tag("perdure/Operator")<
  Operator,
  {
    /** Attributes of a run, as given at its start. */
    readonly attributes: (runId: string) => Effect.Effect<Attributes, InvalidInput | Trouble>
    readonly workers: Effect.Effect<ReadonlyArray<WorkerStanding>, Trouble>
    /** Runs that are parked or that nobody moves, with the reason; at most `limit`. */
    readonly troubled: (limit: number) => Effect.Effect<ReadonlyArray<TroubledRun>, Trouble>
    /** How the worker of this process goes, as it knows itself. */
    readonly condition: Effect.Effect<Standing>
    /** How much waits. */
    readonly backlog: Effect.Effect<Backlog, Trouble>
    /** What became of runs lately, for those who follow all of them. */
    readonly recent: (after: bigint | undefined, limit: number) => Effect.Effect<Recent, Trouble>
    /** What is new of some runs, for those who follow them; a run that is not there is left out. */
    readonly watched: (watches: ReadonlyArray<Watch>, limit: number) => Effect.Effect<ReadonlyArray<Watched>, Trouble>
    /** Looks at everything an installation depends on. */
    readonly diagnose: Effect.Effect<ReadonlyArray<Finding>>
  }
>() {}
