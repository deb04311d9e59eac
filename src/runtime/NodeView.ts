import type { FiringRow } from "../model/Firing.js"
import { type NodeStatus, summariseNode } from "../model/Status.js"
import type { Plan, PlanNode } from "./Plan.js"

/** A node of a run as shown to people: its status over all firings, and its last firing. */
export interface NodeView {
  readonly nodeId: string
  readonly status: NodeStatus
  /** Number of the last firing, 0 before the first. */
  readonly firing: number
  readonly attempt: number
  readonly crashes: number
  readonly reason: string | null
  readonly notBefore: number | null
  readonly failure: string | null
}

const isShown = (kind: PlanNode["kind"]): boolean => kind === "task" || kind === "trigger"

/** The nodes of a run from its firing rows, and what undoes their work once it does; without a plan only those that have fired. */
export const nodeViews = (plan: Plan | undefined, firings: ReadonlyArray<FiringRow>): ReadonlyArray<NodeView> => {
  const byNode = new Map<string, Array<FiringRow>>()
  for (const firing of firings) {
    const rows = byNode.get(firing.nodeId) ?? []
    rows.push(firing)
    byNode.set(firing.nodeId, rows)
  }
  const ids =
    plan === undefined
      ? [...byNode.keys()]
      : plan.nodes
          .filter(({ id, kind }) => isShown(kind) || (kind === "compensation" && byNode.has(id)))
          .map(({ id }) => id)
  return ids.map((nodeId) => {
    const rows = (byNode.get(nodeId) ?? []).sort((a, b) => a.firing - b.firing)
    const last = rows.at(-1)
    return {
      nodeId,
      status: summariseNode(rows.map((row) => row.status)),
      firing: last?.firing ?? 0,
      attempt: last?.attempt ?? 0,
      crashes: last?.crashes ?? 0,
      reason: last?.reason ?? null,
      notBefore: last?.notBefore ?? null,
      failure: last?.failure ?? null
    }
  })
}
