import type { Graph, GraphNode, PortRef } from "./Graph.js"

/**
 * Says in words what makes `after` another graph than `before`, a line each; nothing if their hashes are the same.
 *
 * @example
 * difference(stored, mine) // ['node "charge" is new', 'output "receipt" comes from charge.receipt, not from pay.receipt']
 */
export const difference = (before: Graph, after: Graph): ReadonlyArray<string> => [
  ...changed("the name", before.name, after.name),
  ...changed("the version", before.version, after.version),
  ...compare("input", before.input.map(named), after.input.map(named), () => []),
  ...compare("node", before.nodes.map(withId), after.nodes.map(withId), nodeDifference),
  ...orderDifference(before.nodes, after.nodes),
  ...compare("output", before.outputs, after.outputs, wireDifference)
]

interface Named {
  readonly name: string
}

interface Wired extends Named {
  readonly mode: string
  readonly from: ReadonlyArray<PortRef>
}

const named = (name: string): Named => ({ name })

const withId = (node: GraphNode) => ({ ...node, name: node.id })

/** What is gone, what is new, and what has changed within what stayed. */
const compare = <A extends Named>(
  what: string,
  before: ReadonlyArray<A>,
  after: ReadonlyArray<A>,
  within: (what: string, before: A, after: A) => ReadonlyArray<string>
): ReadonlyArray<string> => {
  const old = new Map(before.map((item) => [item.name, item]))
  const present = new Set(after.map(({ name }) => name))
  return [
    ...before.filter(({ name }) => !present.has(name)).map(({ name }) => `${what} "${name}" is gone`),
    ...after.flatMap((item) => {
      const was = old.get(item.name)
      return was === undefined ? [`${what} "${item.name}" is new`] : within(`${what} "${item.name}"`, was, item)
    })
  ]
}

const changed = (what: string, before: string | number, after: string | number): ReadonlyArray<string> =>
  before === after ? [] : [`${what} is ${after}, not ${before}`]

const nodeDifference = (what: string, before: GraphNode, after: GraphNode): ReadonlyArray<string> => [
  ...changed(`${what}: its definition`, before.node, after.node),
  ...changed(`${what}: its kind`, before.kind, after.kind),
  ...changed(`${what}: the number of its inputs from outside`, times(before.repeated), times(after.repeated)),
  ...gained(`${what} can suspend itself`, `${what} can't suspend itself any more`, before.resumable, after.resumable),
  ...gained(`${what} has a typed error`, `${what} has no typed error any more`, before.hasError, after.hasError),
  ...gained(
    `${what} can be compensated`,
    `${what} can't be compensated any more`,
    before.compensates === true,
    after.compensates === true
  ),
  ...changed(`${what}: its handler`, childName(before), childName(after)),
  ...compare(`${what}: handle`, before.inputs, after.inputs, wireDifference),
  ...compare(`${what}: port`, before.outputs, after.outputs, (port, was, is) =>
    changed(`${port}: its mode`, was.mode, is.mode)
  )
]

const childName = ({ child }: GraphNode): string =>
  child === undefined ? "one of its own" : `workflow ${child.workflow} version ${child.version}`

const times = (repeated: number | null): string => (repeated === null ? "any" : String(repeated))

const gained = (now: string, noMore: string, before: boolean, after: boolean): ReadonlyArray<string> => {
  if (before === after) return []
  return [after ? now : noMore]
}

const wireDifference = (what: string, before: Wired, after: Wired): ReadonlyArray<string> => {
  const was = producers(before.from)
  const is = producers(after.from)
  return [
    ...changed(`${what}: its mode`, before.mode, after.mode),
    ...(was === is ? [] : [`${what} comes from ${is}, not from ${was}`])
  ]
}

const producers = (from: ReadonlyArray<PortRef>): string => from.map(({ node, port }) => `${node}.${port}`).join(", ")

/** Rows know a node by its place, so another order of the same nodes is another graph. */
const orderDifference = (before: ReadonlyArray<GraphNode>, after: ReadonlyArray<GraphNode>): ReadonlyArray<string> => {
  const common = (nodes: ReadonlyArray<GraphNode>, others: ReadonlyArray<GraphNode>) =>
    nodes.filter(({ id }) => others.some((other) => other.id === id)).map(({ id }) => id)
  const was = common(before, after).join(", ")
  const is = common(after, before).join(", ")
  return was === is ? [] : [`the nodes stand in the order ${is}, not ${was}`]
}
