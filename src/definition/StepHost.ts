import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { RunCancelled, RunFailed } from "../model/Errors.js"
import type { AnySchema } from "./Input.js"
import type { RetryPolicy } from "./NodeDefinition.js"
import type { Signal } from "./Signal.js"
import type { WorkflowDefinition } from "./WorkflowDefinition.js"

/** The name of a step; `key` tells the turns of a loop apart and is empty where none was given. */
export interface StepName {
  readonly name: string
  readonly key: string
}

/** A step that does something, as the runtime is asked for it; `client` is the application's, in whose transaction it works. */
export interface RunCall extends StepName {
  readonly client?: unknown
  readonly success: AnySchema | undefined
  readonly error: AnySchema | undefined
  readonly retry: RetryPolicy | undefined
}

/** What stands behind the steps of one attempt. Values are decoded ones; misuse dies with `StepMisuse`. */
export interface StepHost {
  /** `work` is given the steps as they are inside of it. */
  readonly run: <R>(
    call: RunCall,
    work: (inside: StepSite) => Effect.Effect<unknown, unknown, R>
  ) => Effect.Effect<unknown, unknown, R>
  /** Until the time that the function gives when it is asked first. */
  readonly sleep: (step: StepName, until: (now: number) => number) => Effect.Effect<void>
  /** The payload, or nothing when the time was over before. */
  readonly signal: (
    step: StepName,
    signal: Signal,
    timeoutMs: number | undefined
  ) => Effect.Effect<Option.Option<unknown>>
  /** Fails the attempt of a misuse. */
  readonly refuse: (step: string, reason: string) => Effect.Effect<never>
  readonly heartbeat: (schema: AnySchema, details: unknown) => Effect.Effect<void>
  readonly lastHeartbeat: (schema: AnySchema) => Effect.Effect<Option.Option<unknown>>
  /** Commits a state, and what its streams have read and given, together. */
  readonly checkpoint: (schema: AnySchema, state: unknown) => Effect.Effect<void>
  readonly lastCheckpoint: (schema: AnySchema) => Effect.Effect<Option.Option<unknown>>
  /** When the attempt last gave a sign of life, in milliseconds of its worker's steady clock. */
  readonly lastBeatAt: number
  /** When the attempt last did nothing but wait in memory, on the same clock; negative infinity if it never did. */
  readonly restedAt: number
  /** The output of a child, which is started if it was not. */
  readonly child: (
    step: StepName,
    definition: WorkflowDefinition,
    input: unknown
  ) => Effect.Effect<unknown, RunFailed | RunCancelled>
  readonly publish: (name: string, schema: AnySchema, value: unknown) => Effect.Effect<void>
}

/** Where a `NodeContext` keeps its steps: made when the first of them asks. */
export const StepsTypeId: unique symbol = Symbol.for("perdure/NodeContext/Steps")

/** Whoever has the steps of an attempt. */
export interface StepSite {
  readonly steps: StepHost
}

/** A context that may have steps: one made by hand has none, and steps are refused there. */
export interface Stepping {
  readonly [StepsTypeId]?: StepSite
}
