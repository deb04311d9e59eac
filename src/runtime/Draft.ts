import type { FiringRow } from "../model/Firing.js"
import { type Frontier, type FrontierNode, type FrontierUndo, packBits } from "../model/Frontier.js"
import { Limits } from "../model/Limits.js"
import { comparePositions, type Message, type MessageRow } from "../model/Message.js"
import type { RunCommit } from "../model/Run.js"
import { canMoveFiring, type FiringStatus, type RunStatus, type TombstoneCause } from "../model/Status.js"
import type { StepRow } from "../model/StepRow.js"
import { firstOpen, looseFrom } from "./Places.js"
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
 * The next state of a run while one decision is being made: copies what it touches, once, and gathers the rows that change.
 *
 * **Details** Lives only inside `decide`; what `decide` returns is never changed again. Whatever is not the very object of
 * the state before is this draft's own copy and may be changed in place.
 */
export class Draft {
  readonly nodes: Array<NodeState>
  readonly dirty = new Set<number>()
  readonly rows = new Map<string, FiringRow>()
  /** Firings that started and have no row: the frontier tells of them. */
  readonly rowless = new Map<string, FiringRow>()
  readonly messages: Array<MessageRow> = []
  readonly discarded: Array<RunCommit["discarded"][number]> = []
  /** Rare, as steps are. */
  unread: Array<RunCommit["discarded"][number]> | undefined
  readonly starts: Array<StartFiring> = []
  /** Steps are rare: the list is made for the first of them. */
  steps: Array<StepRow> | undefined
  /** Where compensation stands, in a run whose nodes compensate. */
  undo: FrontierUndo | undefined
  /** What starts must run alone. */
  startsAlone = false
  /** A firing that must run alone has to wait for that. */
  waitsAlone = false
  private readonly touched: Array<number> = []
  private readonly finished: Array<number> = []
  private skipsChanged = false

  constructor(
    readonly state: RunState,
    readonly now: number,
    public slots: number,
    readonly alone: boolean
  ) {
    this.nodes = state.nodes.slice()
    this.undo = state.plan.undo === undefined ? undefined : (state.frontier.undo ?? nothingToUndo)
  }

  get plan(): Plan {
    return this.state.plan
  }

  /** The node's state, to be changed. */
  edit(index: number): Mutable<NodeState> {
    const node = this.nodes[index]!
    if (node !== this.state.nodes[index]) return node
    if (!node.touched) this.touched.push(index)
    const { ended, handles, next, open, ran, received } = node
    const copy = { next, open, handles, touched: true, ended, ran, received }
    this.nodes[index] = copy
    return copy
  }

  /** The handle's state, to be changed, with a list of edges of its own. */
  editHandle(index: number, handle: number): Mutable<HandleState> {
    const node = this.edit(index)
    const before = this.state.nodes[index]!.handles
    if (node.handles === before) node.handles = before.slice()
    const present = node.handles[handle]!
    if (present !== before[handle]) return present
    const { current, edges, head, queue } = present
    const copy = { queue, head, edges: edges.slice(), current }
    writable(node.handles)[handle] = copy
    return copy
  }

  /** The edge's state, to be changed. */
  editEdge(index: number, handle: number, edge: number): Mutable<EdgeState> {
    const { edges } = this.editHandle(index, handle)
    const present = edges[edge]!
    if (present !== this.state.nodes[index]!.handles[handle]!.edges[edge]) return present
    const copy = { expected: present.expected, early: present.early, next: present.next, ahead: present.ahead }
    writable(edges)[edge] = copy
    return copy
  }

  /** Writes a firing as it stands now into the open ones; gives it as it stands there. */
  put(plan: PlanNode, put: OpenFiring): OpenFiring {
    const open = this.ownOpen(plan.index)
    let at = open.length
    while (at > 0 && open[at - 1]!.firing >= put.firing) at--
    const before = open[at]?.firing === put.firing ? open[at] : undefined
    const firing: OpenFiring = {
      firing: put.firing,
      status: put.status,
      attempt: put.attempt,
      crashes: put.crashes,
      taken: put.taken,
      inputs: put.inputs,
      reason: put.reason,
      state: put.state,
      notBefore: put.notBefore,
      deadline: put.deadline ?? (plan.totalMs < Number.POSITIVE_INFINITY ? this.now + plan.totalMs : null),
      startedAt: this.needsNoRow(plan, put) ? this.now : null
    }
    if (before !== undefined) assertMove(plan, firing.firing, before.status, firing.status)
    if (at === open.length) open.push(firing)
    else open.splice(at, before === undefined ? 0 : 1, firing)
    this.row(plan, firing, firing.status, null, null)
    return firing
  }

  /**
   * Whether a firing that starts is told of by the frontier alone, which is written anyway: it has nothing to tell but what
   * it took, all the time it wants, and no row yet. One row less to write for nearly every firing; a run that is taken over gets them then.
   */
  private needsNoRow({ index, totalMs }: PlanNode, firing: OpenFiring): boolean {
    if (totalMs < Number.POSITIVE_INFINITY) return false
    if (firing.status !== "running" || firing.attempt > 1 || firing.crashes > 0 || firing.state !== null) return false
    if (this.state.nodes[index]!.open.some((before) => before.firing === firing.firing)) return false
    let rowless = 0
    for (const other of this.nodes[index]!.open) if (other.startedAt !== null) rowless++
    return rowless < Limits.startedInFrontier
  }

