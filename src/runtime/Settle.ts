import type { TakenInputs } from "../model/Firing.js"
import { Limits } from "../model/Limits.js"
import { externalHandle, type Message } from "../model/Message.js"
import type { Draft } from "./Draft.js"
import { advanceUnordered, type Newest, newest, takeNewest, takeUnordered } from "./Loose.js"
import type { PlanNode } from "./Plan.js"
import {
  type HandleState,
  isSkipped,
  isUnread,
  type NodeState,
  type OpenFiring,
  runningCount,
  type Taken,
  waitsForEvent,
  withInput
} from "./RunState.js"
import { discardStreams } from "./Unread.js"

/** The reason a trigger node's firing shows while it waits. */
const waitsForTrigger = "trigger"

/**
 * Lets everything follow from what has changed: messages join their queues, dead paths close, events wake firings,
 * firings open while there is room, nodes end, and so on downstream until nothing moves.
 */
export const settle = (draft: Draft, canStart: boolean): void => {
  // A set gives what is added while it is walked: each node again after each change, until none is left.
  for (const index of draft.dirty) {
    draft.dirty.delete(index)
    settleNode(draft, draft.plan.nodes[index]!, canStart)
  }
}

const settleNode = (draft: Draft, plan: PlanNode, canStart: boolean): void => {
  if (plan.kind === "input") {
    draft.advanceTargets(plan)
    return
  }
  if (draft.nodes[plan.index]!.ended) return
  joinQueues(draft, plan)
  // The output takes what there is when the run is over; until then its messages are pending.
  if (plan.kind === "output") return
  wakeSuspended(draft, plan)
  if (canStart) startWaiting(draft, plan)
  openFirings(draft, plan, canStart)
  if (plan.unordered) advanceUnordered(draft, plan)
  endNode(draft, plan)
  draft.advanceTargets(plan)
}

/** Moves messages whose predecessors are all there from their edges into the handles' queues. */
const joinQueues = (draft: Draft, plan: PlanNode): void => {
  for (let handle = 0; handle < plan.handles.length; handle++) {
    const { length } = plan.handles[handle]!.edges
    for (let edge = 0; edge < length; edge++) {
      const { early, expected } = draft.nodes[plan.index]!.handles[handle]!.edges[edge]!
      if (early.length === 0) continue
      const inOrder = plan.handles[handle]!.mode !== "unordered"
      // What an open firing has given already stands in its order.
      if (inOrder && early[0]!.firing > expected) continue
      const count = inOrder ? early.findIndex((message) => message.firing > expected) : -1
      draft.enqueue(plan.index, handle, count < 0 ? early : early.slice(0, count))
      draft.editEdge(plan.index, handle, edge).early = count < 0 ? [] : early.slice(count)
    }
  }
}

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
    const waiting = node.open.find((open) => waitsForEvent(plan, open))
    if (waiting === undefined) return
    const taken = waiting.taken.slice()
    taken[plan.external] = event
    takeHead(draft, plan, plan.external)
    draft.put(plan, {
      ...waiting,
      status: "scheduled",
      taken,
      inputs: withInput(waiting.inputs, externalHandle, reference(event)),
      notBefore: null
    })
  }
}

/** Lets the open firings of a node go on whose time has come and for which there is room. */
export const resumeOpen = (draft: Draft, plan: PlanNode): void => {
  wakeSuspended(draft, plan)
  startWaiting(draft, plan)
}

/** Starts firings that are open already: woken, to be retried, or interrupted by a death. */
const startWaiting = (draft: Draft, plan: PlanNode): void => {
  const { open } = draft.nodes[plan.index]!
  if (!open.some((firing) => firing.status === "scheduled")) return
  let running = runningCount(draft.nodes[plan.index]!)
  for (const firing of open.slice()) {
    if (running >= plan.concurrency) return
    if (!isDue(firing, draft.now)) continue
    // Whoever streams can't do it alone.
    if (firing.crashes >= Limits.crashesBeforeAlone && !plan.streams) {
      if (!draft.alone || draft.starts.length > 0) {
        draft.waitsAlone = true
        continue
      }
      draft.startsAlone = true
    } else if (draft.slots <= 0) continue
    start(draft, plan, { ...firing, status: "running", reason: null, notBefore: null })
    if (draft.startsAlone) draft.slots = 0
    running++
  }
}

