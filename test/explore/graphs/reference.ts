import type { Graph, GraphInput, GraphNode, GraphResult, PortRef } from "../../../src/definition/Graph.js"
import type { Json } from "../../../src/model/Json.js"
import type { LedgerEntry } from "../../../src/testing/Ledger.js"
import type { RunOutcome } from "../../../src/testing/Subject.js"
import { type Meaning, meaningOf } from "../../runtime/machineOracle.js"
import { ruleOf, traitOf, type Whole } from "./cases.js"

/** Events that each trigger can get. */
export const mostEvents = 30

/** How often a resumable node waits in a firing at most. */
const mostSuspensions = 2

/** What is done outside when the work of a firing is done, and what handlers note when something is not as it must be. */
export const workEffect = "work"
export const wrongEffect = "wrong: "

/** The node in which a child does the work of its parent's node. */
export const workerOf = (nodeId: string): string => `${nodeId}w`

/** What of a port is known beforehand. */
interface Port {
  /** Its messages are known, and not their order, nor which firing gives which. */
  readonly shuffled: boolean
  /** Not even that. */
  readonly wild: boolean
}

const known: Port = { shuffled: false, wild: false }

/**
 * What a workflow must come to, whatever dies: said by the naive interpreter, where the order of arrival has no say.
 *
 * **Details** What is merged or taken `unordered` comes in any order, which its consumer's consumers see. Where that decides what is
 * aligned with what, or what is the newest, nothing is known of a node but that it ends.
 */
export class Reference {
  readonly meaning: Meaning
  private readonly ports = new Map<string, Port>()
  private readonly wildNodes = new Set<string>()
  private readonly graph: Graph

  constructor(private readonly whole: Whole) {
    this.graph = whole.graph
    const events = Array.from({ length: mostEvents }, (_, index) => `event ${index}`)
    this.meaning = meaningOf(inOrder(this.graph), ruleOf(whole), { input: {}, events: () => events, merged: () => [] })
    for (const node of this.graph.nodes) this.look(node)
  }

  private port({ node, port }: PortRef): Port {
    return this.ports.get(`${node}.${port}`) ?? known
  }

  /** How many messages and tombstones come on a handle. */
  private count({ from }: Pick<GraphInput, "from">): number {
    return from.reduce((sum, { node, port }) => sum + (this.meaning.items.get(`${node}.${port}`)?.length ?? 0), 0)
  }

  private isShuffled(input: GraphInput): boolean {
    const loose = input.mode === "unordered" || input.mode === "latest" || input.from.length > 1
    return this.count(input) > 1 && (loose || input.from.some((ref) => this.port(ref).shuffled))
  }

  private look(node: GraphNode): void {
    const { inputs } = node
    const perMessage = inputs.filter(({ mode }) => mode === "one" || mode === "unordered" || mode === "latest")
    const shuffled = perMessage.some((input) => this.isShuffled(input))
    const wild =
      inputs.some(({ from }) => from.some((ref) => this.port(ref).wild)) ||
      inputs.some((input) => input.mode === "latest" && this.count(input) > 1) ||
      inputs.some((input) => input.mode === "shared" && this.isShuffled(input)) ||
      (shuffled && (perMessage.length > 1 || node.kind === "trigger"))
    if (wild) this.wildNodes.add(node.id)
    for (const name of [...node.outputs.map(({ name }) => name), "error"]) {
      this.ports.set(`${node.id}.${name}`, { shuffled, wild })
    }
  }

  /** Nodes of which nothing is known but that they end. */
  get wild(): number {
    return this.wildNodes.size
  }

  /** Whether nothing is known of a node but that it ends. */
  isWild(nodeId: string): boolean {
    return this.wildNodes.has(nodeId)
  }

  /** How many firings end well, as far as that is known. */
  get completions(): number {
    return this.graph.nodes.reduce((sum, { id }) => sum + this.completed(id), 0)
  }

  /** Of how many firings it is known what they did, which can be undone. */
  get undoable(): number {
    return this.graph.nodes.reduce((sum, { compensates, id }) => sum + (compensates ? this.completed(id) : 0), 0)
  }

  /** How many firings of a node end well. */
  readonly completed = (nodeId: string): number =>
    this.meaning.firings.get(nodeId)!.filter(({ status }) => status === "completed").length

