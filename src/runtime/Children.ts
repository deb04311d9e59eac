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
import type { RunEnd } from "./Awaiters.js"

/** A run to be started as a child. */
interface ChildStart {
  readonly definition: WorkflowDefinition
  readonly runId: RunId
  readonly input: unknown
  readonly parent: Parent
}

/** How children are started and read. */
export interface ChildCalls {
  /** Idempotent, as every start. */
  readonly start: (
    child: ChildStart
  ) => Effect.Effect<unknown, InvalidInput | RunConflict | DatabaseError | UndecodableRow>
  /** The typed output of a child that has ended, or why there is none. */
  readonly result: (
    definition: WorkflowDefinition,
    end: RunEnd
  ) => Effect.Effect<unknown, RunFailed | RunCancelled | UndecodableRow>
}

/** Lets steps, far below the facade that starts runs, start runs: it says how when it is there. */
export class Children extends Context.Tag("perdure/Children")<
  Children,
  { readonly bind: (calls: ChildCalls) => void; readonly calls: () => ChildCalls | undefined }
>() {}

export const layer: Layer.Layer<Children> = Layer.sync(Children, () => {
  let bound: ChildCalls | undefined
  return {
    bind: (calls) => {
      bound = calls
    },
    calls: () => bound
  }
})
