import type { FiringRow } from "../model/Firing.js"
import { type Frontier, type FrontierNode, packBits } from "../model/Frontier.js"
import type { Message, MessageRow } from "../model/Message.js"
import { comparePositions } from "../model/Message.js"
import type { RunCommit } from "../model/Run.js"
import { canMoveFiring, type FiringStatus, type TombstoneCause } from "../model/Status.js"
import type { Plan, PlanNode, PlanPort, PlanTarget } from "./Plan.js"
import {
  type EdgeState,
  type HandleState,
  isSkipped,
  lowestOpen,
  type NodeState,
  type OpenFiring,
  type RunState,
  type StartFiring
} from "./RunState.js"

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/**
 * The next state of a run while one decision is being made: copies what it touches, and gathers the rows that change.
 *
 * **Details** Lives only inside `decide`; what `decide` returns is never changed again.
 */
export class Draft {
  readonly nodes: Array<NodeState>
  readonly dirty = new Set<number>()
  readonly rows = new Map<string, FiringRow>()
  readonly messages: Array<MessageRow> = []
  readonly discarded: Array<RunCommit["discarded"][number]> = []
  readonly starts: Array<StartFiring> = []
  private readonly owned = new Set<number>()
  nodeEnded = false
  skipsChanged = false
  slots: number

  constructor(
    readonly state: RunState,
    readonly now: number,
    slots: number
  ) {
    this.nodes = state.nodes.slice()
    this.slots = slots
  }

  get plan(): Plan {
    return this.state.plan
  }

  /** The node's state, to be changed. */
  edit(index: number): Mutable<NodeState> {
    const node = this.nodes[index]!
    if (this.owned.has(index)) return node
    const copy = { ...node, touched: true }
    this.nodes[index] = copy
    this.owned.add(index)
    return copy
  }

  setHandle(index: number, handle: number, next: HandleState): void {
    const node = this.edit(index)
    const handles = node.handles.slice()
    handles[handle] = next
    node.handles = handles
  }

  /** Writes a firing as it stands now: into the open ones, or out of them when it has ended. */
  put(plan: PlanNode, firing: OpenFiring): void {
    const node = this.edit(plan.index)
    const at = node.open.findIndex((open) => open.firing >= firing.firing)
    const present = at >= 0 && node.open[at]!.firing === firing.firing
    if (present) assertMove(plan, firing.firing, node.open[at]!.status, firing.status)
    const open = node.open.slice()
    if (at < 0) open.push(firing)
    else open.splice(at, present ? 1 : 0, firing)
    node.open = open
    this.row(plan, firing, firing.status, null, null)
  }

  /** Ends a firing: it leaves the open ones, its row stays. */
  end(
    plan: PlanNode,
    firing: OpenFiring,
    status: Exclude<FiringStatus, OpenFiring["status"]>,
    emitted: FiringRow["emitted"],
    failure: string | null
  ): void {
    const node = this.edit(plan.index)
    assertMove(plan, firing.firing, firing.status, status)
    node.open = node.open.filter((open) => open.firing !== firing.firing)
    if (status !== "skipped") node.ran = true
    this.skipsChanged ||= isSkipped(node) !== isSkipped(this.state.nodes[plan.index]!)
    this.row(plan, firing, status, emitted, failure)
    this.dirty.add(plan.index)
  }

  private row(
    plan: PlanNode,
    firing: OpenFiring,
    status: FiringStatus,
    emitted: FiringRow["emitted"],
    failure: string | null
  ): void {
    this.rows.set(`${plan.index}/${firing.firing}`, {
      nodeId: plan.id,
      firing: firing.firing,
      status,
      attempt: firing.attempt,
      crashes: firing.crashes,
      inputs: firing.inputs,
      emitted,
      reason: status === "suspended" || status === "scheduled" ? firing.reason : null,
      state: status === "completed" || status === "skipped" ? null : firing.state,
      notBefore: status === "scheduled" || status === "suspended" ? firing.notBefore : null,
      failure
    })
  }

  /** Puts a message, or a tombstone, on every edge of a port. */
  emit(port: PlanPort, firing: number, ordinal: number, content: Message["content"]): void {
    for (const target of port.targets) this.deliver(target, { producer: port.producer, firing, ordinal, content })
  }

  /** Leaves a tombstone with its cause on a port. */
  bury(port: PlanPort, firing: number, cause: TombstoneCause): void {
    this.emit(port, firing, 0, { _tag: "Tombstone", cause })
  }

