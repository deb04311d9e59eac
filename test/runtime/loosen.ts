import type { Graph, GraphNode, InputMode } from "../../src/definition/Graph.js"

const loose: ReadonlyArray<InputMode> = ["one", "unordered", "latest"]

/** The graph with some of its aligned handles made loose. */
export const loosen = (graph: Graph, choices: ReadonlyArray<number>): Graph => ({
  ...graph,
  nodes: graph.nodes.map((node, index): GraphNode => {
    const mode = loose[(choices[index % choices.length] ?? 0) % loose.length]!
    const fits = node.inputs.every((input) => input.mode === "one" || input.mode === "shared")
    if (!fits || (mode === "latest" && node.kind === "trigger")) return node
    return { ...node, inputs: node.inputs.map((input) => (input.mode === "one" ? { ...input, mode } : input)) }
  })
})
