import * as FastCheck from "effect/FastCheck"
import {
  errorPort,
  type Graph,
  type GraphInput,
  type GraphNode,
  type GraphOutput,
  type GraphResult,
  type InputMode,
  inputNode,
  type OutputMode,
  type PortRef
} from "../../src/definition/Graph.js"

/**
 * Which graphs are wanted.
 *
 * **Details** `manyPorts` bounds how many outputs may be `many`, as each can multiply the messages after it. `merging`:
 * handles with several producers. `endless`: triggers that take any number of events and never end, so their runs don't.
 */
export interface GraphOptions {
  readonly maxNodes: number
  readonly manyPorts: number
  readonly merging: boolean
  readonly triggers: boolean
  readonly endless: boolean
  readonly resumable: boolean
  readonly errors: boolean
}

const everyGraph: GraphOptions = {
  maxNodes: 10,
  manyPorts: 3,
  merging: true,
  triggers: true,
  endless: true,
  resumable: true,
  errors: true
}

/** Random graphs that a workflow definition could have; they shrink to fewer nodes with fewer and simpler handles. */
export const graphs = (options: Partial<GraphOptions> = {}): FastCheck.Arbitrary<Graph> => {
  const wanted = { ...everyGraph, ...options }
  return FastCheck.record({
    inputs: FastCheck.integer({ min: 1, max: 3 }),
    nodes: FastCheck.array(nodeSketches, { minLength: 1, maxLength: wanted.maxNodes, size: "max" }),
    results: FastCheck.array(resultSketches, { minLength: 1, maxLength: 3 })
  }).map((sketch) => new GraphBuilder(wanted, sketch.inputs).build(sketch.nodes, sketch.results))
}

/** A choice among the ports there are, the latest first: half of them among the last few, so that graphs get deep. */
const picks = FastCheck.oneof(FastCheck.nat(3), FastCheck.nat(1_000))

const handleSketches = FastCheck.record({
  mode: FastCheck.constantFrom<InputMode>("one", "one", "one", "one", "shared", "all"),
  from: FastCheck.array(picks, { minLength: 1, maxLength: 3 }),
  merged: FastCheck.constantFrom(false, false, true),
  afterMany: FastCheck.boolean()
})

/** Mostly one handle: a zip is as short as its shortest, so that with many of them nothing would fire often. */
const handleLists = FastCheck.oneof(
  { weight: 1, arbitrary: FastCheck.constant([]) },
  { weight: 6, arbitrary: FastCheck.array(handleSketches, { minLength: 1, maxLength: 1 }) },
  { weight: 3, arbitrary: FastCheck.array(handleSketches, { minLength: 1, maxLength: 3, size: "max" }) }
)

const nodeSketches = FastCheck.record({
  kind: FastCheck.constantFrom("task", "task", "task", "task", "resumable", "trigger"),
  handles: handleLists,
  ports: FastCheck.array(FastCheck.constantFrom<OutputMode>("one", "optional", "many"), {
    minLength: 1,
    maxLength: 3
  }),
  error: FastCheck.constantFrom(false, false, true),
  repeated: FastCheck.constantFrom(1, 1, 2, 3, null),
  concurrency: FastCheck.constantFrom(null, 1, 2, 3)
})

const resultSketches = FastCheck.record({
  from: FastCheck.array(picks, { minLength: 1, maxLength: 3 }),
  first: FastCheck.constantFrom(false, false, false, true)
})

type Values<A> = A extends FastCheck.Arbitrary<infer B> ? B : never
type NodeSketch = Values<typeof nodeSketches>
type ResultSketch = Values<typeof resultSketches>

/** What is known of a port: whether several messages can come, and whether one surely does. */
interface KnownPort {
  readonly ref: PortRef
  readonly many: boolean
  readonly sure: boolean
}

/** Turns sketches into a graph: each choice falls on what is there. */
class GraphBuilder {
  private readonly nodes: Array<GraphNode> = []
  private readonly ports: Array<KnownPort> = []
  private readonly input: ReadonlyArray<string>
  private manyPorts: number

  constructor(
    private readonly wanted: GraphOptions,
    inputs: number
  ) {
    this.manyPorts = wanted.manyPorts
    this.input = Array.from({ length: inputs }, (_, index) => `i${index}`)
    for (const port of this.input) this.ports.push({ ref: { node: inputNode, port }, many: false, sure: true })
  }

