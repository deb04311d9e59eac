import type { Draft } from "./Draft.js"

/** The next moment at which time alone changes something; what is due already waits for a slot. */
export const earliestTimer = (draft: Draft, active: ReadonlyArray<number>): number | undefined => {
  const { deadline = Number.POSITIVE_INFINITY, startAt } = draft.state.frontier
  let earliest = Math.min(deadline, startAt !== undefined && draft.early ? startAt : Number.POSITIVE_INFINITY)
  for (const index of active) {
    for (const { deadline: until, notBefore, status } of draft.nodes[index]!.open) {
      if (notBefore !== null && notBefore > draft.now && notBefore < earliest) earliest = notBefore
      // One that runs is ended by its attempt.
      if (until !== null && status !== "running" && until > draft.now && until < earliest) earliest = until
    }
  }
  return earliest === Number.POSITIVE_INFINITY ? undefined : earliest
}

/** `nodeId: reason` of the first waiting firing, for people. */
export const suspensionReason = (draft: Draft, active: ReadonlyArray<number>): string | null => {
  for (const index of active) {
    for (const open of draft.nodes[index]!.open) {
      const { id } = draft.plan.nodes[index]!
      if (open.status === "suspended") return `${id}: ${open.reason ?? ""}`
      if (open.notBefore !== null) return `${id}: retry`
    }
  }
  return null
}