  /** How a run may end. */
  get ends(): ReadonlyArray<string> {
    const { ending } = this.whole
    const undoes = this.graph.nodes.some(({ compensates }) => compensates === true)
    const failed = undoes ? ["failed", "compensated"] : ["failed"]
    const isCertain = !this.graph.outputs.some(({ from }) => from.some((ref) => this.port(ref).wild))
    const late = this.whole.traits.some(({ total }) => total)
    const surely = this.meaning.status === "completed" ? ["completed"] : failed
    if (ending === "fails") {
      return this.wildNodes.size > 0 || late ? ["completed", ...failed] : surely
    }
    const regular = isCertain ? surely : ["completed", ...failed]
    if (ending === "cancelled") return [...regular, "cancelled", ...(undoes ? failed : [])]
    return ending === "overdue" ? [...regular, ...failed] : regular
  }

  /** What is wrong with a run and with what it did outside. */
  judge(run: RunOutcome | undefined, entries: ReadonlyArray<LedgerEntry>): string | undefined {
    const wrong = entries.find(({ effect }) => effect.startsWith(wrongEffect))
    if (wrong !== undefined) return `${wrong.nodeId}/${wrong.firing}: ${wrong.effect}`
    const status = run?.status ?? "not there"
    if (!this.ends.includes(status)) return `the run is ${status} (${run?.failure}), not ${this.ends.join(" or ")}`
    return status === "completed" ? (this.judgeOutput(run?.output ?? "null") ?? this.judgeEffects(entries)) : undefined
  }

  private judgeOutput(text: string): string | undefined {
    const output = JSON.parse(text) as Readonly<Record<string, Json>>
    // What depends on the order of arrival may have given what is missing here.
    if (this.meaning.output === undefined) return undefined
    const meant = this.meaning.output as Readonly<Record<string, Json>>
    for (const result of this.graph.outputs) {
      const [is, means] = [output[result.name], meant[result.name]].map((value) => this.shown(result, value))
      if (is !== means) return `the output ${result.name} is ${is}, and the graph means ${means}`
    }
    return undefined
  }

  /** As much of a result as is known. */
  private shown({ from, mode }: GraphResult, value: Json | undefined): string {
    const ports = from.map((ref) => this.port(ref))
    if (ports.some(({ wild }) => wild)) return "anything"
    const plain = canonical(value ?? null) as Json
    if (ports.some(({ shuffled }) => shuffled) && this.count({ from }) > 1) {
      if (!Array.isArray(plain)) return value === undefined ? "nothing" : `something, by ${mode}`
      return JSON.stringify(plain.map((each) => JSON.stringify(each)).sort())
    }
    return value === undefined ? "nothing" : JSON.stringify(plain)
  }

  /** Each firing that ends well has done its work once, whatever it took. */
  private judgeEffects(entries: ReadonlyArray<LedgerEntry>): string | undefined {
    for (const { child, id } of this.graph.nodes) {
      if (this.wildNodes.has(id)) continue
      const doer = child === undefined ? id : workerOf(id)
      const done = entries.filter(({ effect, nodeId }) => nodeId === doer && effect === workEffect).length
      if (done !== this.completed(id))
        return `${id} has done its work ${done} times, and ${this.completed(id)} are meant`
    }
    return undefined
  }

  /** How many events a node can take that takes some, and one more. */
  eventsOf({ id, kind }: GraphNode): number {
    if (this.wildNodes.has(id)) return mostEvents
    const firings = this.meaning.firings.get(id)!.filter(({ status }) => status !== "skipped").length
    return Math.min(mostEvents, firings * (kind === "trigger" ? 1 : mostSuspensions) + 1)
  }

  /** Whether a node that answers queries has said last that its work is done. */
  isDone(nodeId: string): boolean {
    if (!traitOf(this.whole, nodeId).answers || this.wildNodes.has(nodeId)) return false
    const ran = this.meaning.firings.get(nodeId)!.filter(({ status }) => status !== "skipped")
    return ran.length > 0 && ran.every(({ status }) => status === "completed")
  }
}

/** The graph as the interpreter knows it: what only differs in the order of arrival is aligned, a stream is everything. */
const inOrder = (graph: Graph): Graph => ({
  ...graph,
  nodes: graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((input) => (input.mode === "unordered" ? { ...input, mode: "one" as const } : input))
  }))
})

/** A value in which the failure of a child is what the child failed with. */
export const canonical = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== "object" || value === null || !("_tag" in value) || value._tag !== "RunFailed") return value
  return (value as { readonly failure?: { readonly error?: unknown } }).failure?.error ?? value
}