/** Whether a firing may go on now. */
export const isDue = (firing: OpenFiring, now: number): boolean =>
  firing.status === "scheduled" && (firing.notBefore === null || firing.notBefore <= now)

/** Starts a firing, which takes a slot. */
export const start = (draft: Draft, plan: PlanNode, firing: OpenFiring): void => {
  draft.starts.push({ node: plan.index, firing: draft.put(plan, firing) })
  draft.slots--
}

/** Whether a firing of a settled node could start if there were a slot. */
export const couldStart = (draft: Draft, plan: PlanNode): boolean => {
  const node = draft.nodes[plan.index]!
  if (plan.kind === "output" || runningCount(node) >= plan.concurrency) return false
  if (node.open.some((firing) => isDue(firing, draft.now))) return true
  return (
    plan.kind === "task" && openRoom(plan, node) > 0 && canOpen(plan, node) && align(draft, plan, node)._tag === "Fire"
  )
}

type Alignment =
  | { readonly _tag: "Wait" }
  | { readonly _tag: "Skip"; readonly taken: ReadonlyArray<Taken | undefined> }
  | { readonly _tag: "Fire"; readonly taken: ReadonlyArray<Taken | undefined> }

const wait: Alignment = { _tag: "Wait" }

const none: Newest = { taken: [], consumed: new Map() }

/** Opens firings in order: skips dead ones, suspends those that wait for an event, starts the others while there is room. */
const openFirings = (draft: Draft, plan: PlanNode, canStart: boolean): void => {
  let room = canStart ? openRoom(plan, draft.nodes[plan.index]!) : 0
  for (;;) {
    const node = draft.nodes[plan.index]!
    if (!canOpen(plan, node)) return
    const alignment = align(draft, plan, node)
    if (alignment._tag === "Wait") return
    if (alignment._tag === "Skip") {
      skip(draft, plan, open(draft, plan, alignment.taken, "scheduled"))
      continue
    }
    if (plan.kind === "trigger") {
      if (waitsAlready(plan, node)) return
      draft.put(plan, { ...open(draft, plan, alignment.taken, "suspended"), reason: waitsForTrigger })
      wakeSuspended(draft, plan)
      if (canStart) startWaiting(draft, plan)
      continue
    }
    if (draft.slots <= 0 || room <= 0) return
    start(draft, plan, open(draft, plan, alignment.taken, "running"))
    room--
  }
}

/** How many more firings a node may begin at once. */
const openRoom = (plan: PlanNode, node: NodeState): number =>
  Math.min(plan.concurrency - runningCount(node), plan.mostOpen - node.open.length)

/** Whether a node may have another firing; what was skipped for want of a value that all share would be skipped for ever. */
const canOpen = (plan: PlanNode, node: NodeState): boolean =>
  node.next <= plan.limit && (plan.aligned || !isSkipped(node))

/** A trigger node without an aligned input has one wait at a time. */
const waitsAlready = (plan: PlanNode, node: NodeState): boolean =>
  !plan.aligned && node.open.some((firing) => waitsForEvent(plan, firing))

