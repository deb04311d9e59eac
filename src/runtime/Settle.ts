import type { TakenInputs } from "../model/Firing.js"
import type { Message } from "../model/Message.js"
import type { Draft } from "./Draft.js"
import { replaceEdge } from "./Draft.js"
import type { PlanNode } from "./Plan.js"
import { type HandleState, isSkipped, type NodeState, type OpenFiring, runningCount, type Taken } from "./RunState.js"

/** The reason a trigger node's firing shows while it waits. */
export const waitsForTrigger = "trigger"

/**
 * Lets everything follow from what has changed: messages join their queues, dead paths close, events wake firings,
 * firings open while there is room, nodes end, and so on downstream until nothing moves.
 */
export const settle = (draft: Draft, canStart: boolean): void => {
  for (;;) {
    const next = draft.dirty.values().next()
    if (next.done) return
    draft.dirty.delete(next.value)
    settleNode(draft, draft.plan.nodes[next.value]!, canStart)
  }
}

const settleNode = (draft: Draft, plan: PlanNode, canStart: boolean): void => {
  if (plan.kind === "input") {
    draft.advanceTargets(plan.index)
    return
  }
  if (draft.nodes[plan.index]!.ended) return
  joinQueues(draft, plan)
  // The output takes what there is when the run is over; until then its messages are pending.
  if (plan.kind === "output") return
  wakeSuspended(draft, plan)
  if (canStart) startWaiting(draft, plan)
  openFirings(draft, plan, canStart)
  endNode(draft, plan)
  draft.advanceTargets(plan.index)
}

/** Moves messages whose predecessors are all there from their edges into the handles' queues. */
const joinQueues = (draft: Draft, plan: PlanNode): void => {
  plan.handles.forEach((handlePlan, index) => {
    const merged = handlePlan.edges.length > 1
    for (let i = 0; i < handlePlan.edges.length; i++) {
      const handle = draft.nodes[plan.index]!.handles[index]!
      const edge = handle.edges[i]!
      const count = edge.early.findIndex((message) => message.firing >= edge.expected)
      const joined = count < 0 ? edge.early : edge.early.slice(0, count)
      if (joined.length === 0) continue
      // A tombstone does not enter a merge: nothing came that way, another may.
      const entering = merged || handlePlan.mode === "all" ? joined.filter(isLive) : joined
      const queue = handle.head > 0 ? handle.queue.slice(handle.head) : handle.queue
      draft.setHandle(plan.index, index, {
        ...replaceEdge(handle, i, { ...edge, early: count < 0 ? [] : edge.early.slice(count) }),
        queue: entering.length === 0 ? queue : queue.concat(entering),
        head: 0
      })
    }
  })
}

const isLive = (message: Message): boolean => message.content._tag === "Live"

/** Wakes the firings that wait: the oldest by events from outside, then those whose time has come. */
const wakeSuspended = (draft: Draft, plan: PlanNode): void => {
  if (plan.external >= 0) giveEvents(draft, plan)
  for (const open of draft.nodes[plan.index]!.open) {
    if (open.status === "suspended" && open.notBefore !== null && open.notBefore <= draft.now) {
      draft.put(plan, { ...open, status: "scheduled", notBefore: null })
    }
  }
}

const giveEvents = (draft: Draft, plan: PlanNode): void => {
  for (;;) {
    const node = draft.nodes[plan.index]!
    const event = head(node.handles[plan.external]!)
    if (event === undefined) return
    const waiting = node.open.find((open) => open.status === "suspended")
    if (waiting === undefined) return
    const taken = waiting.taken.slice()
    taken[plan.external] = event
    takeHead(draft, plan, plan.external)
    draft.put(plan, {
      ...waiting,
      status: "scheduled",
      taken,
      inputs: { ...waiting.inputs, [plan.handles[plan.external]!.name]: reference(event) },
      notBefore: null
    })
  }
}

/** Starts firings that are open already: woken, to be retried, or interrupted by a death. */
const startWaiting = (draft: Draft, plan: PlanNode): void => {
  const node = draft.nodes[plan.index]!
  let running = runningCount(node)
  for (const firing of node.open) {
    if (draft.slots <= 0 || running >= plan.concurrency) return
    if (firing.status !== "scheduled" || (firing.notBefore !== null && firing.notBefore > draft.now)) continue
    start(draft, plan, { ...firing, status: "running", reason: null, notBefore: null })
    running++
  }
}

