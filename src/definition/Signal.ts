import type * as Schema from "effect/Schema"
import type { AnySchema } from "./Input.js"

/** Something that a handler waits for in the middle of its work, and that comes from outside. */
export interface Signal<S extends AnySchema = AnySchema> {
  readonly name: string
  readonly payload: S
}

/** What a signal carries. */
export type Payload<S extends Signal> = Schema.Schema.Type<S["payload"]>

/**
 * Defines a signal: handler and sender share it, so that the payload is checked on both sides.
 *
 * **Details** A node that lists it in its `signals` takes it over HTTP, too. Signals go to a node of a run, by name and in the order
 * in which they arrive; each is taken by one `Step.awaitSignal`. Among the `signals` of a workflow a name means one signal: two with
 * payloads of different forms are an issue of the workflow. Names that begin with `$` are the engine's own.
 *
 * @example
 * const Approved = Signal.make("approved", { payload: Schema.Struct({ by: Schema.String }) })
 */
export const make = <S extends AnySchema>(name: string, options: { readonly payload: S }): Signal<S> => ({
  name,
  payload: options.payload
})