/** Whether the next firing has its inputs, must be skipped, or waits. */
const align = (draft: Draft, plan: PlanNode, node: NodeState): Alignment => {
  const taken: Array<Taken | undefined> = []
  let dead = false
  let waits = false
  let came = false
  let streams = 0
  let skipped = 0
  let loose: Newest | undefined
  for (let index = 0; index < plan.handles.length; index++) {
    if (index === plan.external) {
      taken.push(undefined)
      continue
    }
    const { edges, mode } = plan.handles[index]!
    const handle = node.handles[index]!
    const first = head(handle)
    if (mode === "latest") {
      loose ??= newest(plan, node) ?? none
      taken.push(loose.taken[index])
      if (loose !== none) continue
      // A handle that has ended without a message will never let the node fire.
      if (node.next === 1 && first === undefined && hasEnded(handle)) dead = true
      else waits = true
    } else if (mode === "stream") {
      taken.push(undefined)
      streams++
      if (handle.edges.some(({ next }) => next[0] > 0)) came = true
      else if (!hasEnded(handle)) waits = true
      else if (producersSkipped(draft, plan, index)) skipped++
    } else if (mode === "all") {
      if (!hasEnded(handle)) return wait
      if (producersSkipped(draft, plan, index)) dead = true
      taken.push(inWiringOrder(plan, index, handle))
    } else if (first !== undefined) {
      if (first.content._tag === "Tombstone") dead = true
      taken.push(first)
    } else {
      const mayStayEmpty = mode === "shared" || (edges.length > 1 && node.next === 1)
      if (!mayStayEmpty || !hasEnded(handle)) return wait
      dead = true
      taken.push(undefined)
    }
  }
  // One that begins with what comes first can't be skipped for another stream that is found to be empty later, nor sooner.
  if (streams > 0 && skipped === streams) dead = true
  if (waits && !dead && !came) return wait
  return { _tag: dead ? "Skip" : "Fire", taken }
}

/** Takes the aligned messages and numbers the firing. */
const open = (
  draft: Draft,
  plan: PlanNode,
  taken: ReadonlyArray<Taken | undefined>,
  status: OpenFiring["status"]
): OpenFiring => {
  const inputs: Record<string, TakenInputs[string]> = {}
  for (let index = 0; index < plan.handles.length; index++) {
    const { mode, name } = plan.handles[index]!
    const message = taken[index]
    if (message === undefined) continue
    inputs[name] = "producer" in message ? reference(message) : { all: message.length }
    if (mode === "one" || mode === "unordered") takeHead(draft, plan, index)
  }
  if (plan.latest) takeNewest(draft, plan)
  const node = draft.edit(plan.index)
  const firing = node.next
  node.next = firing + 1
  return {
    firing,
    status,
    attempt: 1,
    crashes: 0,
    taken,
    inputs,
    reason: null,
    state: null,
    notBefore: null,
    deadline: null,
    startedAt: null
  }
}

const skip = (draft: Draft, plan: PlanNode, firing: OpenFiring): void => {
  draft.end(plan, { ...firing, attempt: 0 }, "skipped", null, null)
  for (const port of plan.exits) draft.bury(port, firing.firing, "skipped")
}

const reference = (message: Message): TakenInputs[string] => ({
  ref: [message.producer, message.firing, message.ordinal]
})

const head = (handle: HandleState): Message | undefined => handle.queue[handle.head]

/** How much of a queue may lie behind its head. */
const behindHead = 64

const takeHead = (draft: Draft, plan: PlanNode, index: number): void => {
  const handle = draft.editHandle(plan.index, index)
  const { firing, ordinal, producer } = head(handle)!
  const { edges } = plan.handles[index]!
  const edge = edges.length === 1 ? 0 : edges.findIndex((candidate) => candidate.producer === producer)
  if (plan.handles[index]!.mode === "unordered") takeUnordered(draft, plan, index, edge, head(handle)!)
  else draft.editEdge(plan.index, index, edge).next = [firing, ordinal + 1]
  handle.head++
  if (handle.head <= behindHead || handle.head * 2 <= handle.queue.length) return
  handle.queue = handle.queue.slice(handle.head)
  handle.head = 0
}

