import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { childFailure, makeChild } from "./ChildNode.js"
import { type CompensateOptions, type Compensates, compensationPolicy } from "./Compensate.js"
import * as Handler from "./Handler.js"
import type { AnySchema, Input, InputFields, Inputs } from "./Input.js"
import type { NodeDefinition } from "./NodeDefinition.js"
import type { Output, OutputFields, Outputs } from "./Output.js"
import { type RetryOptions, retryPolicy } from "./Retry.js"
import type { Signal } from "./Signal.js"
import { type TimeoutOptions, timeouts } from "./Timeout.js"

export type { ChildNode, ChildOptions } from "./ChildNode.js"
export type { CompensateOptions } from "./Compensate.js"
export type { NodeDefinition } from "./NodeDefinition.js"
export type { RetryOptions } from "./Retry.js"

/** What a node takes from outside, if anything. */
export interface External {
  readonly kind: "task" | "trigger"
  readonly payload: AnySchema | undefined
  readonly state: AnySchema | undefined
  readonly repeated: number | null
}

/** A node that works on its inputs alone. */
export interface Closed extends External {
  readonly kind: "task"
  readonly payload: undefined
  readonly state: undefined
  readonly repeated: 1
}

/** A node that may suspend itself and goes on with its state and an input from outside. */
export interface Resumable<State extends AnySchema, Event extends AnySchema> extends External {
  readonly kind: "task"
  readonly payload: Event
  readonly state: State
  readonly repeated: 1
}

/** A node that fires when an event has come from outside. */
export interface Triggered<Payload extends AnySchema, Repeated extends number | null> extends External {
  readonly kind: "trigger"
  readonly payload: Payload
  readonly state: undefined
  readonly repeated: Repeated
}

/** A node: what it takes, what it gives, how it fails, and its policies; a handler comes as a layer. */
export interface Node<
  Name extends string,
  In extends { readonly [handle: string]: Input },
  Out extends { readonly [port: string]: Output },
  Failure extends AnySchema | undefined,
  Outside extends External,
  Undo extends CompensateOptions | undefined = undefined
> extends NodeDefinition {
  readonly name: Name
  readonly kind: Outside["kind"]
  readonly inputs: In
  readonly outputs: Out
  readonly error: Failure
  readonly payload: Outside["payload"]
  readonly state: Outside["state"]
  readonly repeated: Outside["repeated"]
  readonly compensate: Compensates<Undo>

  /**
   * Provides the handler of this node.
   *
   * **Details** Takes the function, or an Effect that makes it (an `Effect.gen` lets the function's types be inferred). The
   * function is called once per attempt; what it needs
   * besides `NodeContext` is captured when the layer is built. It fails with the node's declared error and nothing else. A node
   * with `compensate` takes a second function, which undoes what a firing did; see `Node.make`.
   *
   * @example
   * Charge.toLayer(({ reservation }) =>
   *   Effect.gen(function* () {
   *     const { idempotencyKey } = yield* NodeContext
   *     return { receipt: yield* Payments.charge(reservation, idempotencyKey) }
   *   })
   * )
   */
  toLayer<
    F extends Handler.HandlerFunction<Node<Name, In, Out, Failure, Outside, Undo>>,
    E0 = never,
    R0 = never,
    C extends Handler.CompensationFunction<Node<Name, In, Out, Failure, Outside, Undo>> = Handler.CompensationFunction<
      Node<Name, In, Out, Failure, Outside, Undo>
    >
  >(
    build: (F | Effect.Effect<F, E0, R0>) & Handler.Declared<F, Node<Name, In, Out, Failure, Outside, Undo>>,
    ...compensate: Undo extends CompensateOptions ? [compensate: C] : []
  ): Layer.Layer<
    Handler.Handler<Name>,
    E0,
    R0 | Handler.Environment<F> | (Undo extends CompensateOptions ? Handler.Environment<C> : never)
  >
}

