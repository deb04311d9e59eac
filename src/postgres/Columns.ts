import { toColumnText } from "../model/Json.js"
import { isEnded, type RunStatus } from "../model/Status.js"

/** A reason as it is stored: text that somebody's error may have put a NUL into. */
export const reasonText = (reason: string | null): string | null => (reason === null ? null : toColumnText(reason))

/** Whether a run in this status has no lease and nothing to be looked for. */
export const rests = (status: RunStatus): boolean => isEnded(status) || status === "parked"