/** The messages of an `all` handle: by producer as wired, then by position. */
export const inWiringOrder = (plan: PlanNode, index: number, handle: HandleState): ReadonlyArray<Message> => {
  const queue = handle.head > 0 ? handle.queue.slice(handle.head) : handle.queue
  const { edges } = plan.handles[index]!
  if (edges.length === 1) return queue
  const places = new Map(edges.map(({ producer }, place) => [producer, place]))
  return queue.slice().sort((a, b) => places.get(a.producer)! - places.get(b.producer)!)
}

/** Whether nothing more will join a handle's queue, as its edges have been told. */
const hasEnded = (handle: HandleState): boolean => {
  for (const edge of handle.edges) if (edge.expected !== Number.POSITIVE_INFINITY) return false
  return true
}

const producersSkipped = (draft: Draft, plan: PlanNode, index: number): boolean =>
  plan.handles[index]!.edges.every((edge) => isSkipped(draft.nodes[edge.node]!))

/** Ends a node that can't open another firing and has none open; what is left in its queues is discarded. */
const endNode = (draft: Draft, plan: PlanNode): void => {
  const node = draft.nodes[plan.index]!
  if (node.open.length > 0) return
  if (canOpen(plan, node) && !exhausted(plan, node)) return
  discardLeftOvers(draft, plan, node)
  if (isSkipped(node)) discardStreams(draft, plan, node)
  draft.close(plan.index)
  wakeGivers(draft, plan)
}

/** Whoever gives a stream that nobody reads any more, and waits in a step meanwhile, looks again: its stream has ended. */
const wakeGivers = (draft: Draft, plan: PlanNode): void => {
  for (const { edges } of plan.handles) {
    for (const { node } of edges) {
      const giver = node < 0 ? undefined : draft.plan.nodes[node]!
      if (!giver?.ports.some((port) => port.mode === "many" && isUnread(port, draft.nodes))) continue
      for (const open of draft.nodes[node]!.open.slice()) {
        if (open.status !== "suspended" || waitsForEvent(giver, open)) continue
        draft.put(giver, { ...open, status: "scheduled", notBefore: null })
        draft.dirty.add(node)
      }
    }
  }
}

/** Whether no further firing can align: a `one` handle has ended. */
const exhausted = (plan: PlanNode, node: NodeState): boolean => {
  for (let index = 0; index < plan.handles.length; index++) {
    const { edges, mode } = plan.handles[index]!
    const handle = node.handles[index]!
    if (mode === "latest" && (head(handle) !== undefined || !hasEnded(handle))) return false
    const aligned = mode === "one" || mode === "unordered"
    if (index === plan.external || !aligned || head(handle) !== undefined || !hasEnded(handle)) continue
    if (node.next > 1 || edges.length === 1) return true
  }
  return plan.latest && node.next > 1
}

const discardLeftOvers = (draft: Draft, plan: PlanNode, node: NodeState): void => {
  const left: Array<{ readonly handle: string; readonly message: Message }> = []
  plan.handles.forEach(({ mode, name }, index) => {
    if (mode === "shared" || (mode === "all" && node.next > 1)) return
    const { edges, head: first, queue } = node.handles[index]!
    for (let i = first; i < queue.length; i++) left.push({ handle: name, message: queue[i]! })
    for (const { early } of edges) for (const message of early) left.push({ handle: name, message })
  })
  if (left.length === 0) return
  const key = (handle: string, { firing, ordinal, producer }: Message) => `${handle} ${producer} ${firing} ${ordinal}`
  const fresh = new Map(
    draft.messages.flatMap((row, at) => (row.nodeId === plan.id ? [[key(row.handle, row), at] as const] : []))
  )
  for (const { handle, message } of left) {
    const at = fresh.get(key(handle, message))
    if (at !== undefined) draft.messages[at] = { ...draft.messages[at]!, discarded: true }
    else {
      const { firing, ordinal, producer } = message
      draft.discarded.push({ nodeId: plan.id, handle, producer, firing, ordinal })
    }
  }
}
