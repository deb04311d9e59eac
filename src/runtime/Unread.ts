import type { AttemptOutcome } from "../model/Firing.js"
import type { Draft } from "./Draft.js"
import type { PlanNode } from "./Plan.js"
import type { NodeState, OpenFiring } from "./RunState.js"

type Read = Extract<AttemptOutcome, { _tag: "Completed" }>["read"]

/**
 * A firing that ends, with how far it has read its streams; what it has left unread is discarded.
 *
 * **Details** The messages of a stream are in their rows alone, so what is left is told as a range of each edge. What comes later
 * is discarded where it arrives, as the node has ended.
 */
export const withRead = (draft: Draft, plan: PlanNode, firing: OpenFiring, read: Read): OpenFiring => {
  if (read === undefined) return firing
  const inputs = { ...firing.inputs }
  for (const { edges, mode, name } of plan.handles) {
    if (mode !== "stream") continue
    const { positions, whole } = read[name] ?? { positions: {}, whole: false }
    inputs[name] = { read: positions }
    if (whole) continue
    for (const { producer } of edges) discardFrom(draft, plan, name, producer, positions[producer] ?? [0, 0])
  }
  return { ...firing, inputs }
}

/** Nobody reads what has come for a node that was skipped. */
export const discardStreams = (draft: Draft, plan: PlanNode, node: NodeState): void => {
  plan.handles.forEach(({ edges, mode, name }, index) => {
    if (mode !== "stream") return
    edges.forEach(({ producer }, edge) => {
      const { next } = node.handles[index]!.edges[edge]!
      if (next[0] > 0) discardFrom(draft, plan, name, producer, next)
    })
  })
}

const discardFrom = (
  draft: Draft,
  plan: PlanNode,
  handle: string,
  producer: string,
  [firing, ordinal]: readonly [number, number]
): void => {
  draft.unread ??= []
  draft.unread.push({ nodeId: plan.id, handle, producer, firing, ordinal })
}
