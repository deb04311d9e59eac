import type { ResumptionPoint } from "../Engine.js"
import type { FiringRow } from "../model/Firing.js"

/** What becomes of a firing that has not ended, when its run goes on. */
export const pointOf = (firing: FiringRow, leaseAlive: boolean): ResumptionPoint => {
  const { attempt, nodeId, notBefore, reason, state } = firing
  return { nodeId, firing: firing.firing, attempt, next: nextOf(firing, leaseAlive), state, reason, notBefore }
}

const nextOf = ({ notBefore, state, status }: FiringRow, leaseAlive: boolean): ResumptionPoint["next"] => {
  if (status === "suspended" || notBefore !== null) return "wait"
  if (status === "running" && leaseAlive) return "running"
  return state === null ? "start" : "resume"
}
