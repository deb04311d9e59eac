import type { Graph, GraphInput, GraphNode } from "../../src/definition/Graph.js"
import type { Json } from "../../src/model/Json.js"
import type { Rule } from "./graphsRule.js"

/** What the nodes of a random graph do besides what its rule says. */
interface Features {
  /** What was `all` is read as a stream. */
  readonly streams: boolean
  /** Every other node can undo what it did. */
  readonly undo: boolean
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
    ...(streams && mayStream(node) ? { inputs: node.inputs.map(streamed) } : {}),
    ...(undo && index % 2 === 0 ? { compensates: true as const } : {})
  }))
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
