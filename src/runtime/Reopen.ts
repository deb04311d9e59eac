import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { FailureText } from "../model/Failure.js"
import type { FiringRow } from "../model/Firing.js"
import type { Frontier, FrontierNode } from "../model/Frontier.js"
import type { RunRow } from "../model/Run.js"
import type { Plan, PlanNode } from "./Plan.js"

/** A failed run as it goes on: its frontier and the firings that are open again. */
export interface Reopened {
  readonly frontier: Frontier
  readonly firings: ReadonlyArray<FiringRow>
}

/**
 * What a failed run goes on with, from the firings that its last commit ended. Pure.
 *
 * **Details** Whatever failed and was not caught by a wired error is scheduled again, for one more attempt; what was cancelled
 * because the run failed goes on where it was, at another attempt: its children were cancelled too. The frontier is put back to where it needs their messages. Of a run that has
 * begun to undo what it did, that is what goes on. Total time-outs count from `now`; a deadline of the run that is over holds no more.
 */
export const reopen = (plan: Plan, row: RunRow, ended: ReadonlyArray<FiringRow>, now: number): Reopened => {
  const undone = ended.filter(({ nodeId }) => nodeId === plan.undo?.id)
  const firings = (undone.length > 0 ? undone : ended).flatMap((firing) => {
    const node = plan.byId.get(firing.nodeId)
    return node === undefined ? [] : (reopenFiring(node, firing, now) ?? [])
  })
  const nodes: Record<string, FrontierNode> = { ...row.frontier.nodes }
  for (const firing of firings) {
    const node = plan.byId.get(firing.nodeId)
    const entry = nodes[firing.nodeId]
    if (node !== undefined && entry !== undefined) nodes[firing.nodeId] = putBack(node, entry, firing)
  }
  const { deadline, undo, ...others } = row.frontier
  const frontier = deadline === undefined || deadline <= now ? others : { ...others, deadline }
  if (undo === undefined) return { frontier: { ...frontier, nodes }, firings }
  return { frontier: { ...frontier, nodes, undo: undone.length > 0 ? undo : { count: undo.count } }, firings }
}

const reopenFiring = (node: PlanNode, firing: FiringRow, now: number): FiringRow | undefined => {
  const deadline = node.totalMs < Number.POSITIVE_INFINITY ? now + node.totalMs : null
  const again: FiringRow = { ...firing, status: "scheduled", failure: null, reason: null, notBefore: null, deadline }
  switch (firing.status) {
    case "failed":
      return node.errorPort !== undefined && isTyped(firing) ? undefined : { ...again, attempt: firing.attempt + 1 }
    case "cancelled":
      return waitedForEvent(node, firing)
        ? { ...again, status: "suspended", reason: "waits again" }
        : { ...again, attempt: firing.attempt + 1 }
    default:
      return undefined
  }
}

const decodeFailure = Schema.decodeEither(FailureText)

/** Whether a firing failed of its declared error: then a wired error port has taken it. */
const isTyped = (firing: FiringRow): boolean =>
  Either.match(decodeFailure(firing.failure ?? ""), {
    onLeft: () => false,
    onRight: ({ kind }) => kind === "error"
  })

const waitedForEvent = (node: PlanNode, firing: FiringRow): boolean => {
  const external = node.handles[node.external]
  if (external === undefined) return false
  const taken = firing.inputs[external.name]
  return !(taken !== undefined && "ref" in taken) && (node.kind === "trigger" || firing.state !== null)
}

/** A node's entry in the frontier with one more open firing. */
const putBack = (node: PlanNode, entry: FrontierNode, firing: FiringRow): FrontierNode => {
  const from: Record<string, FrontierNode["from"][string]> = { ...entry.from }
  for (const { mode, name } of node.handles) {
    const taken = firing.inputs[name]
    const places = from[name]
    if (mode === "shared" || mode === "all" || taken === undefined || !("ref" in taken) || places === undefined)
      continue
    const [producer, number, ordinal] = taken.ref
    const place = places[producer]
    if (place === undefined || place[0] < number || (place[0] === number && place[1] <= ordinal)) continue
    from[name] = { ...places, [producer]: [number, ordinal] }
  }
  return { ...entry, low: Math.min(entry.low, firing.firing), from }
}
