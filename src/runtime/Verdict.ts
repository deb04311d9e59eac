import type { RunStatus } from "../model/Status.js"

/** What a run comes to in one decision; `failure` and `output` are JSON text, `dueAt` is the earliest timer (ms). */
export interface Verdict {
  readonly active: ReadonlyArray<number>
  readonly status: RunStatus
  readonly reason: string | null
  readonly output: string | null
  readonly failure: string | null
  readonly hungry: boolean
  readonly waitsAlone: boolean
  readonly dueAt: number | undefined
}
