import * as Effect from "effect/Effect"
import { emptyFrontier } from "../model/Frontier.js"
import type { RunId } from "../model/Ids.js"
import type { RunCommand, RunCommit } from "../model/Run.js"
import { type CancelledRun, StateStore } from "../store/StateStore.js"
import { Transactor, writeAll } from "../store/Transactor.js"
import { TriggerStore } from "../store/TriggerStore.js"
import { Wakeups } from "../store/Wakeups.js"
import { AuditTrail } from "./AuditTrail.js"
import { DatabaseClock } from "./DatabaseClock.js"
import { RunSupervisor } from "./RunSupervisor.js"

/** A cancelled run, as the inputs and the audit trail see it; if it has ended, its firings were ended where they stand. */
const commitOf = (
  run: CancelledRun,
  status: "cancelled" | "cancelling",
  commands: ReadonlyArray<RunCommand>
): RunCommit => ({
  runId: run.runId,
  fence: run.fence,
  version: run.version,
  status,
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
 * **Details** Nothing of such a run is at work, so its rows are all there is to end; no definition is needed for that. A parked
 * one whose nodes compensate is brought back to be claimed by whoever knows its workflow.
 */
export const makeUnheldCancel = Effect.gen(function* () {
  const transactor = yield* Transactor
  const states = yield* StateStore
  const triggers = yield* TriggerStore
  const wakeups = yield* Wakeups
  const trail = yield* AuditTrail
  const clock = yield* DatabaseClock
  const supervisor = yield* RunSupervisor

  return (runIds: ReadonlyArray<RunId>) =>
    Effect.gen(function* () {
      if (runIds.length === 0) return
      const commits = yield* transactor.transact(
        "cancelUnheld",
        Effect.gen(function* () {
          const cancelled = yield* states.cancelUnheld(runIds)
          const woken = yield* states.wakeToCancel(runIds)
          if (cancelled.length + woken.length === 0) return []
          const commands = yield* triggers.commands([...cancelled, ...woken].map((run) => run.runId))
          const commits = [
            ...cancelled.map((run) => commitOf(run, "cancelled", commands)),
            ...woken.map((run) => commitOf(run, "cancelling", commands))
          ]
          yield* writeAll(triggers.settle(commits))
          return commits
        })
      )
      const now = yield* clock.now
      for (const commit of commits) trail.committed(commit, now)
      for (const { runId, status } of commits) if (status === "cancelling") supervisor.lookAt(runId)
      const ended = commits.filter(({ status }) => status === "cancelled")
      if (ended.length > 0) yield* wakeups.announce(ended.map(({ runId }) => ({ kind: "ended", runId })))
    })
})
