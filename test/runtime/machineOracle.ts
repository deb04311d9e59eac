import { errorPort, type Graph, type GraphInput, type GraphNode, inputNode } from "../../src/definition/Graph.js"
import type { Json } from "../../src/model/Json.js"
import { isErrorWired, type Rule, type RuleOutcome } from "./graphsRule.js"

/** A message by what it means: `value` is missing on a tombstone. */
export interface Item {
  readonly producer: string
  readonly firing: number
  readonly ordinal: number
  readonly value?: Json
}

/** What a firing takes from each handle: one item, or the array of an `all` handle; nothing where nothing came. */
export type Takes = { readonly [handle: string]: Item | ReadonlyArray<Item> | undefined }

/** A firing that a graph's meaning demands. */
export interface MeantFiring {
  readonly status: "completed" | "failed" | "skipped" | "suspended"
  readonly takes: Takes
  readonly event: Json | undefined
}

/** What a graph means for an input and events from outside: every firing, and the result. */
export interface Meaning {
  readonly firings: ReadonlyMap<string, ReadonlyArray<MeantFiring>>
  readonly ended: ReadonlySet<string>
  readonly items: ReadonlyMap<string, ReadonlyArray<Item>>
  readonly status: "completed" | "failed" | "suspended"
  readonly output: Json | undefined
}

/** What an interpreter is given: `events` of a node in order, and the order in which a merge turned out. */
export interface World {
  readonly input: { readonly [port: string]: Json }
  readonly events: (nodeId: string) => ReadonlyArray<Json>
  readonly merged: (nodeId: string, handle: string) => ReadonlyArray<Pick<Item, "producer" | "firing" | "ordinal">>
}

/** Everything that ever comes out of a port, as far as it is known; `ended`: nothing more will come. */
interface Stream {
  readonly items: ReadonlyArray<Item>
  readonly ended: boolean
  readonly skipped: boolean
}

/**
 * Says what a graph means, naively: node after node, each from the whole lists of its inputs.
 *
 * **Details** Written from the description of the language alone: it shares nothing with the run machine, knows no state, no
 * order of commits and no concurrency.
 */
export const meaningOf = (graph: Graph, rule: Rule, world: World): Meaning => {
  const streams = new Map<string, Stream>()
  for (const port of graph.input) {
    const producer = `${inputNode}.${port}`
    const items = [{ producer, firing: 1, ordinal: 0, value: world.input[port] ?? port }]
    streams.set(producer, { items, ended: true, skipped: false })
  }
  const firings = new Map<string, ReadonlyArray<MeantFiring>>()
  const ended = new Set<string>()
  let fatal = false
  for (const node of graph.nodes) {
    const meant = new MeantNode(graph, node, rule, world, streams)
    meant.run()
    firings.set(node.id, meant.firings)
    if (meant.ended) ended.add(node.id)
    fatal ||= meant.fatal
  }
  const items = new Map([...streams].map(([producer, stream]) => [producer, stream.items]))
  const all = { firings, ended, items }
  if (fatal) return { ...all, status: "failed", output: undefined }
  if (ended.size < graph.nodes.length) return { ...all, status: "suspended", output: undefined }
  const output = outputOf(graph, streams)
  return { ...all, status: output === undefined ? "failed" : "completed", output }
}

/** Whether each firing takes another message; of a `latest` handle this is so as long as one comes. */
const isPerMessage = ({ mode }: GraphInput): boolean => mode === "one" || mode === "latest"

const takesAll = ({ mode }: GraphInput): boolean => mode === "all" || mode === "stream"

/** Whether no tombstones enter a handle, as nothing is aligned with what comes. */
const isMerge = ({ from, mode }: GraphInput): boolean => from.length > 1 || mode === "latest"

/** One node, firing after firing. */
class MeantNode {
  readonly firings: Array<MeantFiring> = []
  ended = false
  fatal = false
  private readonly out = new Map<string, Array<Item>>()
  private readonly events: ReadonlyArray<Json>
  private gap = false

  constructor(
    private readonly graph: Graph,
    private readonly node: GraphNode,
    private readonly rule: Rule,
    private readonly world: World,
    private readonly streams: Map<string, Stream>
  ) {
    this.events = [...world.events(node.id)]
    for (const { name } of [...node.outputs, { name: errorPort }]) this.out.set(name, [])
  }

  private get onePerMessage(): boolean {
    return this.node.inputs.some(isPerMessage)
  }

  /** How often it fires at most. */
  private get most(): number {
    if (this.node.inputs.some(takesAll)) return 1
    if (this.node.kind === "trigger") return this.node.repeated ?? Number.POSITIVE_INFINITY
    return this.onePerMessage ? Number.POSITIVE_INFINITY : 1
  }

  run(): void {
    let events = 0
    let dead = false
    while (this.firings.length < this.most && !(dead && !this.onePerMessage)) {
      const takes = this.aligned(this.firings.length)
      if (takes === undefined) break
      dead = this.isDead(takes)
      const event = this.node.kind === "trigger" && !dead ? this.events[events++] : undefined
      const waits = this.node.kind === "trigger" && !dead && event === undefined
      this.fire(takes, event, dead, waits)
      if (waits && !this.onePerMessage) break
    }
    const waiting = this.firings.some(({ status }) => status === "suspended")
    const over =
      this.firings.length === this.most ||
      (dead && !this.onePerMessage) ||
      this.node.inputs.some((h) => this.isUsedUp(h))
    this.ended = !waiting && over
    const skipped = this.ended && this.firings.length > 0 && this.firings.every(({ status }) => status === "skipped")
    for (const [port, items] of this.out) {
      this.streams.set(`${this.node.id}.${port}`, { items, ended: this.ended, skipped })
    }
  }

