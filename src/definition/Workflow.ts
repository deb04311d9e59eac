import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Types from "effect/Types"
import type { DatabaseError, DefinitionConflict, DefinitionMismatch, RunFailed } from "../model/Errors.js"
import * as Draft from "./Draft.js"
import { type FailedOf, readFailed } from "./Failed.js"
import { broughtBy, type Handler, type Handling, tag } from "./Handler.js"
import type { AnySchema, Input as Handle } from "./Input.js"
import { InvalidWorkflow } from "./InvalidWorkflow.js"
import type { NodeDefinition } from "./NodeDefinition.js"
import type { Output as OutputOf } from "./Output.js"
import type {
  AnyPort,
  FiresMany,
  InputPorts,
  NodePorts,
  Port,
  PortSchema,
  PortType,
  SurelyFires,
  Wired,
  Wiring
} from "./Port.js"
import { Registry } from "./Registry.js"
import { makeResult, type Result, type ResultPort, type Results, type ResultType } from "./Result.js"
import type { KnownPorts } from "./Wiring.js"
import type { WorkflowDefinition } from "./WorkflowDefinition.js"

export type { WorkflowDefinition } from "./WorkflowDefinition.js"

/** Holds what a workflow is by type only. */
declare const WorkflowTypeId: unique symbol

/** What a workflow looks like as a node: its handles and its ports. */
export interface Ends {
  readonly inputs: { readonly [handle: string]: Handle }
  readonly outputs: { readonly [port: string]: OutputOf }
}

/** Any workflow. */
export interface Any extends WorkflowDefinition {
  readonly [WorkflowTypeId]: {
    readonly input: unknown
    readonly output: unknown
    readonly nodes: object
    readonly ends: Ends
  }
  readonly layer: Layer.Layer<never, DefinitionConflict | DatabaseError, unknown>
}

/** A workflow: data that a client can share, and the layer that makes it run in this process. */
export interface Workflow<Name extends string, In, Out, Nodes extends object, As extends Ends = Ends> extends Any {
  readonly [WorkflowTypeId]: { readonly input: In; readonly output: Out; readonly nodes: Nodes; readonly ends: As }
  readonly name: Name

  /**
   * Registers the workflow with the handlers of its nodes, for as long as the layer lives.
   *
   * **Errors** `DefinitionConflict`: the database knows this name and version with another graph.
   *
   * @example
   * Order.layer.pipe(Layer.provide([ReserveHandler, ApprovalHandler, ChargeHandler]))
   */
  readonly layer: Layer.Layer<never, DefinitionConflict | DatabaseError, Registry | Handlers<Nodes>>
}

/** What a run of the workflow takes. */
export type Input<W extends Any> = W[typeof WorkflowTypeId]["input"]

/** What a completed run of the workflow gives. */
export type Output<W extends Any> = W[typeof WorkflowTypeId]["output"]

/** The handles of a node that is the workflow: one per port of its input. */
export type InputHandles<W extends Any> = W[typeof WorkflowTypeId]["ends"]["inputs"]

/** The ports of a node that is the workflow: one per output, `optional` or `many` where that reads as an `Option` or an array. */
export type OutputPorts<W extends Any> = W[typeof WorkflowTypeId]["ends"]["outputs"]

type Nodes<W extends Any> = W[typeof WorkflowTypeId]["nodes"]

/**
 * How a run of the workflow fails: `nodeId` says where, `error` is that node's typed error.
 *
 * **Details** There is no `error` where the node failed in another way, of a defect or by its time-out, which `failure.kind` tells. A run that
 * failed as a whole, by its deadline or for want of an output, says `output` for its node, one whose compensation failed `$compensate`.
 *
 * @example
 * engine.await(Order, runId).pipe(
 *   Effect.catchTag("RunFailed", (failed) =>
 *     failed.nodeId === "charge" && failed.error !== undefined ? Effect.succeed(failed.error.limit) : Effect.fail(failed)
 *   )
 * )
 */
