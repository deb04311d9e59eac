import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Workflow from "../../src/definition/Workflow.js"
import type { Engine } from "../../src/Engine.js"
import { type WorkflowName, workflows } from "./workload.js"

/** What somebody outside asks of an engine; all of it is idempotent. */
export type Call =
  | { readonly kind: "start"; readonly runId: string; readonly workflow: WorkflowName; readonly v: number }
  | {
      readonly kind: "trigger"
      readonly runId: string
      readonly workflow: WorkflowName
      readonly nodeId: string
      readonly inputId: string
      readonly payload: unknown
    }
  | {
      readonly kind: "signal"
      readonly runId: string
      readonly nodeId: string
      readonly inputId: string
      readonly signal: string
      readonly payload: unknown
    }
  | { readonly kind: "cancel" | "pause" | "resume"; readonly runId: string }

/** What carries something for a node, under an id of its own. */
export type Delivery = Extract<Call, { kind: "trigger" | "signal" }>

/** `done`: acknowledged. `refused`: a typed no. `trouble`: no answer that means anything. */
export interface Answer {
  readonly outcome: "done" | "refused" | "trouble"
  readonly detail: string
}

/** A worker that is leaving has forgotten its workflows already: somebody else knows them. */
const isTrouble = (error: { readonly _tag: string }): boolean =>
  error._tag === "DatabaseError" || error._tag === "WorkflowNotFound"

type Facade = Context.Tag.Service<Engine>

const callOf = (engine: Facade, call: Call): Effect.Effect<unknown, { readonly _tag: string }> => {
  if (call.kind === "signal") return engine.signalEncoded(call)
  if (call.kind !== "start" && call.kind !== "trigger") return engine[call.kind](call.runId)
  const workflow: Workflow.Any = workflows[call.workflow]
  if (call.kind === "start") return engine.start(workflow, { v: call.v }, { runId: call.runId })
  const { inputId, nodeId, payload, runId } = call
  return engine.triggerEncoded({ runId, nodeId, inputId, payload })
}

/** Makes a call and says what came of it. */
export const perform = (engine: Facade, call: Call): Effect.Effect<Answer> =>
  callOf(engine, call).pipe(
    Effect.match({
      onSuccess: (value): Answer => ({ outcome: "done", detail: JSON.stringify(value) }),
      onFailure: (error): Answer => ({
        outcome: isTrouble(error) ? "trouble" : "refused",
        detail: `${error._tag}: ${String(error)}`
      })
    }),
    Effect.catchAllCause((cause) => Effect.succeed<Answer>({ outcome: "trouble", detail: Cause.pretty(cause) }))
  )
