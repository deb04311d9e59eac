import { CommandRefused } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import type { RunStatus } from "../model/Status.js"

/** What lets a run go on that stands. */
const remedies: { readonly [Status in RunStatus]?: "retry" | "unpark" | "resume" } = {
  failed: "retry",
  parked: "unpark",
  paused: "resume"
}

/** Commands by which a run would go on: one that is refused as the wrong one is told the right one. */
const wantsOn: ReadonlySet<string> = new Set(["retry", "unpark", "resume"])

/** Why a command is refused, and the command that is not, where there is one. */
export const refusalOf = (runId: RunId, command: string, status: RunStatus): CommandRefused => {
  const remedy = wantsOn.has(command) ? remedies[status] : undefined
  return new CommandRefused({
    runId,
    command,
    status,
    ...(remedy === undefined || remedy === command ? {} : { remedy })
  })
}
