import * as Either from "effect/Either"
import type { FiringRow } from "../model/Firing.js"
import { type Frontier, type FrontierNode, hasBit } from "../model/Frontier.js"
import { comparePositions, type Message } from "../model/Message.js"
import type { RunRow } from "../model/Run.js"
import { isFiringEnded } from "../model/Status.js"
import type { InboxMessage, PendingRange } from "../store/Inbox.js"
import { untakenEvent } from "./Draft.js"
import { currentOf, isLeft, looseEdge } from "./Places.js"
import type { Plan, PlanEdge, PlanHandle, PlanNode } from "./Plan.js"
import {
  type EdgeState,
  endedNode,
  freshNodesOf,
  type HandleState,
  type NodeState,
  noneAhead,
  type OpenFiring,
  type RunState,
  skippedNode,
  type Taken
} from "./RunState.js"

/** Which messages recovery must read to rebuild a run: those from the frontier on. */
export const pendingRanges = (plan: Plan, row: RunRow): ReadonlyArray<PendingRange> => {
  const ranges: Array<PendingRange> = []
  for (const [nodeId, node] of Object.entries(row.frontier.nodes)) {
    for (const handle of plan.byId.get(nodeId)?.handles ?? []) {
      if (handle.mode === "stream") continue
      for (const { producer } of handle.edges) {
        const [firing, ordinal] = node.from[handle.name]?.[producer] ?? [0, 0]
        ranges.push({ runId: row.runId, nodeId, handle: handle.name, producer, from: { firing, ordinal } })
      }
    }
  }
  return ranges
}

/** What recovery read of one run. */
export interface RunRows {
  readonly row: RunRow
  /** From each node's lowest open firing on. */
  readonly firings: ReadonlyArray<FiringRow>
  /** Of the {@link pendingRanges}. */
  readonly messages: ReadonlyArray<InboxMessage>
}

/**
 * Builds the state of a run from its rows: the counterpart of `decide`, which would have left the very same state.
 *
 * **Errors** A sentence, when the rows contradict each other or the definition: the run is parked, never guessed at.
 */
export const fromRows = (plan: Plan, rows: RunRows): Either.Either<RunState, string> => {
  const fresh = freshNodesOf(plan)
  const frontier = withoutRows(rows)
  const unknown = Object.keys(frontier.nodes).find((id) => !plan.byId.has(id))
  if (unknown !== undefined) return Either.left(`the definition has no node ${unknown}`)
  const firings = groupBy(rows.firings, nodeOf)
  const messages = groupBy(rows.messages, edgeOf)
  try {
    const nodes: Array<NodeState> = []
    for (const [index, node] of plan.nodes.entries()) {
      const skipped = hasBit(frontier.skipped, index)
      if (hasBit(frontier.ended, index)) nodes.push(skipped ? skippedNode : endedNode)
      else if (frontier.nodes[node.id] === undefined) nodes.push(fresh[index]!)
      else nodes.push(new NodeRows(plan, node, frontier, firings.get(node.id) ?? [], messages).build(skipped))
    }
    return Either.right({
      plan,
      runId: rows.row.runId,
      status: rows.row.status,
      version: rows.row.version,
      nodes,
      active: activeOf(plan, frontier),
      frontier,
      cancelling: rows.row.status === "cancelling",
      paused: rows.row.status === "paused"
    })
  } catch (error) {
    if (error instanceof Contradiction) return Either.left(error.message)
    throw error
  }
}

const activeOf = (plan: Plan, { nodes }: Frontier): ReadonlyArray<number> => {
  const active: Array<number> = []
  for (const id of Object.keys(nodes)) active.push(plan.byId.get(id)!.index)
  return active.sort((left, right) => left - right)
}

/** The frontier as the next commit would write it, in its shape: what has got a row is not told of any more. */
const withoutRows = ({ firings, row }: RunRows): Frontier => {
  const { ended, nodes: entries, skipped, ...kept } = row.frontier
  const written = new Set(firings.map(({ firing, nodeId }) => `${nodeId}/${firing}`))
  const nodes: Record<string, FrontierNode> = {}
  for (const [nodeId, { from, low, next, started = [] }] of Object.entries(entries)) {
    const left = started.filter(([firing]) => !written.has(`${nodeId}/${firing}`))
    nodes[nodeId] = left.length === 0 ? { next, low, from } : { next, low, from, started: left }
  }
  const frontier: Frontier = { ended, skipped, nodes }
  return Object.keys(kept).length === 0 ? frontier : { ...frontier, ...kept }
}

