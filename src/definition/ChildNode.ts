import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { RunCancelled, RunFailed } from "../model/Errors.js"
import { type CompensateOptions, type Compensates, compensationPolicy } from "./Compensate.js"
import type { OutputMode, ResultMode } from "./Graph.js"
import * as Handler from "./Handler.js"
import * as Input from "./Input.js"
import type { ChildReference, NodeDefinition } from "./NodeDefinition.js"
import { type RetryOptions, retryPolicy } from "./Retry.js"
import * as Step from "./Step.js"
import { timeouts } from "./Timeout.js"
import type * as Workflow from "./Workflow.js"

/** How a child ends that gives no output. */
export const childFailure = Schema.Union(RunFailed, RunCancelled)

/** A node that is another workflow; it brings its handler along, so that only what compensates is asked for. */
export interface ChildNode<
  Name extends string,
  W extends Workflow.Any,
  Undo extends CompensateOptions | undefined = undefined
> extends NodeDefinition {
  readonly name: Name
  readonly kind: "task"
  readonly inputs: Workflow.InputHandles<W>
  readonly outputs: Workflow.OutputPorts<W>
  readonly error: typeof childFailure
  readonly payload: undefined
  readonly state: undefined
  readonly repeated: 1
  readonly child: ChildReference
  readonly compensate: Compensates<Undo>

  /**
   * Provides what undoes a child that has completed, or may have; only there with `compensate`.
   *
   * @example
   * ShipAll.toLayer(({ order }) => Depot.recall(order))
   */
  readonly toLayer: Undo extends CompensateOptions
    ? <C extends Handler.CompensationFunction<ChildNode<Name, W, Undo>>>(
        compensate: C
      ) => Layer.Layer<Handler.Handler<Name>, never, Handler.Environment<C>>
    : undefined
}

/** Policies of a child node. */
export interface ChildOptions<Undo extends CompensateOptions | undefined> {
  /** Each attempt is a child of its own; without `while` a child that failed is tried again, not one that was cancelled. */
  readonly retry?: RetryOptions<typeof childFailure.Type> | undefined
  /** Children of one run that live at once, those to be tried again among them; as many as the setting `childFanOut` says if absent. */
  readonly concurrency?: number | undefined
  /** Bounds all attempts of a firing together; when it is over the run fails, and the child is cancelled. */
  readonly timeout?: { readonly total: Duration.DurationInput } | undefined
  /** Whether what a child did can be undone, and how that is tried again. */
  readonly compensate?: Undo
}

/** Builds a child node; see `Node.child`. */
export const makeChild = <
  const Name extends string,
  W extends Workflow.Any,
  Undo extends CompensateOptions | undefined = undefined
>(
  name: Name,
  workflow: W,
  options: ChildOptions<Undo> = {}
): ChildNode<Name, W, Undo> => {
  const { compensate, concurrency = null, retry, timeout } = options
  const definition: NodeDefinition = {
    name,
    kind: "task",
    inputs: Object.fromEntries(Object.entries(workflow.input).map(([port, schema]) => [port, Input.one(schema)])),
    outputs: Object.fromEntries(
      Object.entries(workflow.outputs).map(([port, { mode, schema }]) => [port, { mode: portMode(mode), schema }])
    ),
    error: childFailure,
    payload: undefined,
    state: undefined,
    resumable: false,
    repeated: 1,
    concurrency,
    ...timeouts(timeout),
    heartbeat: undefined,
    retry: retry === undefined ? undefined : retryPolicy({ while: hasFailed, ...retry }),
    compensate: compensate === undefined ? undefined : compensationPolicy(compensate),
    child: { workflow: workflow.name, version: workflow.version }
  }
  const run = runChild(workflow)
  // any node is typed here as one without an error, which the types of this node know better
  const handle = run as unknown as Handler.HandlerFunction<NodeDefinition>
  const node: NodeDefinition = {
    ...definition,
    ...(compensate === undefined
      ? Handler.bring({ environment: Context.empty(), run })
      : { toLayer: (undo: Parameters<typeof Handler.layer>[2]): unknown => Handler.layer(node, handle, undo) })
  }
  // what the workflow's type says of its ports, its schemas are
  return node as ChildNode<Name, W, Undo>
}

const hasFailed = ({ _tag }: typeof childFailure.Type): boolean => _tag === "RunFailed"

/** How much of a workflow's output a firing gives. */
const portMode = (mode: ResultMode): OutputMode => {
  if (mode === "array") return "many"
  return mode === "option" ? "optional" : "one"
}

/** The step of a child node's handler. */
const stepName = "child"

/** The handler of a child node: the child, and its outputs as ports take them. */
const runChild = (workflow: Workflow.Any) => (inputs: { readonly [handle: string]: unknown }) =>
  Effect.map(Step.child(stepName, workflow, inputs), (output) =>
    Object.fromEntries(
      Object.entries(output as { readonly [name: string]: unknown }).map(([name, value]) => [
        name,
        workflow.outputs[name]?.mode === "option" ? Option.getOrUndefined(value as Option.Option<unknown>) : value
      ])
    )
  )
