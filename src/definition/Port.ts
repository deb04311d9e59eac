import type * as Schema from "effect/Schema"
import type { PortRef } from "./Graph.js"
import type { AnySchema, Input } from "./Input.js"
import type { NodeDefinition } from "./NodeDefinition.js"
import type { Output } from "./Output.js"

/** Holds what a port is by type only. */
declare const PortTypeId: unique symbol

/**
 * A reference to an output while wiring.
 *
 * **Details** `A` is what a handler sees, `I` how it travels. `sure`: as far as types know, a message will come. `many`:
 * there can be several.
 */
export interface Port<out A, out I, out Sure extends boolean, out Many extends boolean> {
  readonly [PortTypeId]: { readonly Type: A; readonly Encoded: I }
  readonly ref: PortRef
  readonly schema: AnySchema
  readonly sure: Sure
  readonly many: Many
}

/** Any port. */
export type AnyPort = Port<unknown, unknown, boolean, boolean>

/** What a handler reads from a port. */
export type PortType<P> = P extends Port<infer A, unknown, boolean, boolean> ? A : never

/** What a schema is that a port's messages are written and read with. */
export type PortSchema<P> = Schema.Schema<PortType<P>, PortEncoded<P>>

type PortEncoded<P> = P extends Port<unknown, infer I, boolean, boolean> ? I : never

/** Makes a port; what its type adds, the caller's types say. */
export const makePort = (port: Omit<AnyPort, typeof PortTypeId>): AnyPort => port as AnyPort

/** Several producers for one handle. */
export type Merge<P> = readonly [P, ...ReadonlyArray<P>]

/** What can be wired into a handle. */
export type Wire<I> =
  I extends Input<infer M, infer S>
    ? M extends "shared"
      ? Port<Schema.Schema.Type<S>, Schema.Schema.Encoded<S>, boolean, boolean>
      :
          | Port<Schema.Schema.Type<S>, Schema.Schema.Encoded<S>, boolean, boolean>
          | Merge<Port<Schema.Schema.Type<S>, Schema.Schema.Encoded<S>, boolean, boolean>>
    : never

/** What must be wired into a node: something for every handle. */
export type Wiring<N extends NodeDefinition> = { readonly [H in keyof N["inputs"]]: Wire<N["inputs"][H]> }

/** The wiring itself, unless it can't be: then a type that says why. */
export type Wired<W, N extends NodeDefinition> = [UnknownHandles<W, N> | CrowdedHandles<W, N>] extends [never]
  ? W
  : {
      readonly [H in UnknownHandles<W, N>]: `node "${N["name"]}" has no handle "${H}"`
    } & {
      readonly [H in CrowdedHandles<W, N>]: `the shared handle "${H}" takes a port with at most one message`
    }

type UnknownHandles<W, N extends NodeDefinition> = Exclude<keyof W, keyof N["inputs"]> & string

/** `shared` handles that got a port with several messages. */
type CrowdedHandles<W, N extends NodeDefinition> = {
  [H in keyof N["inputs"] & keyof W]: N["inputs"][H] extends Input<"shared">
    ? [ManyOf<W[H]>] extends [true]
      ? H & string
      : never
    : never
}[keyof N["inputs"] & keyof W]

type SureOf<P> =
  P extends Port<unknown, unknown, infer Sure, boolean> ? Sure : P extends ReadonlyArray<infer Q> ? SureOf<Q> : never

/** `false` as soon as one wire is not sure. */
type SureWires<N extends NodeDefinition, W> = {
  [H in keyof N["inputs"]]: N["inputs"][H] extends Input<"all" | "stream">
    ? true
    : H extends keyof W
      ? SureOf<W[H]>
      : never
}[keyof N["inputs"]]

/** Whether a node surely fires: all its handles surely get something. */
export type SurelyFires<N extends NodeDefinition, W> = false extends SureWires<N, W> ? false : true

type ManyOf<P> = P extends Port<unknown, unknown, boolean, infer Many> ? Many : true

/** Per `one` handle whether it can get several messages; an `all` or `stream` handle makes a single firing of everything. */
type ManyWires<N extends NodeDefinition, W> = {
  [H in keyof N["inputs"]]: N["inputs"][H] extends Input<"all" | "stream">
    ? false
    : N["inputs"][H] extends Input<"shared">
      ? never
      : H extends keyof W
        ? ManyOf<W[H]>
        : never
}[keyof N["inputs"]]

/** Per `latest` handle whether it can get several messages: each of them fires the node. */
type ManyLatest<N extends NodeDefinition, W> = {
  [H in keyof N["inputs"]]: N["inputs"][H] extends Input<"latest"> ? (H extends keyof W ? ManyOf<W[H]> : never) : never
}[keyof N["inputs"]]

/** Whether a node can fire several times in a run. */
export type FiresMany<N extends NodeDefinition, W> = N["kind"] extends "trigger"
  ? [N["repeated"]] extends [1]
    ? false
    : true
  : true extends ManyLatest<N, W>
    ? true
    : [ManyWires<N, W>] extends [never]
      ? false
      : [ManyWires<N, W>] extends [true]
        ? true
        : false

type OutputPort<O, Sure extends boolean, Many extends boolean> =
  O extends Output<infer M, infer S>
    ? Port<
        Schema.Schema.Type<S>,
        Schema.Schema.Encoded<S>,
        M extends "one" ? Sure : false,
        M extends "many" ? true : Many
      >
    : never

type ErrorPort<E, Many extends boolean> = E extends AnySchema
  ? Port<Schema.Schema.Type<E>, Schema.Schema.Encoded<E>, false, Many>
  : never

/** The ports of a node in use; `error` only if the node declares one. */
export type NodePorts<N extends NodeDefinition, Sure extends boolean, Many extends boolean> = {
  readonly [P in keyof N["outputs"] | (N["error"] extends AnySchema ? "error" : never)]: P extends keyof N["outputs"]
    ? OutputPort<N["outputs"][P], Sure, Many>
    : ErrorPort<N["error"], Many>
}

/** The ports of a workflow's input: each has exactly one message. */
export type InputPorts<Fields> = {
  readonly [F in keyof Fields]: Fields[F] extends AnySchema
    ? Port<Schema.Schema.Type<Fields[F]>, Schema.Schema.Encoded<Fields[F]>, true, false>
    : never
}