const start = (draft: Draft, plan: PlanNode, firing: OpenFiring): void => {
  draft.put(plan, firing)
  draft.slots--
  draft.starts.push({ node: plan.index, firing })
}

type Alignment =
  | { readonly _tag: "Wait" }
  | { readonly _tag: "Skip"; readonly taken: ReadonlyArray<Taken | undefined> }
  | { readonly _tag: "Fire"; readonly taken: ReadonlyArray<Taken | undefined> }

/** Opens firings in order: skips dead ones, suspends those that wait for an event, starts the others while there is room. */
const openFirings = (draft: Draft, plan: PlanNode, canStart: boolean): void => {
  for (;;) {
    const node = draft.nodes[plan.index]!
    if (node.next > plan.limit || isDead(plan, node)) return
    const alignment = align(draft, plan, node)
    if (alignment._tag === "Wait") return
    if (alignment._tag === "Skip") {
      skip(draft, plan, open(draft, plan, alignment.taken))
      continue
    }
    if (plan.kind === "trigger") {
      if (waitsAlready(plan, node)) return
      draft.put(plan, { ...open(draft, plan, alignment.taken), status: "suspended", reason: waitsForTrigger })
      wakeSuspended(draft, plan)
      if (canStart) startWaiting(draft, plan)
      continue
    }
    if (!canStart || draft.slots <= 0 || runningCount(node) >= plan.concurrency) return
    start(draft, plan, { ...open(draft, plan, alignment.taken), status: "running" })
  }
}

/** A trigger node without an aligned input has one wait at a time. */
const waitsAlready = (plan: PlanNode, node: NodeState): boolean =>
  !plan.aligned && node.open.some((open) => open.taken[plan.external] === undefined)

/** What was skipped once for want of a value that is the same for every firing would be skipped for ever. */
const isDead = (plan: PlanNode, node: NodeState): boolean => !plan.aligned && isSkipped(node)

/** Whether the next firing has its inputs, must be skipped, or waits. */
const align = (draft: Draft, plan: PlanNode, node: NodeState): Alignment => {
  const taken: Array<Taken | undefined> = []
  let dead = false
  for (let index = 0; index < plan.handles.length; index++) {
    if (index === plan.external) {
      taken.push(undefined)
      continue
    }
    const handlePlan = plan.handles[index]!
    const handle = node.handles[index]!
    const first = head(handle)
    if (handlePlan.mode === "all") {
      if (!producersEnded(draft, plan, index)) return { _tag: "Wait" }
      if (producersSkipped(draft, plan, index)) dead = true
      taken.push(inWiringOrder(plan, index, handle))
    } else if (first !== undefined) {
      if (first.content._tag === "Tombstone") dead = true
      taken.push(first)
    } else {
      const mayStayEmpty = handlePlan.mode === "shared" || (handlePlan.edges.length > 1 && node.next === 1)
      if (!mayStayEmpty || !producersEnded(draft, plan, index)) return { _tag: "Wait" }
      dead = true
      taken.push(undefined)
    }
  }
  return { _tag: dead ? "Skip" : "Fire", taken }
}

/** Takes the aligned messages and numbers the firing. */
const open = (draft: Draft, plan: PlanNode, taken: ReadonlyArray<Taken | undefined>): OpenFiring => {
  const inputs: Record<string, TakenInputs[string]> = {}
  plan.handles.forEach((handle, index) => {
    const message = taken[index]
    if (message === undefined) return
    if ("producer" in message) {
      inputs[handle.name] = reference(message)
      if (handle.mode === "one") takeHead(draft, plan, index)
    } else inputs[handle.name] = { all: message.length }
  })
  const node = draft.edit(plan.index)
  const firing = node.next
  node.next = firing + 1
  return {
    firing,
    status: "scheduled",
    attempt: 1,
    crashes: 0,
    taken,
    inputs,
    reason: null,
    state: null,
    notBefore: null
  }
}

