import { errorPort, type Graph, type GraphInput, type GraphNode, inputNode, type PortRef } from "./Graph.js"

/** Why something may not be there; nothing if it surely is. */
type Doubt = string | undefined

/**
 * What may become of a node or a port.
 *
 * **Details** `skipped`: dead paths may close it. `empty`: nothing may come, be it skipped or because a `many` output gave
 * nothing.
 */
interface Doubts {
  readonly skipped: Doubt
  readonly empty: Doubt
}

const certain: Doubts = { skipped: undefined, empty: undefined }

/**
 * Finds the outputs that are read as values, but may never get one.
 *
 * **Details** Types know of routes and of `many`. They can't know that a later step wires a node's error, after which
 * the node may fail without failing the run, nor that all producers of an `all` handle may be skipped.
 */
export const doubtfulResults = (graph: Graph): ReadonlyArray<string> => {
  const nodes = new Map<string, { readonly node: GraphNode; readonly doubts: Doubts }>()
  const caught = wiredErrors(graph)
  const ofNode = (id: string): Doubts => nodes.get(id)?.doubts ?? certain
  const ofPort = (ref: PortRef): Doubts => {
    const producer = nodes.get(ref.node)
    return producer === undefined ? certain : doubtsOfPort(producer.node, ref.port, producer.doubts, caught)
  }
  for (const node of graph.nodes) nodes.set(node.id, { node, doubts: doubtsOfNode(node, ofNode, ofPort) })
  return graph.outputs.flatMap(({ name, mode, from }) =>
    mode !== "value"
      ? []
      : from.flatMap((ref) => {
          const { empty } = ofPort(ref)
          return empty === undefined
            ? []
            : [
                `output "${name}": ${ref.node}.${ref.port} may not come, as ${empty}; use Workflow.maybe or Workflow.firstOf`
              ]
        })
  )
}

/** Ids of the nodes whose error is wired to something. */
const wiredErrors = (graph: Graph): ReadonlySet<string> =>
  new Set(
    [...graph.nodes.flatMap((node) => node.inputs), ...graph.outputs]
      .flatMap(({ from }) => from)
      .filter((ref) => ref.port === errorPort && ref.node !== inputNode)
      .map((ref) => ref.node)
  )

const doubtsOfPort = (node: GraphNode, port: string, doubts: Doubts, caught: ReadonlySet<string>): Doubts => {
  if (port === errorPort) return both(`node "${node.id}" may not fail`)
  if (caught.has(node.id)) return both(`the error of node "${node.id}" is wired`)
  switch (node.outputs.find(({ name }) => name === port)?.mode) {
    case "optional":
      return both(`the route ${node.id}.${port} may not be taken`)
    case "many":
      return { skipped: doubts.skipped, empty: `${node.id}.${port} may get nothing` }
    default:
      return doubts
  }
}

const doubtsOfNode = (node: GraphNode, ofNode: (id: string) => Doubts, ofPort: (ref: PortRef) => Doubts): Doubts => {
  const handles = node.inputs.map((handle) => doubtsOfHandle(node, handle, ofNode, ofPort))
  return {
    skipped: handles.find(({ skipped }) => skipped !== undefined)?.skipped,
    empty: handles.find(({ empty }) => empty !== undefined)?.empty
  }
}

const doubtsOfHandle = (
  node: GraphNode,
  { mode, from, name }: GraphInput,
  ofNode: (id: string) => Doubts,
  ofPort: (ref: PortRef) => Doubts
): Doubts => {
  if (mode === "all" || mode === "stream") {
    return from.length > 0 && from.every((ref) => ofNode(ref.node).skipped !== undefined)
      ? both(`all producers of handle "${name}" of node "${node.id}" may be skipped`)
      : certain
  }
  const wires = from.map(ofPort)
  const [only] = wires
  // a handle without producers is an issue of its own
  if (only === undefined) return certain
  if (wires.length === 1) return only
  return wires.every(({ empty }) => empty !== undefined)
    ? both(`handle "${name}" of node "${node.id}" may get nothing`)
    : certain
}

const both = (doubt: string): Doubts => ({ skipped: doubt, empty: doubt })