export type Failed<W extends Any> = FailedOf<Nodes<W>>

/**
 * A `RunFailed` that was stored or sent, with its error as the workflow's definition reads it.
 *
 * **When to use** For what the `error` port of a `Node.child` gives; `await` and `Step.child` have done it already.
 *
 * **Errors** `DefinitionMismatch`: another build of the workflow was executed, and this one does not know such an error.
 *
 * @example
 * Apologise.toLayer(({ why }) => Effect.map(Effect.orDie(Workflow.failed(Shipping, why)), ({ error }) => ({ letter: letterOf(error) })))
 */
export const failed = <W extends Any>(workflow: W, error: RunFailed): Either.Either<Failed<W>, DefinitionMismatch> =>
  // The schemas that have read it are those its type comes from.
  Either.map(readFailed(workflow, error), (read) => read as Failed<W>)

/** Ids of the nodes that take input from outside: triggers and resumable nodes. */
export type ExternalNodes<W extends Any> = {
  [Id in keyof Nodes<W>]: PayloadSchema<Nodes<W>[Id]> extends AnySchema ? Id & string : never
}[keyof Nodes<W>]

/** Ids of all nodes. */
export type NodeId<W extends Any> = keyof Nodes<W> & string

/** What a node takes from outside. */
export type Payload<W extends Any, Id extends ExternalNodes<W>> =
  Nodes<W> extends { readonly [K in Id]: infer N } ? Schema.Schema.Type<PayloadSchema<N>> : never

type PayloadSchema<N> = N extends { readonly payload: infer P } ? P : never

/** What a node is whose handler comes with it. */
interface Equipped {
  readonly child: object
  readonly compensate: undefined
}

type Handlers<Nodes> = {
  [Id in keyof Nodes]: Nodes[Id] extends Equipped
    ? never
    : Nodes[Id] extends { readonly name: infer Name extends string }
      ? Handler<Name>
      : never
}[keyof Nodes]

/** The id itself, unless it can't be taken: then a type that says why. */
export type FreshId<Id extends string, Ports> = string extends Id
  ? "a node id must be a literal"
  : Id extends "input" | "output"
    ? `node id "${Id}" is reserved`
    : Id extends keyof Ports
      ? `node id "${Id}" is already taken`
      : Id

/** A workflow while it is written; each step sees the ports of those before it. */
export interface Unfinished<Name extends string, In, Nodes extends object, Ports> {
  /**
   * Uses a node under an id, which is its identity in the rows, and wires ports into its handles.
   *
   * **Details** A handle takes a port, or a list of ports that are merged in the order in which they come.
   *
   * @example
   * .node("charge", Charge, ({ approval, reserve }) => ({ reservation: [reserve.small, approval.approved] }))
   */
  node<const Id extends string, N extends NodeDefinition, W extends Wiring<N>>(
    id: FreshId<Id, Ports>,
    node: N,
    wire: (ports: Ports) => Wired<W, N>
  ): Unfinished<
    Name,
    In,
    Nodes & { readonly [K in Id]: N },
    Ports & { readonly [K in Id]: NodePorts<N, SurelyFires<N, W>, FiresMany<N, W>> }
  >

  /**
   * Names the outputs and finishes the workflow.
   *
   * **Details** A port reads as an array where several messages can come, as an `Option` where none may come, else as the
   * value; `Workflow.firstOf` and `Workflow.maybe` choose by hand.
   *
   * **Errors** Throws `InvalidWorkflow` with everything that is wrong and that types don't see.
   *
   * @example
   * .output(({ charge, notify }) => ({ receipt: Workflow.firstOf(charge.receipt, notify.receipt) }))
   */
  output<R extends Results>(
    read: (ports: Ports) => R
  ): Workflow<
    Name,
    In,
    { readonly [K in keyof R]: ResultType<R[K]> },
    Nodes,
    { readonly inputs: PortHandles<Ports>; readonly outputs: { readonly [K in keyof R]: ResultPort<R[K]> } }
  >
}