  /** Ends a firing: it leaves the open ones, its row stays. */
  end(
    plan: PlanNode,
    firing: OpenFiring,
    status: Exclude<FiringStatus, OpenFiring["status"]>,
    emitted: FiringRow["emitted"],
    failure: string | null
  ): void {
    assertMove(plan, firing.firing, firing.status, status)
    const open = this.ownOpen(plan.index)
    const at = open.findIndex((candidate) => candidate.firing === firing.firing)
    if (at >= 0) open.splice(at, 1)
    const node = this.edit(plan.index)
    if (status !== "skipped") node.ran = true
    this.skipsChanged ||= isSkipped(node) !== isSkipped(this.state.nodes[plan.index]!)
    this.row(plan, firing, status, emitted, failure)
    this.dirty.add(plan.index)
  }

  private ownOpen(index: number): Array<OpenFiring> {
    const node = this.edit(index)
    const own = node.open === this.state.nodes[index]!.open ? node.open.slice() : writable(node.open)
    node.open = own
    return own
  }

  private row(
    plan: PlanNode,
    firing: OpenFiring,
    status: FiringStatus,
    emitted: FiringRow["emitted"],
    failure: string | null
  ): void {
    const waits = status === "suspended" || status === "scheduled"
    const key = `${plan.index}/${firing.firing}`
    const rowless = status === "running" && firing.startedAt !== null
    if (rowless) this.rows.delete(key)
    else this.rowless.delete(key)
    const rows = rowless ? this.rowless : this.rows
    rows.set(key, {
      nodeId: plan.id,
      firing: firing.firing,
      status,
      attempt: firing.attempt,
      crashes: firing.crashes,
      inputs: firing.inputs,
      emitted,
      reason: waits ? firing.reason : null,
      state: status === "completed" || status === "skipped" ? null : firing.state,
      notBefore: waits ? firing.notBefore : null,
      deadline: firing.deadline,
      startedAt: firing.startedAt,
      failure
    })
  }

  /** Writes what a handler remembers of its steps. */
  remember(rows: ReadonlyArray<StepRow>): void {
    this.steps ??= []
    this.steps.push(...rows)
  }

  /** Puts a message, or a tombstone, on every edge of a port. */
  emit(port: PlanPort, firing: number, ordinal: number, content: Message["content"]): void {
    for (const target of port.targets) this.deliver(target, { producer: port.producer, firing, ordinal, content })
  }

  /** Leaves a tombstone with its cause on a port. */
  bury(port: PlanPort, firing: number, cause: TombstoneCause): void {
    this.emit(port, firing, 0, { _tag: "Tombstone", cause })
  }

  /** Adds a message to an edge, unless nobody will take it: its consumer has ended, or takes no tombstones. */
  deliver(target: PlanTarget, message: Message): void {
    const plan = this.plan.nodes[target.node]!
    const { liveOnly, mode, name } = plan.handles[target.handle]!
    const { content, firing, ordinal, producer } = message
    const { ended } = this.nodes[target.node]!
    const stays = liveOnly && content._tag === "Tombstone"
    const discarded = stays || (ended && mode !== "shared")
    this.messages.push({ nodeId: plan.id, handle: name, producer, firing, ordinal, content, discarded })
    if (stays || ended) return
    const edge = this.editEdge(target.node, target.handle, target.edge)
    if (mode === "stream") {
      const [first, place] = edge.next
      // The lowest that has come: of several firings at once, a later one may be there first.
      if (first === 0 || firing < first || (firing === first && ordinal < place)) edge.next = [firing, ordinal]
      this.dirty.add(target.node)
      return
    }
    const before = this.state.nodes[target.node]!.handles[target.handle]!.edges[target.edge]!.early
    const early = edge.early === before ? before.slice() : writable(edge.early)
    edge.early = early
    let at = early.length
    while (at > 0 && comparePositions(early[at - 1]!, message) > 0) at--
    if (at === early.length) early.push(message)
    else early.splice(at, 0, message)
    this.dirty.add(target.node)
  }

  /** Appends messages to a handle's queue. */
  enqueue(index: number, handle: number, messages: ReadonlyArray<Message>): void {
    const state = this.editHandle(index, handle)
    const before = this.state.nodes[index]!.handles[handle]!.queue
    if (state.queue === before) {
      state.queue = before.slice(state.head).concat(messages)
      state.head = 0
    } else for (const message of messages) writable(state.queue).push(message)
  }

  /** Notes on the consumers' edges that every firing of the producer below its lowest open one has ended. */
  advanceTargets(plan: PlanNode): void {
    const low = lowestOpen(this.nodes[plan.index]!)
    for (const port of plan.exits) {
      for (const target of port.targets) {
        const node = this.nodes[target.node]!
        if (node.ended || node.handles[target.handle]!.edges[target.edge]!.expected === low) continue
        this.editEdge(target.node, target.handle, target.edge).expected = low
        this.dirty.add(target.node)
      }
    }
  }

