import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type { AnySchema, Input } from "./Input.js"
import type { NodeContext } from "./NodeContext.js"
import type { NodeDefinition } from "./NodeDefinition.js"
import type { Suspend } from "./NodeOutcome.js"
import type { Output } from "./Output.js"

/** What a context holds when the node of this name has a handler. */
export interface Handler<Name extends string> {
  readonly _: "perdure/Handler"
  readonly name: Name
}

/**
 * A handler as the runtime calls it, within the environment that its layer has captured.
 *
 * **Details** Inputs, event and outputs are decoded values. `event` is the payload of a trigger, for a resumable node an
 * `Option` of `{ state, input }`, otherwise `undefined`.
 */
export type AnyHandler = (
  inputs: { readonly [handle: string]: unknown },
  event: unknown
) => Effect.Effect<{ readonly [port: string]: unknown } | Suspend, unknown, NodeContext>

/** A compensation as the runtime calls it, within the same environment; inputs and outputs are decoded values. */
export type AnyCompensation = (
  inputs: { readonly [handle: string]: unknown },
  outputs: Option.Option<{ readonly [port: string]: unknown }>
) => Effect.Effect<unknown, unknown, NodeContext>

/**
 * A handler, what undoes its work, and what both need.
 *
 * **Details** The environment stands beside the functions, so that a firing's fiber begins with it: to provide it around each
 * attempt, and `NodeContext` on top, took 45 of the 56 operations of Effect that an attempt of a plain handler was.
 */
export interface Handling {
  readonly environment: Context.Context<never>
  readonly run: AnyHandler
  readonly compensate?: AnyCompensation
}

/** A node's handler, and the node it was written for. */
export interface NodeHandler extends Handling {
  readonly node: NodeDefinition
}

/** Where a node keeps the handling it brings along. */
const OwnTypeId: unique symbol = Symbol.for("perdure/Handler/Own")

/** What a node has that brings its handling along: nobody is asked for its handler. */
export const bring = (handling: Handling): object => ({ [OwnTypeId]: handling })

/** The handling that a node brings along, if it does. */
export const broughtBy = (node: NodeDefinition & { readonly [OwnTypeId]?: Handling }): Handling | undefined =>
  node[OwnTypeId]

/** The key of a node's handler in a context. */
export const tag = <Name extends string>(name: Name): Context.Tag<Handler<Name>, NodeHandler> =>
  Context.GenericTag<Handler<Name>, NodeHandler>(`perdure/Handler/${name}`)

/** What a handler is given. */
export type HandlerInputs<N extends NodeDefinition> = {
  readonly [H in keyof N["inputs"]]: N["inputs"][H] extends Input<infer M, infer S>
    ? M extends "all"
      ? ReadonlyArray<Schema.Schema.Type<S>>
      : M extends "stream"
        ? Stream.Stream<Schema.Schema.Type<S>>
        : Schema.Schema.Type<S>
    : never
}

type OptionalPorts<N extends NodeDefinition> = {
  [P in keyof N["outputs"]]: N["outputs"][P] extends Output<"optional"> ? P : never
}[keyof N["outputs"]]

/** What stands for a port; for one of mode `many` an array, or what `Streamed` adds to it. */
type OutputValue<O, Streamed> =
  O extends Output<infer M, infer S>
    ? M extends "many"
      ?
          | ReadonlyArray<Schema.Schema.Type<S>>
          | (Streamed extends never ? never : ElementStream<Schema.Schema.Type<S>, Streamed>)
      : Schema.Schema.Type<S>
    : never

/** A stream of elements that fails as the node does; the error is in a list, so that one that never comes is told from none. */
type ElementStream<A, Streamed> = Streamed extends readonly [infer E] ? Stream.Stream<A, E, NodeContext> : never

type OutputRecord<N extends NodeDefinition, Streamed> = Types.Simplify<
  { readonly [P in Exclude<keyof N["outputs"], OptionalPorts<N>>]: OutputValue<N["outputs"][P], Streamed> } & {
    readonly [P in OptionalPorts<N>]?: OutputValue<N["outputs"][P], Streamed> | undefined
  }
>

