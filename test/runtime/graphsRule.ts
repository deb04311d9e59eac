import { errorPort, type Graph, type GraphNode } from "../../src/definition/Graph.js"
import type { Json } from "../../src/model/Json.js"

/** What a handler sees: a value per handle (an array for `all`), and for a trigger node the event. */
export interface RuleInputs {
  readonly handles: { readonly [handle: string]: Json }
  readonly event?: Json
}

/**
 * What a firing comes to.
 *
 * **Details** It fails `flaky` attempts with an error worth a retry, then suspends `suspends` times (resumable nodes only),
 * then ends with `result`. An event that wakes a resumable node has no influence: which firing gets it may depend on time.
 */
export interface RuleOutcome {
  readonly flaky: number
  readonly suspends: number
  readonly result:
    | { readonly _tag: "Complete"; readonly outputs: { readonly [port: string]: ReadonlyArray<Json> } }
    | { readonly _tag: "Fail"; readonly error: Json }
    | { readonly _tag: "Die"; readonly message: string }
}

/** How the handlers of a graph behave: a function of node id and inputs alone. */
export type Rule = (nodeId: string, inputs: RuleInputs) => RuleOutcome

/** Which failures a rule may have: none that end the run, or any. */
export interface RuleOptions {
  readonly fatal: boolean
}

/** The rule of a seed: routes, counts of elements, failures and values are drawn from a hash of what the node got. */
export const rule = (graph: Graph, seed: number, options: RuleOptions = { fatal: false }): Rule => {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]))
  return (nodeId, inputs) => {
    const node = nodes.get(nodeId)!
    const got = JSON.stringify([nodeId, sorted(inputs.handles), inputs.event ?? null])
    const draw = (what: string, below: number) => hash(`${seed} ${what} ${got}`) % below
    return {
      flaky: Math.max(0, draw("flaky", 8) - 5),
      suspends: node.resumable ? draw("suspends", 3) : 0,
      result: resultOf(node, isErrorWired(graph, node), options, got, draw)
    }
  }
}

/** Whether something takes a node's typed error, so that it doesn't fail the run. */
export const isErrorWired = (graph: Graph, node: GraphNode): boolean =>
  node.hasError &&
  [...graph.nodes.flatMap(({ inputs }) => inputs), ...graph.outputs].some(({ from }) =>
    from.some((ref) => ref.node === node.id && ref.port === errorPort)
  )

const resultOf = (
  node: GraphNode,
  wired: boolean,
  options: RuleOptions,
  got: string,
  draw: (what: string, below: number) => number
): RuleOutcome["result"] => {
  if (options.fatal && draw("die", 12) === 0) return { _tag: "Die", message: `${node.id} dies` }
  if (node.hasError && (wired || options.fatal) && draw("fail", 3) === 0) {
    return { _tag: "Fail", error: { problem: `${node.id} ${hash(got)}` } }
  }
  const outputs: Record<string, ReadonlyArray<Json>> = {}
  for (const { mode, name } of node.outputs) {
    const most = { one: 1, optional: draw(`route ${name}`, 3) === 0 ? 0 : 1, many: draw(`count ${name}`, 5) }
    outputs[name] = Array.from(
      { length: most[mode] },
      (_, ordinal) => `${node.id}.${name}[${ordinal}] of ${hash(`${name} ${got}`).toString(36)}`
    )
  }
  return { _tag: "Complete", outputs }
}

const sorted = (record: { readonly [key: string]: Json }): Json =>
  Object.entries(record).sort(([a], [b]) => (a < b ? -1 : Number(a > b)))

/** FNV-1a with a last mix, 32 bits. */
const hash = (text: string): number => {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d)
  return (value ^ (value >>> 13)) >>> 0
}
