import type { RunStatus } from "../model/Status.js"
import type { RecordedEvent } from "../store/AuditLog.js"
import { eventOf } from "./Present.js"

const encoder = new TextEncoder()

/** JSON has no line break, so that one line of data is enough. */
const frame = (event: string, data: unknown, id?: string): Uint8Array =>
  encoder.encode(`${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)

/** How a run stands. */
interface Standing {
  readonly status: RunStatus
  readonly reason: string | null
}

const shown = ({ reason, status }: Standing) => ({ status, ...(reason === null ? {} : { reason }) })

/** Something that happened in a run; its number is where a reader goes on. */
export const eventFrame = (event: RecordedEvent): Uint8Array => frame("event", eventOf(event), event.seq)

/** How a run stands now. */
export const statusFrame = (standing: Standing): Uint8Array => frame("status", shown(standing))

/** How a run has ended; nothing follows. */
export const endFrame = (standing: Standing): Uint8Array => frame("end", shown(standing))

/** What became of runs; `row` is where a reader goes on, undefined where it goes on where it would have before. */
export const runsFrame = (events: ReadonlyArray<RecordedEvent>, row: bigint | undefined): Uint8Array =>
  frame(
    "runs",
    events.map((event) => ({ runId: event.runId, ...eventOf(event) })),
    row === undefined ? undefined : String(row)
  )

/** Something was left out: who wants it all reads the list of runs again. */
export const skippedFrame: Uint8Array = frame("skipped", {})

/** Keeps a connection open through those who close quiet ones. */
export const beat: Uint8Array = encoder.encode(": still here\n\n")

/** How long a reader waits before it comes again. */
export const greeting: Uint8Array = encoder.encode("retry: 1000\n\n")