  /** Ends a node; its messages needn't be kept in memory any more. */
  close(index: number): void {
    const node = this.edit(index)
    node.ended = true
    node.handles = []
    this.finished.push(index)
  }

  /** The nodes that have been touched and have not ended, as they are now. */
  active(): ReadonlyArray<number> {
    if (this.touched.length === 0 && this.finished.length === 0) return this.state.active
    const active = this.state.active.concat(this.touched).filter((index) => !this.nodes[index]!.ended)
    return this.touched.length === 0 ? active : active.sort((a, b) => a - b)
  }

  /** The state after this decision. */
  finish(active: ReadonlyArray<number>, status: RunStatus): RunState {
    return {
      plan: this.state.plan,
      runId: this.state.runId,
      status,
      version: this.state.version + 1,
      nodes: this.nodes,
      active,
      frontier: this.frontier(active),
      cancelling: status === "cancelling",
      paused: status === "paused"
    }
  }

  /** Whether the time for which the start was asked has not come. */
  get early(): boolean {
    const { startAt } = this.state.frontier
    return startAt !== undefined && this.now < startAt
  }

  /** The frontier of a run that has a time to begin or to end at, a parent, a trace, or something that compensates. */
  private keeping(frontier: Frontier): Frontier {
    const { deadline, parent, startAt, trace } = this.state.frontier
    return {
      ...frontier,
      ...(startAt !== undefined && this.early ? { startAt } : {}),
      ...(deadline === undefined ? {} : { deadline }),
      ...(parent === undefined ? {} : { parent }),
      ...(trace === undefined ? {} : { trace }),
      ...(this.undo === undefined ? {} : { undo: this.undo })
    }
  }

  /** What recovery needs to know of the state; entries of nodes that were not touched are those of the last commit. */
  private frontier(active: ReadonlyArray<number>): Frontier {
    const before = this.state.frontier
    const nodes: Record<string, FrontierNode> = {}
    for (const index of active) {
      const plan = this.plan.nodes[index]!
      const node = this.nodes[index]!
      const same = node === this.state.nodes[index] ? before.nodes[plan.id] : undefined
      nodes[plan.id] = same ?? frontierNode(plan, node)
    }
    const skipped = (index: number) => isSkipped(this.nodes[index]!)
    const frontier = {
      ended: this.finished.reduce(withBit, before.ended),
      skipped: this.skipsChanged ? packBits(this.nodes.length, skipped) : before.skipped,
      nodes
    }
    const { deadline, parent, startAt, trace } = before
    const told = startAt !== undefined || deadline !== undefined || parent !== undefined || trace !== undefined
    return !told && this.undo === undefined ? frontier : this.keeping(frontier)
  }
}

const nothingToUndo: FrontierUndo = { count: 0 }

/** An array that the draft at hand has made itself. */
const writable = <A>(array: ReadonlyArray<A>): Array<A> => array as Array<A>

/** The bit field with one more index in it, as `packBits` would give it. */
const withBit = (bits: string, index: number): string => {
  const at = index >> 2
  const padded = bits.padEnd(at + 1, "0")
  const digit = Number.parseInt(padded[at]!, 16) | (1 << (index & 3))
  return padded.slice(0, at) + digit.toString(16) + padded.slice(at + 1)
}

const assertMove = (plan: PlanNode, firing: number, from: FiringStatus, to: FiringStatus): void => {
  if (!canMoveFiring(from, to)) throw new Error(`firing ${plan.id}/${firing} can't go from ${from} to ${to}`)
}

/**
 * Beside the first event still needed: the first that no firing has taken. Firings of `one` handles take messages in order,
 * so their rows tell; an event goes to whichever waits, and the last one may have gone to a firing that has ended.
 */
export const untakenEvent = "$untaken"

/** A node's entry in the frontier; positions at the very beginning are left out. */
const frontierNode = (plan: PlanNode, node: NodeState): FrontierNode => {
  const from: Record<string, Record<string, Place>> = {}
  plan.handles.forEach(({ edges, mode, name }, handle) => {
    if (mode === "latest" || mode === "unordered") {
      const places = looseFrom(plan, node, handle)
      if (places !== undefined) from[name] = places
      return
    }
    if (mode !== "one" && mode !== "stream") return
    const places: Record<string, Place> = {}
    edges.forEach(({ producer }, edge) => {
      const { next } = node.handles[handle]!.edges[edge]!
      if (next[0] === 0) return
      places[producer] = firstOpen(plan, node, handle, producer) ?? next
      if (handle === plan.external) places[untakenEvent] = next
      from[name] = places
    })
  })
  const started = node.open.flatMap(
    ({ firing, inputs, startedAt }): Started => (startedAt === null ? [] : [[firing, inputs, startedAt]])
  )
  const { next } = node
  const low = node.open[0]?.firing ?? next
  return started.length === 0 ? { next, low, from } : { next, low, from, started }
}

type Started = NonNullable<FrontierNode["started"]>

type Place = EdgeState["next"]
