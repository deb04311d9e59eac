import type { Message } from "../model/Message.js"
import type { Draft } from "./Draft.js"
import type { PlanNode } from "./Plan.js"
import { type HandleState, type NodeState, noneAhead, type Taken } from "./RunState.js"

/** Beyond every position: nothing of an edge is waiting, and nothing can come. */
const beyondAll = 2_147_483_647

/** Counts a message of an `unordered` handle as taken. */
export const takeUnordered = (draft: Draft, plan: PlanNode, handle: number, edge: number, message: Message): void => {
  const state = draft.editEdge(plan.index, handle, edge)
  state.ahead = new Map(state.ahead).set(message.firing, message.ordinal + 1)
}

/** Moves the first position that was not taken of each `unordered` edge as far as it goes, and forgets what lies before it. */
export const advanceUnordered = (draft: Draft, plan: PlanNode): void =>
  plan.handles.forEach(({ mode }, handle) => {
    if (mode === "unordered") advanceHandle(draft, plan, handle)
  })

const advanceHandle = (draft: Draft, plan: PlanNode, handle: number): void => {
  const { edges, head, queue } = draft.nodes[plan.index]!.handles[handle]!
  plan.handles[handle]!.edges.forEach(({ producer }, edge) => {
    const { ahead, expected, next } = edges[edge]!
    let first = Math.min(expected, beyondAll)
    for (let i = head; i < queue.length; i++) {
      const message = queue[i]!
      if (message.producer === producer && message.firing < first) first = message.firing
    }
    if (first === next[0] && ahead.size === 0) return
    const kept = [...ahead].filter(([firing]) => firing >= first)
    if (first === next[0] && kept.length === ahead.size) return
    const state = draft.editEdge(plan.index, handle, edge)
    state.next = [first, 0]
    state.ahead = kept.length === 0 ? noneAhead : new Map(kept)
  })
}

/** Which handles of a node the next firing takes new messages from, and up to where in their queues. */
export interface Newest {
  readonly taken: ReadonlyArray<Taken | undefined>
  readonly consumed: ReadonlyMap<number, number>
}

const isEmpty = ({ head, queue }: HandleState): boolean => head >= queue.length

/**
 * What the next firing of a node with `latest` handles gets: first the newest of each, then each arrival with the newest of
 * the others; nothing if nothing has come.
 */
export const newest = (plan: PlanNode, node: NodeState): Newest | undefined => {
  const indices = plan.handles.flatMap(({ mode }, index) => (mode === "latest" ? [index] : []))
  const taken: Array<Taken | undefined> = plan.handles.map((_, index) => node.handles[index]!.current)
  if (indices.some((index) => node.handles[index]!.current === undefined)) {
    if (indices.some((index) => isEmpty(node.handles[index]!))) return undefined
    for (const index of indices) taken[index] = node.handles[index]!.queue.at(-1)
    return { taken, consumed: new Map(indices.map((index) => [index, node.handles[index]!.queue.length])) }
  }
  const arrived = indices.find((index) => !isEmpty(node.handles[index]!))
  if (arrived === undefined) return undefined
  const { head, queue } = node.handles[arrived]!
  taken[arrived] = queue[head]
  return { taken, consumed: new Map([[arrived, head + 1]]) }
}

/** Takes what the next firing of a node with `latest` handles gets. */
export const takeNewest = (draft: Draft, plan: PlanNode): void => {
  const found = newest(plan, draft.nodes[plan.index]!)
  if (found === undefined) return
  for (const [index, until] of found.consumed) {
    const handle = draft.editHandle(plan.index, index)
    const { edges } = plan.handles[index]!
    for (let at = handle.head; at < until; at++) {
      const { firing, ordinal, producer } = handle.queue[at]!
      const edge = edges.findIndex((candidate) => candidate.producer === producer)
      draft.editEdge(plan.index, index, edge).next = [firing, ordinal + 1]
    }
    handle.current = handle.queue[until - 1]
    handle.queue = handle.queue.slice(until)
    handle.head = 0
  }
}