  private sources({ from }: GraphInput): ReadonlyArray<Stream> {
    return from.map(({ node, port }) => this.streams.get(`${node}.${port}`)!)
  }

  private hasEnded(handle: GraphInput): boolean {
    return this.sources(handle).every(({ ended }) => ended)
  }

  /** The list of a `one` handle: positions of its only producer, or the order in which several were merged. */
  private list(handle: GraphInput): ReadonlyArray<Item> {
    const sources = this.sources(handle)
    if (!isMerge(handle)) return sources[0]!.items
    const live = sources.flatMap(({ items }) => items.filter((item) => "value" in item))
    const recorded = this.world
      .merged(this.node.id, handle.name)
      .map((ref) => live.find((item) => sameItem(item, ref))!)
    return [...recorded, ...live.filter((item) => !recorded.includes(item))]
  }

  /** What the next firing takes, or nothing if it can't be known yet or never comes. */
  private aligned(index: number): Takes | undefined {
    const takes: Record<string, Takes[string]> = {}
    for (const handle of this.node.inputs) {
      const { mode, name } = handle
      const ended = this.hasEnded(handle)
      if (takesAll(handle)) {
        if (!ended) return undefined
        takes[name] = this.sources(handle).flatMap(({ items }) => items.filter((item) => "value" in item))
        continue
      }
      const item = this.list(handle)[mode === "shared" ? 0 : index]
      const nothingCame = ended && this.list(handle).length === 0
      const mayBeMissing = mode === "shared" || (isMerge(handle) && index === 0)
      if (item === undefined && !(nothingCame && mayBeMissing)) return undefined
      takes[name] = item
    }
    return takes
  }

  private isDead(takes: Takes): boolean {
    const isSkipped = (handle: GraphInput) => this.sources(handle).every(({ skipped }) => skipped)
    const streams = this.node.inputs.filter(({ mode }) => mode === "stream")
    if (streams.length > 0 && streams.every(isSkipped)) return true
    return this.node.inputs.some((handle) => {
      const taken = takes[handle.name]
      if (handle.mode === "stream") return false
      if (handle.mode === "all") return isSkipped(handle)
      return taken === undefined || !("value" in taken)
    })
  }

  /** A `one` handle that has ended and has no item left ends the node; a merge without any counts for one firing. */
  private isUsedUp(handle: GraphInput): boolean {
    if (!isPerMessage(handle) || !this.hasEnded(handle)) return false
    if (isMerge(handle) && this.firings.length === 0) return false
    return this.list(handle).length <= this.firings.length
  }

  private fire(takes: Takes, event: Json | undefined, dead: boolean, waits: boolean): void {
    if (waits) {
      this.firings.push({ status: "suspended", takes, event })
      this.gap = true
      return
    }
    const result = dead ? undefined : this.resultOf(takes, event)
    const status = { Complete: "completed", Fail: "failed", Die: "failed", none: "skipped" } as const
    this.firings.push({ status: status[result?._tag ?? "none"], takes, event })
    const handled = result?._tag !== "Die" && (result?._tag !== "Fail" || isErrorWired(this.graph, this.node))
    if (!handled) this.fatal = true
    if (handled && !this.gap) for (const [port, items] of this.out) items.push(...this.emitted(port, result))
  }

  private resultOf(takes: Takes, event: Json | undefined): RuleOutcome["result"] {
    const handles = Object.entries(takes).map(([name, taken]) => [name, handedOver(taken)] as const)
    const inputs = { handles: Object.fromEntries(handles) }
    return this.rule(this.node.id, event === undefined ? inputs : { ...inputs, event }).result
  }

  /** What the firing just made puts on a port. */
  private emitted(port: string, result: RuleOutcome["result"] | undefined): ReadonlyArray<Item> {
    const place = { producer: `${this.node.id}.${port}`, firing: this.firings.length, ordinal: 0 }
    const values = valuesOn(port, result)
    const many = this.node.outputs.some(({ mode, name }) => name === port && mode === "many")
    if (values.length === 0 && many && result?._tag === "Complete") return []
    return values.length === 0 ? [place] : values.map((value, ordinal) => ({ ...place, ordinal, value }))
  }
}

const valuesOn = (port: string, result: RuleOutcome["result"] | undefined): ReadonlyArray<Json> => {
  if (result?._tag === "Fail" && port === errorPort) return [result.error]
  return result?._tag === "Complete" ? (result.outputs[port] ?? []) : []
}

const handedOver = (taken: Takes[string]): Json => {
  if (taken === undefined) return null
  return "producer" in taken ? (taken.value ?? null) : taken.map(({ value }) => value ?? null)
}

const sameItem = (a: Pick<Item, "producer" | "firing" | "ordinal">, b: typeof a): boolean =>
  a.producer === b.producer && a.firing === b.firing && a.ordinal === b.ordinal

const outputOf = (graph: Graph, streams: ReadonlyMap<string, Stream>): Json | undefined => {
  const output: Record<string, Json> = {}
  for (const { from, mode, name } of graph.outputs) {
    const live = from.flatMap(({ node, port }) =>
      streams.get(`${node}.${port}`)!.items.flatMap(({ value }) => (value === undefined ? [] : [value]))
    )
    if (mode === "array") output[name] = live
    else if (live[0] !== undefined) output[name] = live[0]
    else if (mode !== "option") return undefined
  }
  return output
}
