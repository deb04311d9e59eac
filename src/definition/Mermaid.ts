import { errorPort, type Graph, type GraphInput, type GraphNode, inputNode, outputNode, type PortRef } from "./Graph.js"

/**
 * Draws a graph as a Mermaid flowchart.
 *
 * **Details** Triggers are hexagons, child workflows have double sides, typed errors dotted arrows; an arrow says its port, and the handle where it has another
 * name.
 *
 * @example
 * mermaid(Order.graph) // "flowchart LR\n  input([input])\n  …"
 */
export const mermaid = (graph: Graph): string => {
  // `end` and the like are words of Mermaid, so nodes go by their place
  const keys = new Map(graph.nodes.map(({ id }, index) => [id, `n${index}`]))
  const keyOf = (id: string): string => keys.get(id) ?? id
  const wires = [
    ...graph.nodes.flatMap((node) =>
      node.inputs.flatMap((handle) => arrows(handle, handleName(handle), node.id, keyOf))
    ),
    ...graph.outputs.flatMap((result) => arrows(result, result.name, outputNode, keyOf))
  ]
  return [
    "flowchart LR",
    `  ${inputNode}([${inputNode}])`,
    ...graph.nodes.map((node) => `  ${keyOf(node.id)}${shape(node)}`),
    `  ${outputNode}([${outputNode}])`,
    ...wires.map((wire) => `  ${wire}`)
  ].join("\n")
}

const shape = ({ child, id, node, kind }: GraphNode): string => {
  if (child !== undefined) return `[["${id}: ${child.workflow} ${child.version}"]]`
  const label = id === node ? id : `${id}: ${node}`
  return kind === "trigger" ? `{{"${label}"}}` : `["${label}"]`
}

const handleName = ({ name, mode }: GraphInput): string => (mode === "one" ? name : `${name} (${mode})`)

const arrows = (
  { from }: { readonly from: ReadonlyArray<PortRef> },
  handle: string,
  to: string,
  keyOf: (id: string) => string
): ReadonlyArray<string> =>
  from.map(({ node, port }) => {
    const label = port === handle ? port : `${port} → ${handle}`
    const arrow = port === errorPort && node !== inputNode ? "-.->" : "-->"
    return `${keyOf(node)} ${arrow}|"${label}"| ${keyOf(to)}`
  })
