import * as Schema from "effect/Schema"
import { doubtfulResults } from "./Arrival.js"
import { countIssues, idIssues, nameIssues, nodeIssues } from "./Check.js"
import { type Graph, type GraphNode, inputNode } from "./Graph.js"
import { graphHash } from "./GraphHash.js"
import type { AnySchema } from "./Input.js"
import { InvalidWorkflow } from "./InvalidWorkflow.js"
import type { NodeDefinition } from "./NodeDefinition.js"
import type { AnyPort } from "./Port.js"
import { isResult, type ReadResult, type Result, toResult } from "./Result.js"
import { signalClashes } from "./SignalCheck.js"
import { inputPorts, type KnownPorts, readWiring, type Step, stepPorts, wireIssues } from "./Wiring.js"
import type { WorkflowDefinition } from "./WorkflowDefinition.js"

/** A workflow while it is written: what is there, and what was found wrong so far. */
export interface Draft {
  readonly name: string
  readonly version: number
  readonly input: { readonly [port: string]: AnySchema }
  readonly steps: ReadonlyArray<Step>
  readonly known: Known
  readonly issues: ReadonlyArray<string>
}

/**
 * The ports of the input and of so many steps, one object for all drafts of a chain.
 *
 * **Details** A copy for each node was most of what a chain of 505 nodes took: 160 ms in a fresh process, 76 so.
 */
interface Known {
  readonly ports: { [node: string]: KnownPorts[string] }
  steps: number
}

/** A draft without nodes. */
export const begin = (name: string, version: number, input: Draft["input"]): Draft => ({
  name,
  version,
  input,
  steps: [],
  known: knowing(inputPorts(inputNode, input)),
  issues: [
    ...nameIssues("workflow name", name),
    ...countIssues("version", version),
    ...Object.keys(input).flatMap((port) => nameIssues("input port", port))
  ]
})

/** The draft with one more node. */
export const addNode = (
  draft: Draft,
  id: string,
  node: NodeDefinition,
  wire: (ports: KnownPorts) => unknown
): Draft => {
  const known = knownTo(draft)
  if (id !== inputNode && Object.hasOwn(known.ports, id)) return taken(draft, id)
  // the input's id is an issue already; whoever took it twice hears of that, too
  if (id === inputNode && draft.steps.some((step) => step.id === id)) return taken(draft, id)
  const { value, issues: thrown } = call(`node "${id}"`, () => wire(known.ports))
  const { wires, issues } =
    thrown.length > 0 ? { wires: new Map(), issues: thrown } : readWiring(id, node, value, known.ports)
  const step: Step = { id, node, wires }
  add(known, id, stepPorts(step))
  return { ...withIssues(draft, [...idIssues(id), ...issues]), steps: [...draft.steps, step], known }
}

const taken = (draft: Draft, id: string): Draft => withIssues(draft, [`node id "${id}" is already taken`])

// without a prototype no id is special
const knowing = (input: KnownPorts[string]): Known => ({
  ports: Object.assign(Object.create(null), { [inputNode]: input }),
  steps: 0
})

const add = (known: Known, id: string, ports: KnownPorts[string]): void => {
  known.steps++
  // a step that took the id `input` must not hide the input from those after it
  if (id !== inputNode) known.ports[id] = ports
}

/** What a draft knows: a copy, once a longer one has grown from it. */
const knownTo = (draft: Draft): Known => {
  if (draft.known.steps === draft.steps.length) return draft.known
  const own = knowing(draft.known.ports[inputNode]!)
  for (const { id } of draft.steps) add(own, id, draft.known.ports[id]!)
  return own
}

/**
 * The finished workflow.
 *
 * **Errors** Throws `InvalidWorkflow` with everything that is wrong.
 */
