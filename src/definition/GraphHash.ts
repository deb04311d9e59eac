import type { Graph } from "./Graph.js"
import { sha256 } from "./Sha256.js"

/**
 * The structural hash of a graph: SHA-256 in hexadecimal of its canonical JSON.
 *
 * **Details** What only tunes a run (concurrency) and the order in which handles, ports and outputs were written don't
 * count. The order of nodes does: rows know a node by its place.
 */
export const graphHash = (graph: Graph): string => sha256(JSON.stringify(canonical(graph)))

const canonical = (graph: Graph) => ({
  name: graph.name,
  version: graph.version,
  input: [...graph.input].sort(),
  nodes: graph.nodes.map((node) => ({
    id: node.id,
    node: node.node,
    kind: node.kind,
    repeated: node.repeated,
    resumable: node.resumable,
    inputs: byName(node.inputs).map(({ name, mode, from }) => ({ name, mode, from: from.map(reference) })),
    outputs: byName(node.outputs).map(({ name, mode }) => ({ name, mode })),
    hasError: node.hasError,
    // absent where it is not so: graphs without it keep the hash they had before there was any
    ...(node.compensates === undefined ? {} : { compensates: node.compensates }),
    ...(node.child === undefined ? {} : { child: `${node.child.workflow}@${node.child.version}` })
  })),
  outputs: byName(graph.outputs).map(({ name, mode, from }) => ({ name, mode, from: from.map(reference) }))
})

const reference = (ref: { readonly node: string; readonly port: string }): string => `${ref.node}.${ref.port}`

/** Sorted by code unit: the same in every locale. */
const byName = <A extends { readonly name: string }>(items: ReadonlyArray<A>): ReadonlyArray<A> =>
  [...items].sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)))
