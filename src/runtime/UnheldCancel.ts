import * as Effect from "effect/Effect"
import { emptyFrontier } from "../model/Frontier.js"
import type { RunId } from "../model/Ids.js"
import type { RunCommand, RunCommit } from "../model/Run.js"
import { type CancelledRun, StateStore } from "../store/StateStore.js"
import { Transactor } from "../store/Transactor.js"
import { TriggerStore } from "../store/TriggerStore.js"
import { Wakeups } from "../store/Wakeups.js"
import { AuditTrail } from "./AuditTrail.js"
import { DatabaseClock } from "./DatabaseClock.js"

/** The end of a cancelled run, as the inputs and the audit trail see it; its firings were ended where they stand. */
const endOf = (run: CancelledRun, commands: ReadonlyArray<RunCommand>): RunCommit => ({
  runId: run.runId,
  fence: run.fence,
  version: run.version,
  status: "cancelled",
  reason: null,
  frontier: run.parent === null ? emptyFrontier : { ...emptyFrontier, parent: run.parent },
  firings: [],
  started: [],
  messages: [],
  discarded: [],
  applied: [],
  steps: [],
  answered: commands
    .filter((command) => command.runId === run.runId)
    .map(({ kind, seq }) => ({ seq, kind, status: kind === "cancel" ? "applied" : "refused" })),
  output: null,
  failure: null
})

/**
 * Builds what ends cancelled runs that nobody holds: of a workflow that nobody here has, or parked.
 *
 * **Details** Nothing of such a run is at work, so its rows are all there is to end; no definition is needed for that.
 */
export const makeUnheldCancel = Effect.gen(function* () {
  const transactor = yield* Transactor
  const states = yield* StateStore
  const triggers = yield* TriggerStore
  const wakeups = yield* Wakeups
  const trail = yield* AuditTrail
  const clock = yield* DatabaseClock

  return (runIds: ReadonlyArray<RunId>) =>
    Effect.gen(function* () {
      if (runIds.length === 0) return
      const ends = yield* transactor.transact(
        "cancelUnheld",
        Effect.gen(function* () {
          const cancelled = yield* states.cancelUnheld(runIds)
          if (cancelled.length === 0) return []
          const commands = yield* triggers.commands(cancelled.map((run) => run.runId))
          const commits = cancelled.map((run) => endOf(run, commands))
          yield* triggers.settle(commits)
          return commits
        })
      )
      const now = yield* clock.now
      for (const end of ends) trail.committed(end, now)
      if (ends.length > 0) yield* wakeups.announce(ends.map(({ runId }) => ({ kind: "ended", runId })))
    })
})