/** The firings of a node that have no row, as their rows would be. */
const rowless = (nodeId: string, entry: FrontierNode): ReadonlyArray<FiringRow> =>
  (entry.started ?? []).map(([firing, inputs, startedAt]) => ({
    nodeId,
    firing,
    status: "running",
    attempt: 1,
    crashes: 0,
    inputs,
    emitted: null,
    reason: null,
    state: null,
    notBefore: null,
    deadline: null,
    startedAt,
    failure: null
  }))

/** As `map`, whose arrays may have holes for all the compiler knows: then what is compiled for a run's own arrays is not for these. */
const each = <A, B>(items: ReadonlyArray<A>, of: (item: A, index: number) => B): Array<B> => {
  const all: Array<B> = []
  for (const item of items) all.push(of(item, all.length))
  return all
}

const groupBy = <A>(items: ReadonlyArray<A>, key: (item: A) => string): ReadonlyMap<string, ReadonlyArray<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group === undefined) groups.set(key(item), [item])
    else group.push(item)
  }
  return groups
}

class Contradiction extends Error {}

const nodeOf = (firing: FiringRow): string => firing.nodeId

const edgeOf = (message: InboxMessage): string => edgeKey(message.nodeId, message.handle, message.producer)

const edgeKey = (nodeId: string, handle: string, producer: string): string => `${nodeId}\n${handle}\n${producer}`

/** The rows of one node on their way to its state. */
class NodeRows {
  private readonly firings: ReadonlyArray<FiringRow>
  private readonly started: ReadonlyArray<FiringRow>

  constructor(
    private readonly plan: Plan,
    private readonly node: PlanNode,
    private readonly frontier: Frontier,
    rows: ReadonlyArray<FiringRow>,
    private readonly messages: ReadonlyMap<string, ReadonlyArray<InboxMessage>>
  ) {
    this.started = rowless(node.id, frontier.nodes[node.id]!)
    this.firings = [...rows, ...this.started]
  }

  build(skipped: boolean): NodeState {
    const entry = this.frontier.nodes[this.node.id]!
    const handles: Array<HandleState> = []
    for (const handle of this.node.handles) handles.push(this.handle(handle))
    const left = this.firings.filter((firing) => !isFiringEnded(firing.status)).sort((a, b) => a.firing - b.firing)
    const open = each(left, (firing) => this.open(firing, handles))
    if ((open[0]?.firing ?? entry.next) !== entry.low) {
      throw new Contradiction(`${this.node.id}: the lowest open firing is not ${entry.low}`)
    }
    return {
      next: entry.next,
      open,
      handles,
      touched: true,
      ended: false,
      ran: entry.next > 1 && !skipped && this.ranBefore(entry.low),
      received: this.received()
    }
  }

  /** Whether a firing has ended that was not skipped. */
  private ranBefore(low: number): boolean {
    return low > 1 || this.firings.some((firing) => isFiringEnded(firing.status) && firing.status !== "skipped")
  }

  private of(handle: PlanHandle, producer: string): ReadonlyArray<InboxMessage> {
    return this.messages.get(edgeKey(this.node.id, handle.name, producer)) ?? []
  }

  private handle(handle: PlanHandle): HandleState {
    const queue: Array<Message> = []
    const edges = each(handle.edges, (edge): EdgeState => {
      if (handle.mode === "latest" || handle.mode === "unordered") return this.loose(handle, edge, queue)
      const next = this.nextOf(handle, edge.producer)
      const expected = this.expected(edge.node)
      const waiting = this.of(handle, edge.producer)
        .filter(
          ({ content, firing, ordinal }) =>
            (firing > next[0] || (firing === next[0] && ordinal >= next[1])) &&
            !(handle.liveOnly && content._tag === "Tombstone")
        )
        .map(({ content, firing, ordinal, producer }): Message => ({ producer, firing, ordinal, content }))
        .sort(comparePositions)
      for (const message of waiting) if (message.firing <= expected) queue.push(message)
      return { expected, early: waiting.filter((message) => message.firing > expected), next, ahead: noneAhead }
    })
    return { queue, head: 0, edges, current: this.current(handle) }
  }

  /** What the last firing of a `latest` handle got. */
  private current(handle: PlanHandle): Message | undefined {
    if (handle.mode !== "latest") return undefined
    const messages = handle.edges.flatMap(({ producer }) => this.of(handle, producer).map(bare))
    return currentOf(this.frontier.nodes[this.node.id]!.from[handle.name], messages)
  }

