import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { WorkflowDefinition } from "../definition/WorkflowDefinition.js"
import type {
  DatabaseError,
  InvalidInput,
  RunCancelled,
  RunConflict,
  RunFailed,
  UndecodableRow
} from "../model/Errors.js"
import type { Parent } from "../model/Frontier.js"
import type { RunId } from "../model/Ids.js"
import type { Transaction } from "../store/Transactor.js"
import type { RunEnd } from "./Awaiters.js"

/** A run to be started as a child. */
interface ChildStart {
  readonly definition: WorkflowDefinition
  readonly runId: RunId
  readonly input: unknown
  readonly parent: Parent
}

/** What steps ask of the engine's facade: how children are started and read, and a caller's transaction. */
export interface FacadeCalls {
  /** Idempotent, as every start. */
  readonly start: (
    child: ChildStart
  ) => Effect.Effect<unknown, InvalidInput | RunConflict | DatabaseError | UndecodableRow>
  /** The typed output of a child that has ended, or why there is none. */
  readonly result: (
    definition: WorkflowDefinition,
    end: RunEnd
  ) => Effect.Effect<unknown, RunFailed | RunCancelled | UndecodableRow>
  /** Runs an effect in a transaction of the application's client, bounded in time; verbs of ports inside are part of it. */
  readonly transact: <A, E, R>(
    client: unknown,
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | DatabaseError, Exclude<R, Transaction>>
}

/** Lets steps, far below the facade that starts runs, do what it does: it says how when it is there. */
export class Facade extends Context.Tag("perdure/Facade")<
  Facade,
  { readonly bind: (calls: FacadeCalls) => void; readonly calls: () => FacadeCalls | undefined }
>() {}

export const layer: Layer.Layer<Facade> = Layer.sync(Facade, () => {
  let bound: FacadeCalls | undefined
  return {
    bind: (calls) => {
      bound = calls
    },
    calls: () => bound
  }
})
