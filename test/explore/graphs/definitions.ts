import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Graph, GraphNode, OutputMode, ResultMode } from "../../../src/definition/Graph.js"
import { graphHash } from "../../../src/definition/GraphHash.js"
import { type AnyHandler, broughtBy } from "../../../src/definition/Handler.js"
import * as Node from "../../../src/definition/Node.js"
import type { NodeDefinition } from "../../../src/definition/NodeDefinition.js"
import * as Query from "../../../src/definition/Query.js"
import * as Signal from "../../../src/definition/Signal.js"
import type * as Workflow from "../../../src/definition/Workflow.js"
import type { WorkflowDefinition } from "../../../src/definition/WorkflowDefinition.js"
import { isErrorWired } from "../../runtime/graphsRule.js"
import { type Trait, traitOf, type Whole } from "./cases.js"
import { workerOf } from "./reference.js"

const value = Schema.Unknown

/** What those wait for who wait for a signal. */
export const Nudge = Signal.make("nudge", { payload: Schema.String })

/** What those answer who answer a query. */
export const Standing = Query.make("standing", { success: Schema.Literal("begun", "done") })

/** How long things take, and how long an attempt may take or be silent, which must be longer. */
export interface Pace {
  readonly millis: (amount: number) => Duration.Duration
  readonly patience: Duration.Duration
  /** Longer than all that a firing does that ends well, outages among it. */
  readonly total: Duration.Duration
}

/** The pace of a time that moves by itself. */
export const virtual: Pace = {
  millis: Duration.millis,
  patience: Duration.millis(1_800),
  total: Duration.millis(40_000)
}

/** What an attempt fails with that is worth another one. */
export const flakyError = (attempt: number): { readonly flaky: number; readonly after: number } => ({
  flaky: attempt,
  after: attempt * 40
})

const isFlaky = (error: unknown): error is ReturnType<typeof flakyError> =>
  typeof error === "object" && error !== null && "flaky" in error

/** More than any rule wants: some attempts more may be late when their process was stopped. */
const manyTimes = 4

const pausesOf = ({ pauses }: Trait, { millis }: Pace): Schedule.Schedule<unknown, unknown> => {
  if (pauses === "spaced") return Schedule.spaced(millis(50))
  if (pauses === "exponential") return Schedule.exponential(millis(20))
  return Schedule.identity<unknown>().pipe(Schedule.addDelay((error) => millis(isFlaky(error) ? error.after : 30)))
}

/** Whether the first failed attempt of a node fails the run. */
const givesUp = ({ ending, graph }: Whole, node: GraphNode, trait: Trait): boolean =>
  ending === "retried" && trait.givesUp && node.child === undefined && !isErrorWired(graph, node)

/** How an attempt fails that does. */
export const troubleOf = (node: GraphNode, { trouble }: Trait): Trait["trouble"] =>
  trouble === "error" && !node.hasError ? "defect" : trouble

const timesOf = (node: GraphNode, trait: Trait, { patience, total }: Pace) => {
  const trouble = troubleOf(node, trait)
  return {
    heartbeat: trouble === "silence" ? patience : undefined,
    timeout: trouble === "slowness" ? patience : undefined,
    ...(trait.total ? { totalTimeout: total } : {})
  }
}

const undoPolicy = (trait: Trait, { millis }: Pace) => ({
  // Longer than a worker keeps a run; one that gives up is tried again with its run.
  retry: { times: trait.givesUp ? 0 : 9, schedule: Schedule.spaced(millis(700)), while: () => true },
  timeout: undefined
})

const handles = <M extends string>(ports: ReadonlyArray<{ readonly name: string; readonly mode: M }>) =>
  Object.fromEntries(ports.map(({ mode, name }) => [name, { mode, schema: value }]))