/**
 * What a handler returns: a value per output, an array or a stream for `many`; the key of an `optional` output may be missing.
 */
export type HandlerOutputs<N extends NodeDefinition> = OutputRecord<N, readonly [HandlerError<N>]>

/** What a committed firing has given; of what was streamed nothing. */
export type CommittedOutputs<N extends NodeDefinition> = OutputRecord<N, never>

/** What a handler may end an attempt with. */
export type HandlerResult<N extends NodeDefinition> =
  | HandlerOutputs<N>
  | (N["state"] extends AnySchema ? Suspend<Schema.Schema.Type<N["state"]>> : never)

/** What a handler may fail with: the node's declared error. */
export type HandlerError<N extends NodeDefinition> = N["error"] extends AnySchema
  ? Schema.Schema.Type<N["error"]>
  : never

/** What a handler gets beside its inputs. */
export type HandlerEvent<N extends NodeDefinition> = N["payload"] extends AnySchema
  ? N["state"] extends AnySchema
    ? [
        resume: Option.Option<{
          readonly state: Schema.Schema.Type<N["state"]>
          readonly input: Schema.Schema.Type<N["payload"]>
        }>
      ]
    : [payload: Schema.Schema.Type<N["payload"]>]
  : []

/** The function that does a node's work. */
export type HandlerFunction<N extends NodeDefinition> = (
  inputs: HandlerInputs<N>,
  ...event: HandlerEvent<N>
) => Effect.Effect<HandlerResult<N>, HandlerError<N>, unknown>

/** What a compensation is given of a firing's inputs: of what came as a stream nothing. */
export type CommittedInputs<N extends NodeDefinition> = {
  readonly [H in keyof N["inputs"] as N["inputs"][H] extends Input<"stream"> ? never : H]: HandlerInputs<N>[H]
}

/**
 * The function that undoes what a firing did: given its inputs, and its outputs where it is known that it has committed.
 *
 * **Details** May be called again after a death, with the same `NodeContext.idempotencyKey`, which is that of the firing.
 */
export type CompensationFunction<N extends NodeDefinition> = (
  inputs: CommittedInputs<N>,
  outputs: Option.Option<CommittedOutputs<N>>
) => Effect.Effect<unknown, unknown, unknown>

/** What a handler needs from outside, beside what the runtime gives it at each attempt. */
export type Environment<F> = F extends (...args: never) => Effect.Effect<unknown, unknown, infer R>
  ? Exclude<R, NodeContext>
  : never

/** Keys of a result that the node has no output for, in any member of a union. */
type UndeclaredPorts<A, N extends NodeDefinition> = A extends Suspend ? never : Exclude<keyof A, keyof N["outputs"]>

/** Nothing, unless the handler returns an output that was not declared: then a type that says so. */
export type Declared<F, N extends NodeDefinition> = F extends (
  ...args: never
) => Effect.Effect<infer A, unknown, unknown>
  ? [UndeclaredPorts<A, N>] extends [never]
    ? unknown
    : `node "${N["name"]}" declares no output "${UndeclaredPorts<A, N> & string}"`
  : unknown

/**
 * Provides a node's handler.
 *
 * **Details** The environment is captured when the layer is built; what the runtime gives at each attempt (`NodeContext`,
 * the current span) comes on top of it.
 */
export const layer = <
  N extends NodeDefinition,
  F extends HandlerFunction<N>,
  E0,
  R0,
  C extends CompensationFunction<N>
>(
  node: N,
  build: F | Effect.Effect<F, E0, R0>,
  compensate?: C
): Layer.Layer<Handler<N["name"]>, E0, R0 | Environment<F> | Environment<C>> =>
  Layer.effect(
    tag<N["name"]>(node.name),
    Effect.gen(function* () {
      const environment = yield* Effect.context<Environment<F> | Environment<C>>()
      const handle = Effect.isEffect(build) ? yield* build : build
      // the types of this node's values were checked above; the runtime knows them by schema
      const run = handle as unknown as AnyHandler
      const within = environment as Context.Context<never>
      if (compensate === undefined) return { node, environment: within, run }
      return { node, environment: within, run, compensate: compensate as unknown as AnyCompensation }
    })
  )
