import { comparePositions, type Message } from "../../src/model/Message.js"
import { isEnded } from "../../src/model/Status.js"
import type { PlanHandle, PlanNode } from "../../src/runtime/Plan.js"
import { type HandleState, isSkipped, type NodeState, type RunState } from "../../src/runtime/RunState.js"

/**
 * What of a state can still matter: two states that are the same here behave the same, but for the order of a merge.
 *
 * **Details** An ended node is only ended, or skipped. A queue begins at its head. A run that is being cancelled, or winds down,
 * opens no firing any more, so only its open ones count.
 */
export const normalised = (state: RunState): unknown => {
  const { active, cancelling, frontier, paused, plan, status, version } = state
  if (isEnded(status)) return { status, version }
  const isOver = cancelling || frontier.undo?.over !== undefined
  const nodes = state.nodes.map((node, index) => normalisedNode(plan.nodes[index]!, node, isOver))
  return { status, version, cancelling, paused, active, frontier, nodes }
}

const normalisedNode = (plan: PlanNode, node: NodeState, isOver: boolean): unknown => {
  if (node.ended) return { id: plan.id, ended: true, skipped: isSkipped(node) }
  const { next, open, ran, received, touched } = node
  const firings = { id: plan.id, next, open, ran, received, touched }
  if (isOver) return firings
  return { ...firings, handles: node.handles.map((handle, index) => normalisedHandle(plan.handles[index]!, handle)) }
}

const normalisedHandle = (plan: PlanHandle, { current, edges, head, queue }: HandleState): unknown => {
  const place = (message: Message) => plan.edges.findIndex(({ producer }) => producer === message.producer)
  const waiting = queue.slice(head)
  const merged = plan.edges.length > 1 || plan.mode === "unordered"
  return {
    name: plan.name,
    current,
    queue: merged ? waiting.sort((a, b) => place(a) - place(b) || comparePositions(a, b)) : waiting,
    edges: edges.map(({ ahead, ...edge }) => ({ ...edge, ahead: [...ahead].sort(([a], [b]) => a - b) }))
  }
}