  build(nodes: ReadonlyArray<NodeSketch>, results: ReadonlyArray<ResultSketch>): Graph {
    for (const node of nodes) this.addNode(node)
    return {
      name: "random",
      version: 1,
      input: this.input,
      nodes: this.nodes,
      outputs: results.map((result, index) => this.result(`r${index}`, result))
    }
  }

  private addNode(sketch: NodeSketch): void {
    const kind = this.kindOf(sketch)
    const inputs = sketch.handles.map((handle, index) => this.handle(`h${index}`, handle))
    const outputs = sketch.ports.map((mode, index) => this.output(`p${index}`, mode))
    const perMessage = inputs.length > 0 && inputs.every(({ mode }) => mode !== "all")
    const aligned = perMessage && inputs.some(({ mode }) => mode === "one")
    const endless = kind === "trigger" && sketch.repeated === null && !aligned
    const unlimited = endless && !this.wanted.endless ? 2 : sketch.repeated
    const node: GraphNode = {
      id: `n${this.nodes.length}`,
      node: `n${this.nodes.length}`,
      kind: kind === "trigger" ? "trigger" : "task",
      repeated: kind === "trigger" ? unlimited : 1,
      resumable: kind === "resumable",
      inputs,
      outputs,
      hasError: sketch.error && this.wanted.errors,
      concurrency: sketch.concurrency
    }
    this.nodes.push(node)
    this.addPorts(node)
  }

  private kindOf(sketch: NodeSketch): NodeSketch["kind"] {
    if (sketch.kind === "trigger" && !this.wanted.triggers) return "task"
    if (sketch.kind === "resumable" && !this.wanted.resumable) return "task"
    return sketch.kind
  }

  private handle(name: string, { afterMany, from, merged, mode }: NodeSketch["handles"][number]): GraphInput {
    const candidates = this.candidates(mode, afterMany)
    const several = merged && this.wanted.merging && mode !== "shared"
    // The messages of an `all` handle are ordered by producer: several of them are no merge.
    const wide = several || (mode === "all" && merged)
    return { name, mode, from: this.pick(candidates, wide ? from : from.slice(0, 1)) }
  }

  /** A shared handle takes one message; others get a port with several half of the time, so that nodes fire often. */
  private candidates(mode: InputMode, afterMany: boolean): ReadonlyArray<KnownPort> {
    const fitting = mode === "shared" ? this.ports.filter((port) => !port.many) : this.ports
    const many = afterMany ? fitting.filter((port) => port.many) : []
    return many.length > 0 ? many : fitting
  }

  /** The latest ports come first; a port is wired into a handle once. */
  private pick(candidates: ReadonlyArray<KnownPort>, choices: ReadonlyArray<number>): ReadonlyArray<PortRef> {
    const chosen = choices.map((choice) => candidates[candidates.length - 1 - (choice % candidates.length)]!)
    return [...new Set(chosen)].map(({ ref }) => ref)
  }

  private output(name: string, mode: OutputMode): GraphOutput {
    if (mode === "many" && this.manyPorts === 0) return { name, mode: "one" }
    if (mode === "many") this.manyPorts--
    return { name, mode }
  }

  private addPorts(node: GraphNode): void {
    const known = (ref: PortRef) => this.known(ref)
    const perMessage = node.inputs.filter(({ mode }) => mode !== "shared")
    const many =
      node.kind === "trigger"
        ? node.repeated !== 1
        : perMessage.length > 0 &&
          perMessage.every(
            ({ from, mode }) => mode === "one" && (from.length > 1 || from.some((ref) => known(ref).many))
          )
    const sure = node.inputs.every(
      ({ from, mode }) => mode !== "all" && from.length === 1 && from.every((ref) => known(ref).sure)
    )
    for (const { name, mode } of node.outputs) {
      this.ports.push({
        ref: { node: node.id, port: name },
        many: many || mode === "many",
        sure: sure && !node.hasError && mode === "one"
      })
    }
    if (node.hasError) this.ports.push({ ref: { node: node.id, port: errorPort }, many, sure: false })
  }

  private result(name: string, { first, from }: ResultSketch): GraphResult {
    if (first) return { name, mode: "first", from: this.pick(this.ports, from) }
    const [only] = this.pick(this.ports, from)
    const { many, sure } = this.known(only!)
    if (many) return { name, mode: "array", from: [only!] }
    return { name, mode: sure ? "value" : "option", from: [only!] }
  }

  private known(ref: PortRef): KnownPort {
    return this.ports.find((port) => port.ref.node === ref.node && port.ref.port === ref.port)!
  }
}