interface CommonOptions<In, Out, Failure extends AnySchema | undefined, Undo extends CompensateOptions | undefined> {
  readonly inputs?: In
  readonly outputs?: Out & { readonly error?: `the port "error" is reserved for the typed error` }
  readonly error?: Failure
  readonly retry?: RetryOptions<Failure extends AnySchema ? Schema.Schema.Type<Failure> : never> | undefined
  /**
   * Bounds one attempt, what it waits in steps aside; as `{ attempt, total }` also all attempts of a firing together, with what lies
   * between them.
   */
  readonly timeout?: TimeoutOptions | undefined
  /** An attempt that gives no `Step.heartbeat` for so long has failed, as by a time-out. */
  readonly heartbeat?: Duration.DurationInput | undefined
  /**
   * What its handler takes with `Step.awaitSignal`: over HTTP only these can be sent, and are checked on arrival. Within a workflow a
   * name means one signal.
   */
  readonly signals?: ReadonlyArray<Signal> | undefined
  /** Firings of one run at once; all that the worker has room for if absent. */
  readonly concurrency?: number | undefined
  /** Whether what a firing did can be undone, and how that is tried again. */
  readonly compensate?: Undo
}

/** What a resumable node keeps while it waits, and what it waits for. */
export interface ResumableSchemas {
  readonly state: AnySchema
  readonly input: AnySchema
}

/**
 * Defines a node.
 *
 * **Details** Handles and ports are schemas, or what `Input` and `Output` make of them. With `error` the node has a port
 * `error` that can be wired; unwired, the error fails the run. `resumable` lets the handler return `NodeOutcome.suspend`.
 *
 * `timeout` bounds an attempt: one that takes longer is interrupted and tried again as `retry` says. `timeout: { attempt, total }` also
 * bounds the firing: `total` after it has opened (a trigger opens when it begins to wait) it fails with kind `timeout` for good, be it at
 * work, waiting in a step or for its next attempt, or away with a process that died. Where the next attempt would begin after that, it
 * fails at once. `engine.retry` gives it its time anew.
 *
 * With `compensate` (`{}` is enough) the layer takes a second function that undoes what a firing did. When the run fails or is
 * cancelled, nothing more starts; firings of such nodes that run are waited for, all others are interrupted. Then what has
 * committed is undone, one firing after the other, the last committed first: the function gets the firing's inputs and
 * `Option.some` of its outputs, or `Option.none` where nobody knows what it did (its process died, it was interrupted, timed out or
 * died of a defect), and `NodeContext.idempotencyKey` is that of the firing. Of what came or was given as a stream it gets nothing. A typed error at the first attempt says that there is
 * nothing to undo. The run ends as `compensated`; if a compensation fails for good, as `failed`, and `engine.retry` goes on there.
 *
 * @example
 * const Charge = Node.make("charge", {
 *   inputs: { reservation: Reservation },
 *   outputs: { receipt: Receipt },
 *   error: CardDeclined,
 *   retry: { schedule: Schedule.exponential("200 millis"), times: 5, while: (error) => error.transient },
 *   timeout: { attempt: "30 seconds", total: "10 minutes" },
 *   compensate: { retry: { schedule: Schedule.spaced("1 minute"), times: 60 } }
 * })
 */
export const make = <
  const Name extends string,
  In extends InputFields = {},
  Out extends OutputFields = {},
  Failure extends AnySchema | undefined = undefined,
  Suspends extends ResumableSchemas | undefined = undefined,
  Undo extends CompensateOptions | undefined = undefined
>(
  name: Name,
  options: CommonOptions<In, Out, Failure, Undo> & { readonly resumable?: Suspends }
): Node<
  Name,
  Inputs<In>,
  Outputs<Out>,
  Failure,
  Suspends extends ResumableSchemas ? Resumable<Suspends["state"], Suspends["input"]> : Closed,
  Undo
> =>
  define(name, options, {
    kind: "task",
    payload: options.resumable?.input,
    state: options.resumable?.state,
    repeated: 1
  })

/**
 * Defines a node that fires when an event has come from outside and its inputs are there.
 *
 * **Details** It takes one event, unless `repeated` says how many; `true` is any number. An event is sent with
 * `Engine.trigger` and may arrive before the node waits for it.
 *
 * @example
 * const Approval = Node.trigger("approval", {
 *   payload: Decision,
 *   inputs: { reservation: Reservation },
 *   outputs: { approved: Output.optional(Reservation), rejected: Output.optional(Reservation) }
 * })
 */
export const trigger = <
  const Name extends string,
  Payload extends AnySchema,
  In extends InputFields = {},
  Out extends OutputFields = {},
  Failure extends AnySchema | undefined = undefined,
  const Repeated extends number | true = 1,
  Undo extends CompensateOptions | undefined = undefined