const nodeOf = (whole: Whole, node: GraphNode, pace: Pace): NodeDefinition => {
  const trait = traitOf(whole, node.id)
  const retry = { times: givesUp(whole, node, trait) ? 0 : manyTimes, schedule: pausesOf(trait, pace) }
  return {
    name: node.node,
    kind: node.kind,
    inputs: handles(node.inputs),
    outputs: handles(node.outputs),
    error: node.hasError ? value : undefined,
    payload: node.kind === "trigger" || node.resumable ? value : undefined,
    state: node.resumable ? Schema.Number : undefined,
    resumable: node.resumable,
    repeated: node.repeated,
    concurrency: node.concurrency,
    ...timesOf(node, trait, pace),
    compensate: node.compensates === true ? undoPolicy(trait, pace) : undefined,
    retry: { ...retry, while: isFlaky }
  }
}

const asData = (graph: Graph, nodes: ReadonlyMap<string, NodeDefinition>): WorkflowDefinition => ({
  name: graph.name,
  version: graph.version,
  graph,
  hash: graphHash(graph),
  nodes,
  input: Object.fromEntries(graph.input.map((port) => [port, value])),
  inputSchema: Schema.Record({ key: Schema.String, value }),
  outputs: Object.fromEntries(graph.outputs.map(({ mode, name }) => [name, { mode, schema: value }]))
})

const resultModes: Readonly<Record<OutputMode, ResultMode>> = { one: "value", optional: "option", many: "array" }

/** The workflow that a node is: one node, which does the work. */
const childOf = (node: GraphNode, pace: Pace): WorkflowDefinition => {
  const id = workerOf(node.id)
  const worker: GraphNode = {
    ...{ id, node: id, kind: "task", repeated: 1, resumable: false, hasError: true, concurrency: null },
    inputs: node.inputs.map(({ name }) => ({ name, mode: "one", from: [{ node: "input", port: name }] })),
    outputs: node.outputs
  }
  const graph: Graph = {
    name: node.child!.workflow,
    version: node.child!.version,
    input: node.inputs.map(({ name }) => name),
    nodes: [worker],
    outputs: node.outputs.map(({ mode, name }) => ({ name, mode: resultModes[mode], from: [{ node: id, port: name }] }))
  }
  const definition: NodeDefinition = {
    ...{ name: id, kind: "task", repeated: 1, resumable: false, concurrency: null },
    inputs: handles(worker.inputs),
    outputs: handles(worker.outputs),
    error: value,
    ...{ payload: undefined, state: undefined, heartbeat: undefined, timeout: undefined, compensate: undefined },
    retry: { times: manyTimes, schedule: Schedule.spaced(pace.millis(30)), while: () => false }
  }
  return asData(graph, new Map([[id, definition]]))
}

/** A node that is a workflow of its own, with the handler that it brings along. */
interface ChildNode {
  readonly workflow: WorkflowDefinition
  readonly run: AnyHandler
}

/** A workflow as data, and the nodes of it that are workflows. */
export interface Defined {
  readonly definition: WorkflowDefinition
  readonly children: ReadonlyMap<string, ChildNode>
}

/** It was never written as a chain, so no type speaks of it. */
export const untyped = (definition: WorkflowDefinition): Workflow.Any => definition as unknown as Workflow.Any

/** The definitions of a workflow and of its children. */
export const define = (whole: Whole, pace: Pace): Defined => {
  const children = new Map<string, ChildNode>()
  const nodes = new Map<string, NodeDefinition>()
  for (const node of whole.graph.nodes) {
    if (node.child === undefined) {
      nodes.set(node.id, nodeOf(whole, node, pace))
      continue
    }
    const trait = traitOf(whole, node.id)
    const workflow = childOf(node, pace)
    const wasFlaky = (error: typeof Node.ChildFailure.Type) =>
      error._tag === "RunFailed" && isFlaky(error.failure.error)
    const options = {
      retry: { times: manyTimes, schedule: Schedule.spaced(pace.millis(50)), while: wasFlaky },
      ...(node.concurrency === null ? {} : { concurrency: node.concurrency }),
      ...(trait.total ? { timeout: { total: pace.total } } : {})
    }
    const plain = Node.child(node.node, untyped(workflow), options)
    children.set(node.id, { workflow, run: broughtBy(plain)!.run })
    const undo = node.compensates === true ? { compensate: undoPolicy(trait, pace) } : {}
    nodes.set(node.id, { ...plain, ...undo })
  }
  return { definition: asData(whole.graph, nodes), children }
}