export const finish = (draft: Draft, read: (ports: KnownPorts) => unknown): WorkflowDefinition => {
  const { ports } = knownTo(draft)
  const { value, issues: thrown } = call("output", () => read(ports))
  const results = readResults(value, ports)
  const graph = toGraph(draft, results.outputs)
  const issues = [
    ...draft.issues,
    ...new Set([...new Set(draft.steps.map(({ node }) => node))].flatMap(nodeIssues)),
    ...sharedNames(draft.steps),
    ...signalClashes(draft.steps),
    ...thrown,
    ...results.issues,
    ...doubtfulResults(graph)
  ]
  if (issues.length > 0) throw new InvalidWorkflow({ workflow: String(draft.name), issues })
  return {
    name: draft.name,
    version: draft.version,
    graph,
    hash: graphHash(graph),
    nodes: new Map(draft.steps.map(({ id, node }) => [id, node])),
    input: draft.input,
    inputSchema: Schema.Struct(draft.input),
    outputs: Object.fromEntries([...results.outputs].map(([name, { mode, schema }]) => [name, { mode, schema }]))
  }
}

const withIssues = (draft: Draft, issues: ReadonlyArray<string>): Draft => ({
  ...draft,
  issues: [...draft.issues, ...issues]
})

/** Calls what a user wrote; what it throws is an issue like the others. */
const call = (
  what: string,
  body: () => unknown
): { readonly value: unknown; readonly issues: ReadonlyArray<string> } => {
  try {
    return { value: body(), issues: [] }
  } catch (error) {
    return {
      value: {},
      issues: [`${what}: its wiring threw ${error instanceof Error ? error.message : String(error)}`]
    }
  }
}

interface ReadResults {
  readonly outputs: ReadonlyMap<string, ReadResult>
  readonly issues: ReadonlyArray<string>
}

/** Reads what was named as outputs, as code without types may have written it. */
const readResults = (read: unknown, known: KnownPorts): ReadResults => {
  const outputs = new Map<string, ReadResult>()
  const issues: Array<string> = []
  for (const [name, result] of Object.entries(read ?? {}) as ReadonlyArray<[string, unknown]>) {
    const candidates = isResult(result) ? result.ports : [result]
    const wrong = [...nameIssues("output", name), ...wireIssues(`output "${name}"`, true, candidates, known)]
    if (isResult(result) && result.mode === "option" && result.ports.some((port) => port.many)) {
      wrong.push(`output "${name}": Workflow.maybe reads a port with at most one message`)
    }
    if (wrong.length === 0) outputs.set(name, toResult(result as AnyPort | Result<unknown>))
    issues.push(...wrong)
  }
  return { outputs, issues }
}

/** Handlers go by the name of their node, so a name is one node. */
const sharedNames = (steps: ReadonlyArray<Step>): ReadonlyArray<string> => {
  const nodes = new Map<string, NodeDefinition>()
  const shared = new Set<string>()
  for (const { node } of steps) {
    const other = nodes.get(node.name)
    if (other === undefined) nodes.set(node.name, node)
    else if (other !== node) shared.add(`two different nodes are named "${node.name}"`)
  }
  return [...shared]
}

const toGraph = (draft: Draft, outputs: ReadonlyMap<string, ReadResult>): Graph => ({
  name: draft.name,
  version: draft.version,
  input: Object.keys(draft.input),
  nodes: draft.steps.map(toGraphNode),
  outputs: [...outputs].map(([name, { mode, from }]) => ({ name, mode, from }))
})

const toGraphNode = ({ id, node, wires }: Step): GraphNode => ({
  id,
  node: node.name,
  kind: node.kind,
  repeated: node.repeated,
  resumable: node.resumable,
  inputs: [...wires].map(([name, { mode, ports }]) => ({ name, mode, from: ports.map(({ ref }) => ref) })),
  outputs: Object.entries(node.outputs).map(([name, { mode }]) => ({ name, mode })),
  hasError: node.error !== undefined,
  concurrency: node.concurrency,
  ...(node.compensate === undefined ? {} : { compensates: true as const }),
  ...(node.child === undefined ? {} : { child: node.child })
})
