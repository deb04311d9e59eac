import type { Graph, GraphInput, GraphNode } from "../../src/definition/Graph.js"
import type { Json } from "../../src/model/Json.js"
import type { Rule } from "./graphsRule.js"

/** What the nodes of a random graph do besides what its rule says. */
export interface Features {
  /** Handlers work in steps, some of which sleep. */
  readonly steps?: boolean
  /** Some handles are `unordered` or `latest`: the order in which things come counts. */
  readonly loose?: boolean
  /** What was `all` is read as a stream, every other node with checkpoints; `many` outputs are given as streams. */
  readonly streams?: boolean
  /** Every other node can undo what it did. */
  readonly undo?: boolean
  /** Some nodes run a small workflow as a child. */
  readonly children?: boolean
  /** Some wait for a signal, for a while. */
  readonly signals?: boolean
  /** Some write into the application's own table, in a transaction of its own client. */
  readonly transactions?: boolean
}

/** Whether a node may read streams where it has taken everything at once. */
const mayStream = ({ inputs, kind, resumable }: GraphNode): boolean =>
  kind === "task" &&
  !resumable &&
  inputs.some(({ mode }) => mode === "all") &&
  inputs.every(({ mode }) => mode === "all" || mode === "shared")

const streamed = (input: GraphInput): GraphInput => (input.mode === "all" ? { ...input, mode: "stream" } : input)

/** The graph with nodes that read streams and nodes that can be undone. */
export const enrich = (graph: Graph, { streams, undo }: Features): Graph => ({
  ...graph,
  nodes: graph.nodes.map((node, index) => ({
    ...node,
    ...(streams === true && mayStream(node) ? { inputs: node.inputs.map(streamed) } : {}),
    ...(undo === true && index % 2 === 0 ? { compensates: true as const } : {})
  }))
})

/** Whether something in a graph is given as a stream and read as one. */
export const hasStreams = (graph: Graph): boolean =>
  graph.nodes.some(
    (node) =>
      mayStream(node) &&
      node.inputs.some(({ from, mode }) => mode === "all" && from.some((ref) => isMany(graph, ref.node, ref.port)))
  )

const isMany = (graph: Graph, nodeId: string, port: string): boolean =>
  graph.nodes.some(
    ({ id, outputs }) => id === nodeId && outputs.some(({ mode, name }) => name === port && mode === "many")
  )

/** The graph with what its readers of streams give among its results, so that every element counts. */
export const showStreams = (graph: Graph): Graph => ({
  ...graph,
  outputs: [
    ...graph.outputs,
    ...graph.nodes.flatMap((node) =>
      mayStream(node) && node.outputs[0] !== undefined
        ? [{ name: `of ${node.id}`, mode: "array" as const, from: [{ node: node.id, port: node.outputs[0].name }] }]
        : []
    )
  ]
})

/** The rule with which it does not matter in what order elements came that a node takes all at once. */
export const orderless =
  (rule: Rule): Rule =>
  (nodeId, { event, handles }) =>
    rule(nodeId, {
      handles: Object.fromEntries(Object.entries(handles).map(([name, value]) => [name, inOrder(value)])),
      ...(event === undefined ? {} : { event })
    })

const inOrder = (value: Json): Json =>
  Array.isArray(value) ? [...value].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : value