  /** Adds a message to an edge; if its consumer has ended nobody will take it. */
  deliver(target: PlanTarget, message: Message): void {
    const plan = this.plan.nodes[target.node]!
    const handlePlan = plan.handles[target.handle]!
    const ended = this.nodes[target.node]!.ended
    this.messages.push({
      ...message,
      nodeId: plan.id,
      handle: handlePlan.name,
      discarded: ended && handlePlan.mode !== "shared"
    })
    if (ended) return
    const handle = this.nodes[target.node]!.handles[target.handle]!
    const edge = handle.edges[target.edge]!
    const early = edge.early.slice()
    let at = early.length
    while (at > 0 && comparePositions(early[at - 1]!, message) > 0) at--
    early.splice(at, 0, message)
    this.setHandle(target.node, target.handle, replaceEdge(handle, target.edge, { ...edge, early }))
    this.dirty.add(target.node)
  }

  /** Notes on the consumers' edges that every firing of the producer below its lowest open one has ended. */
  advanceTargets(index: number): void {
    const low = lowestOpen(this.nodes[index]!)
    const plan = this.plan.nodes[index]!
    const ports = plan.errorPort === undefined ? plan.ports : [...plan.ports, plan.errorPort]
    for (const port of ports) {
      for (const target of port.targets) {
        const node = this.nodes[target.node]!
        const handle = node.handles[target.handle]!
        const edge = handle.edges[target.edge]!
        if (edge.expected === low || node.ended) continue
        this.setHandle(target.node, target.handle, replaceEdge(handle, target.edge, { ...edge, expected: low }))
        this.dirty.add(target.node)
      }
    }
  }

  /** The state after this decision. */
  finish(status: RunState["status"], cancelling: boolean, paused: boolean): RunState {
    const size = this.nodes.length
    return {
      ...this.state,
      status,
      version: this.state.version + 1,
      nodes: this.nodes,
      cancelling,
      paused,
      endedBits: this.nodeEnded ? packBits(size, (i) => this.nodes[i]!.ended) : this.state.endedBits,
      skippedBits: this.skipsChanged ? packBits(size, (i) => isSkipped(this.nodes[i]!)) : this.state.skippedBits
    }
  }
}

/** Replaces one edge of a handle. */
export const replaceEdge = (handle: HandleState, index: number, edge: EdgeState): HandleState => {
  const edges = handle.edges.slice()
  edges[index] = edge
  return { ...handle, edges }
}

const assertMove = (plan: PlanNode, firing: number, from: FiringStatus, to: FiringStatus): void => {
  if (!canMoveFiring(from, to)) throw new Error(`firing ${plan.id}/${firing} can't go from ${from} to ${to}`)
}

/**
 * Beside the first event still needed: the first that no firing has taken. Firings of `one` handles take messages in order,
 * so their rows tell; an event goes to whichever waits, and the last one may have gone to a firing that has ended.
 */
export const untakenEvent = "$untaken"

/** What recovery needs to know of a state, for its row. */
export const frontierOf = (state: RunState): Frontier => {
  const nodes: Record<string, FrontierNode> = {}
  state.plan.nodes.forEach((plan, index) => {
    const node = state.nodes[index]!
    if (!node.touched || node.ended) return
    const from: Record<string, Record<string, readonly [number, number]>> = {}
    plan.handles.forEach((handle, handleIndex) => {
      const edges: Record<string, readonly [number, number]> = {}
      handle.edges.forEach((edge, edgeIndex) => {
        edges[edge.producer] = firstNeeded(plan, node, handleIndex, edgeIndex)
      })
      if (handleIndex === plan.external) edges[untakenEvent] = node.handles[handleIndex]!.edges[0]!.next
      from[handle.name] = edges
    })
    nodes[plan.id] = { next: node.next, low: node.open[0]?.firing ?? node.next, from }
  })
  return { ended: state.endedBits, skipped: state.skippedBits, nodes }
}

/** The first position of an edge that an open firing has taken, or that no firing has taken yet. */
const firstNeeded = (plan: PlanNode, node: NodeState, handle: number, edge: number): readonly [number, number] => {
  const state = node.handles[handle]!.edges[edge]!
  if (plan.handles[handle]!.mode !== "one") return [0, 0]
  const producer = plan.handles[handle]!.edges[edge]!.producer
  let first: Message | undefined
  for (const open of node.open) {
    const taken = open.taken[handle]
    if (taken === undefined || !("producer" in taken) || taken.producer !== producer) continue
    if (first === undefined || comparePositions(taken, first) < 0) first = taken
    // Firings take an edge's messages in order, but an event from outside goes to whichever waits.
    if (handle !== plan.external) break
  }
  return first === undefined ? state.next : [first.firing, first.ordinal]
}