>(
  name: Name,
  options: CommonOptions<In, Out, Failure, Undo> & { readonly payload: Payload; readonly repeated?: Repeated }
): Node<Name, Inputs<In>, Outputs<Out>, Failure, Triggered<Payload, Repeated extends number ? Repeated : null>, Undo> =>
  define(name, options, {
    kind: "trigger",
    payload: options.payload,
    state: undefined,
    repeated: options.repeated === true ? null : (options.repeated ?? 1)
  })

/**
 * Defines a node that is another workflow: each firing is a run of that, as its child.
 *
 * **When to use** Where a node is nothing but a child. A handler that does more, or decides which child, uses `Step.child`.
 *
 * **Details** Its handles are the workflow's inputs. Its ports are the workflow's outputs as they can come: an output that may not
 * come is a route that may not be taken, one that reads as an array gives a message per element. It has no handler to write; the
 * child's workflow is registered by its own layer, in this process or another. While the child runs, the node waits in rows
 * only. Cancel, pause and resume of the run travel down; if the run fails, its children are cancelled. No more than `concurrency`
 * children of the node live at once in one run, nor more than the setting `childFanOut` says; the firings after them wait for their
 * turn, with nothing lost. A child deeper than the setting `childDepth` is refused, which fails the firing.
 *
 * An attempt has a child of its own: one tried again by `retry`, or by `engine.retry` after the run has failed, starts a new child,
 * under an id that follows from the firing. A child that succeeded is never started again.
 *
 * **Errors** Its port `error` gives `RunFailed` with the child's failure, or `RunCancelled` where the child alone was cancelled;
 * unwired, it fails the run. A compensated child counts as what it was compensated for.
 *
 * @example
 * const Ship = Node.child("ship", Shipping, { concurrency: 5, retry: { times: 2, schedule: Schedule.spaced("1 minute") } })
 *
 * const Order = Workflow.make("order", { version: 1, input: { parcel: Parcel } })
 *   .node("ship", Ship, ({ input }) => ({ parcel: input.parcel }))
 *   .node("apologise", Apologise, ({ ship }) => ({ why: ship.error }))
 *   .output(({ apologise, ship }) => ({ label: Workflow.maybe(ship.label), sorry: apologise.letter }))
 */
export const child = makeChild

/**
 * How a child ends that gives no output, as a schema: `RunFailed` with its failure, or `RunCancelled`.
 *
 * @example
 * const Apologise = Node.make("apologise", { inputs: { why: Node.ChildFailure }, outputs: { letter: Schema.String } })
 */
export const ChildFailure = childFailure

/** Builds the data of a node; what the caller spelled, its caller's return type says. */
const define = <N extends NodeDefinition, Failure extends AnySchema | undefined>(
  name: string,
  options: CommonOptions<InputFields, OutputFields, Failure, CompensateOptions | undefined>,
  outside: External
): N => {
  const definition: NodeDefinition = {
    name,
    ...outside,
    inputs: normalise<Input>(options.inputs ?? {}),
    outputs: normalise<Output>(options.outputs ?? {}),
    error: options.error,
    resumable: outside.state !== undefined,
    concurrency: options.concurrency ?? null,
    ...timeouts(options.timeout),
    heartbeat: options.heartbeat === undefined ? undefined : Duration.decode(options.heartbeat),
    retry: options.retry === undefined ? undefined : retryPolicy(options.retry),
    compensate: options.compensate === undefined ? undefined : compensationPolicy(options.compensate),
    signals: options.signals ?? []
  }
  const node = {
    ...definition,
    toLayer: (build: Parameters<typeof Handler.layer>[1], compensate?: Parameters<typeof Handler.layer>[2]): unknown =>
      Handler.layer(node, build, compensate)
  }
  return node as unknown as N
}

/** Gives bare schemas their mode. */
const normalise = <Field extends { readonly mode: string; readonly schema: AnySchema }>(fields: {
  readonly [name: string]: AnySchema | Field
}): { readonly [name: string]: Field } =>
  Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [
      name,
      Schema.isSchema(field) ? { mode: "one", schema: field } : field
    ])
  ) as { readonly [name: string]: Field }