const skip = (draft: Draft, plan: PlanNode, firing: OpenFiring): void => {
  draft.end(plan, { ...firing, attempt: 0 }, "skipped", null, null)
  for (const port of plan.ports) draft.bury(port, firing.firing, "skipped")
  if (plan.errorPort !== undefined) draft.bury(plan.errorPort, firing.firing, "skipped")
}

const reference = (message: Message): TakenInputs[string] => ({
  ref: [message.producer, message.firing, message.ordinal]
})

const head = (handle: HandleState): Message | undefined => handle.queue[handle.head]

const takeHead = (draft: Draft, plan: PlanNode, index: number): void => {
  const handle = draft.nodes[plan.index]!.handles[index]!
  const message = handle.queue[handle.head]!
  const edge = plan.handles[index]!.edges.findIndex((candidate) => candidate.producer === message.producer)
  const advanced = replaceEdge(handle, edge, {
    ...handle.edges[edge]!,
    next: [message.firing, message.ordinal + 1]
  })
  const compact = handle.head + 1 > 64 && handle.head * 2 > handle.queue.length
  draft.setHandle(plan.index, index, {
    ...advanced,
    queue: compact ? handle.queue.slice(handle.head + 1) : handle.queue,
    head: compact ? 0 : handle.head + 1
  })
}

/** The messages of an `all` handle: by producer as wired, then by position. */
export const inWiringOrder = (plan: PlanNode, index: number, handle: HandleState): ReadonlyArray<Message> => {
  const queue = handle.head > 0 ? handle.queue.slice(handle.head) : handle.queue
  const edges = plan.handles[index]!.edges
  if (edges.length === 1) return queue
  return edges.flatMap((edge) => queue.filter((message) => message.producer === edge.producer))
}

/** Whether nothing more will join a handle's queue, as its edges have been told; events from outside never end. */
const producersEnded = (draft: Draft, plan: PlanNode, index: number): boolean =>
  index !== plan.external &&
  draft.nodes[plan.index]!.handles[index]!.edges.every((edge) => edge.expected === Number.POSITIVE_INFINITY)

const producersSkipped = (draft: Draft, plan: PlanNode, index: number): boolean =>
  plan.handles[index]!.edges.every((edge) => {
    const producer = draft.nodes[edge.node]!
    return producer.ended && isSkipped(producer)
  })

/** Ends a node that can't open another firing and has none open; what is left in its queues is discarded. */
const endNode = (draft: Draft, plan: PlanNode): void => {
  const node = draft.nodes[plan.index]!
  if (node.open.length > 0) return
  if (node.next <= plan.limit && !exhausted(draft, plan, node)) return
  const ended = draft.edit(plan.index)
  ended.ended = true
  draft.nodeEnded = true
  discardLeftOvers(draft, plan, node)
  for (const port of plan.ports) for (const target of port.targets) draft.dirty.add(target.node)
  if (plan.errorPort !== undefined) for (const target of plan.errorPort.targets) draft.dirty.add(target.node)
}

/** Whether no further firing can align: a `one` handle has ended. */
const exhausted = (draft: Draft, plan: PlanNode, node: NodeState): boolean =>
  isDead(plan, node) ||
  plan.handles.some(
    (handle, index) =>
      index !== plan.external &&
      handle.mode === "one" &&
      head(node.handles[index]!) === undefined &&
      producersEnded(draft, plan, index) &&
      (node.next > 1 || handle.edges.length === 1)
  )

const discardLeftOvers = (draft: Draft, plan: PlanNode, node: NodeState): void => {
  plan.handles.forEach((handle, index) => {
    if (handle.mode === "shared" || (handle.mode === "all" && node.next > 1)) return
    const state = node.handles[index]!
    const left = state.queue.slice(state.head).concat(state.edges.flatMap((edge) => edge.early))
    for (const message of left) {
      const fresh = draft.messages.findIndex(
        (row) =>
          row.nodeId === plan.id &&
          row.handle === handle.name &&
          row.producer === message.producer &&
          row.firing === message.firing &&
          row.ordinal === message.ordinal
      )
      if (fresh >= 0) draft.messages[fresh] = { ...draft.messages[fresh]!, discarded: true }
      else {
        const { content: _, ...ref } = message
        draft.discarded.push({ ...ref, nodeId: plan.id, handle: handle.name })
      }
    }
  })
}
