import type * as Duration from "effect/Duration"
import type * as Schedule from "effect/Schedule"
import type { AnySchema, Input } from "./Input.js"
import type { Output } from "./Output.js"
import type { Signal } from "./Signal.js"

/**
 * How often, and after what pauses, a failed attempt is tried again.
 *
 * **Details** `times` counts the attempts after the first. The pauses are those of `schedule`; it is over when the schedule
 * is. `while` sees the typed error of the node.
 */
export interface RetryPolicy {
  readonly times: number
  readonly schedule: Schedule.Schedule<unknown, unknown, never>
  readonly while: (error: unknown) => boolean
}

/** How the compensation of a node is tried again, and how long one try of it may take. */
export interface CompensationPolicy {
  readonly retry: RetryPolicy | undefined
  readonly timeout: Duration.Duration | undefined
}

/** Which workflow a node is, if it is one. */
export interface ChildReference {
  readonly workflow: string
  readonly version: number
}

/**
 * A node as the runtime reads it: data without its handler.
 *
 * **Details** `payload` is what comes from outside: the payload of a trigger, or the input that wakes a resumable node.
 * `state` is what a resumable node keeps while it waits. `repeated` is how many external inputs a trigger takes (`null`: any
 * number), 1 for every other node. `concurrency` `null` means: as many firings at once as the worker has room for.
 * `timeout` bounds one attempt, `totalTimeout` all of a firing, `heartbeat` the time between two signs of life of it. With `compensate` its handler can undo
 * what a firing did.
 */
export interface NodeDefinition {
  readonly name: string
  readonly kind: "task" | "trigger"
  readonly inputs: { readonly [handle: string]: Input }
  readonly outputs: { readonly [port: string]: Output }
  readonly error: AnySchema | undefined
  readonly payload: AnySchema | undefined
  readonly state: AnySchema | undefined
  readonly resumable: boolean
  readonly repeated: number | null
  readonly concurrency: number | null
  readonly timeout: Duration.Duration | undefined
  readonly totalTimeout?: Duration.Duration | undefined
  readonly heartbeat: Duration.Duration | undefined
  readonly retry: RetryPolicy | undefined
  readonly compensate: CompensationPolicy | undefined
  /** Signals that may be sent to it from another process. */
  readonly signals?: ReadonlyArray<Signal>
  /** The workflow whose runs its firings are. */
  readonly child?: ChildReference
}