/** The ports of a workflow's input as handles. */
type PortHandles<Ports> = Ports extends { readonly input: infer P }
  ? { readonly [H in keyof P]: Handle<"one", PortSchema<P[H]>> }
  : never

/** Schemas of a workflow's input, by port. */
type InputSchemas = { readonly [port: string]: AnySchema }

/** What a workflow takes, as a value. */
export type InputValue<Fields extends InputSchemas> = {
  readonly [F in keyof Fields]: Schema.Schema.Type<Fields[F]>
}

/**
 * Begins a workflow.
 *
 * **Details** Name and version are its identity in the database: another graph wants another version.
 *
 * @example
 * const Order = Workflow.make("order", { version: 1, input: { order: OrderSchema } })
 *   .node("reserve", Reserve, ({ input }) => ({ order: input.order }))
 *   .node("charge", Charge, ({ reserve }) => ({ reservation: reserve.reservation }))
 *   .output(({ charge }) => ({ receipt: charge.receipt }))
 */
export const make = <const Name extends string, Fields extends InputSchemas = {}>(
  name: Name,
  options: { readonly version: number; readonly input?: Fields }
): Unfinished<Name, Types.Simplify<InputValue<Fields>>, {}, { readonly input: InputPorts<Fields> }> =>
  unfinished(Draft.begin(name, options.version, options.input ?? {}))

/**
 * Reads the first message that came to any of the ports.
 *
 * **Details** If none came, the run fails.
 *
 * @example
 * .output(({ charge, notify }) => ({ receipt: Workflow.firstOf(charge.receipt, notify.receipt) }))
 */
export const firstOf = <const P extends readonly [AnyPort, ...ReadonlyArray<AnyPort>]>(
  ...ports: P
): Result<PortType<P[number]>, OutputOf<"one", PortSchema<P[number]>>> => makeResult("first", ports)

/**
 * Reads a port that may stay empty as an `Option`.
 *
 * **When to use** For a port whose type says that a message surely comes, but that lies behind a node whose error is wired.
 *
 * @example
 * .output(({ charge }) => ({ receipt: Workflow.maybe(charge.receipt) }))
 */
export const maybe = <A, I>(
  port: Port<A, I, boolean, false>
): Result<Option.Option<A>, OutputOf<"optional", Schema.Schema<A, I>>> => makeResult("option", [port])

/** The types of a chain live in its signature only; `Draft` holds what they speak of. */
const unfinished = <U>(draft: Draft.Draft): U => {
  const chain = {
    node: (id: string, node: NodeDefinition, wire: (ports: KnownPorts) => unknown) =>
      unfinished(Draft.addNode(draft, id, node, wire)),
    output: (read: (ports: KnownPorts) => unknown) => {
      const definition = Draft.finish(draft, read)
      return { ...definition, layer: layer(definition) }
    }
  }
  return chain as U
}

const layer = (definition: WorkflowDefinition) =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const registry = yield* Registry
      const context = yield* Effect.context<never>()
      yield* registry.register(definition, yield* collect(definition, context))
    })
  )

/** The handlers of a workflow by node id; its layer's type has asked for each of them. */
const collect = Effect.fnUntraced(function* (definition: WorkflowDefinition, context: Context.Context<never>) {
  const handlers = new Map<string, Handling>()
  const refuse = (issue: string) => Effect.die(new InvalidWorkflow({ workflow: definition.name, issues: [issue] }))
  for (const [id, node] of definition.nodes) {
    const brought = broughtBy(node)
    if (brought !== undefined) {
      handlers.set(id, brought)
      continue
    }
    const handler = Context.unsafeGet(context, tag(node.name))
    if (handler.node !== node) {
      return yield* refuse(`the handler for node "${id}" was written for another node of the name "${node.name}"`)
    }
    if (node.compensate !== undefined && handler.compensate === undefined) {
      return yield* refuse(`the handler for node "${id}" has no function that compensates`)
    }
    handlers.set(id, handler)
  }
  return handlers
})
