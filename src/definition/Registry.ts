import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DatabaseError, DefinitionConflict } from "../model/Errors.js"
import type { Handling } from "./Handler.js"
import type { WorkflowDefinition } from "./WorkflowDefinition.js"

/**
 * Where a process says which workflows it can run.
 *
 * **Details** `register` holds for the life of the scope. The handlers go by node id.
 *
 * **Errors** `DefinitionConflict`: the database knows the name and version with another graph.
 */
export class Registry extends Context.Tag("perdure/Registry")<
  Registry,
  {
    readonly register: (
      definition: WorkflowDefinition,
      handlers: ReadonlyMap<string, Handling>
    ) => Effect.Effect<void, DefinitionConflict | DatabaseError, Scope.Scope>
  }
>() {}