  /** An edge whose messages are not taken one after the other; what may be taken goes into the queue. */
  private loose(handle: PlanHandle, { node, producer }: PlanEdge, queue: Array<Message>): EdgeState {
    const expected = this.expected(node)
    const edge = looseEdge(this.frontier.nodes[this.node.id]!.from[handle.name], producer)
    const left = this.of(handle, producer)
      .map(bare)
      .filter((message) => isLeft(edge, message) && !(handle.liveOnly && message.content._tag === "Tombstone"))
      .sort(comparePositions)
    const inOrder = handle.mode !== "unordered"
    for (const message of left) if (!inOrder || message.firing <= expected) queue.push(message)
    const early = left.filter((message) => inOrder && message.firing > expected)
    return { expected, early, next: edge.next, ahead: edge.ahead }
  }

  private nextOf(handle: PlanHandle, producer: string): readonly [number, number] {
    if (handle.mode === "one") return this.next(handle, producer)
    const first =
      handle.mode === "stream" ? this.frontier.nodes[this.node.id]!.from[handle.name]?.[producer] : undefined
    return first ?? [0, 0]
  }

  private expected(producer: number): number {
    if (producer < 0 || hasBit(this.frontier.ended, producer)) return Number.POSITIVE_INFINITY
    return this.frontier.nodes[this.plan.nodes[producer]!.id]?.low ?? 1
  }

  /** The first position of an edge that no firing has taken. */
  private next(handle: PlanHandle, producer: string): readonly [number, number] {
    const positions = this.frontier.nodes[this.node.id]!.from[handle.name]
    const from = positions?.[this.isExternal(handle) ? untakenEvent : producer] ?? [0, 0]
    if (this.isExternal(handle)) return from
    let last: readonly [number, number] | undefined
    for (const firing of this.firings) {
      const input = firing.inputs[handle.name]
      const ref = input !== undefined && "ref" in input ? input.ref : undefined
      if (ref === undefined || ref[0] !== producer) continue
      if (last === undefined || ref[1] > last[0] || (ref[1] === last[0] && ref[2] > last[1])) last = [ref[1], ref[2]]
    }
    return last === undefined ? from : [last[0], last[1] + 1]
  }

  private isExternal(handle: PlanHandle): boolean {
    return handle === this.node.handles[this.node.external]
  }

  private open(firing: FiringRow, handles: ReadonlyArray<HandleState>): OpenFiring {
    const taken: Array<Taken | undefined> = []
    for (const [index, handle] of this.node.handles.entries()) taken.push(this.taken(firing, handle, handles[index]!))
    if (firing.status !== "scheduled" && firing.status !== "running" && firing.status !== "suspended") {
      throw new Contradiction(`${this.node.id}/${firing.firing} is open and ${firing.status}`)
    }
    return {
      firing: firing.firing,
      status: firing.status,
      attempt: firing.attempt,
      crashes: firing.crashes,
      taken,
      inputs: firing.inputs,
      reason: firing.reason,
      state: firing.state,
      notBefore: firing.notBefore,
      deadline: firing.deadline,
      startedAt: this.started.includes(firing) ? firing.startedAt : null
    }
  }

  private taken(firing: FiringRow, handle: PlanHandle, state: HandleState): Taken | undefined {
    const input = firing.inputs[handle.name]
    if (input === undefined) return undefined
    if ("ref" in input) return this.find(firing, handle, input.ref)
    return this.isExternal(handle) || "read" in input ? undefined : this.all(handle, state, input.all)
  }

  private all(handle: PlanHandle, state: HandleState, count: number): ReadonlyArray<Message> {
    const live = handle.edges.flatMap((edge) => state.queue.filter((message) => message.producer === edge.producer))
    if (count !== live.length) {
      throw new Contradiction(`${this.node.id}.${handle.name}: ${live.length} messages are there, not all it took`)
    }
    return live
  }

  private find(firing: FiringRow, handle: PlanHandle, ref: Ref): Message {
    const found = this.of(handle, ref[0]).find((message) => message.firing === ref[1] && message.ordinal === ref[2])
    if (found === undefined) {
      throw new Contradiction(
        `${this.node.id}/${firing.firing}: its message ${ref.join("/")} on ${handle.name} is gone`
      )
    }
    return { producer: found.producer, firing: found.firing, ordinal: found.ordinal, content: found.content }
  }

  /** Events from outside are numbered from 1 without gaps. */
  private received(): number {
    const external = this.node.handles[this.node.external]
    const edge = external?.edges[0]
    if (external === undefined || edge === undefined) return 0
    const from = this.frontier.nodes[this.node.id]!.from[external.name]?.[edge.producer]?.[0] ?? 0
    return this.of(external, edge.producer).reduce((most, message) => Math.max(most, message.firing), from)
  }
}

const bare = ({ content, firing, ordinal, producer }: Message): Message => ({ producer, firing, ordinal, content })

type Ref = readonly [producer: string, firing: number, ordinal: number]
