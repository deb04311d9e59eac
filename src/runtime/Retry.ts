import * as Effect from "effect/Effect"
import type { RunId } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import type { RunCommand, RunCommit } from "../model/Run.js"
import { type FailedRun, StateStore } from "../store/StateStore.js"
import { Transactor, writeAll } from "../store/Transactor.js"
import { TriggerStore } from "../store/TriggerStore.js"
import { AuditTrail } from "./AuditTrail.js"
import { DatabaseClock } from "./DatabaseClock.js"
import { Definitions } from "./Definitions.js"
import type { Plan } from "./Plan.js"
import { reopen } from "./Reopen.js"
import { RunSupervisor } from "./RunSupervisor.js"
import { policyOf, Settings } from "./Settings.js"

/** The commit by which a failed run goes on, or by which that is refused. */
const commitOf = (
  { row }: FailedRun,
  answer: Pick<RunCommit, "status" | "frontier" | "firings">,
  commands: ReadonlyArray<RunCommand>
): RunCommit => ({
  ...{ runId: row.runId, fence: row.fence + 1, version: row.version + 1, reason: null },
  ...answer,
  ...{ started: [], messages: [], discarded: [], applied: [], steps: [], output: null, failure: null },
  answered: commands
    .filter((command) => command.runId === row.runId)
    .map(({ kind, seq }) => ({
      seq,
      status: kind === "retry" && answer.status === "pending" ? "applied" : "refused"
    }))
})

/**
 * Builds what lets failed and parked runs go on when an operator asks for it.
 *
 * **Details** A failed run is reopened from its rows by whoever knows its definition; then it is claimed like any other. One
 * that ended so long ago that its messages may be gone is refused.
 */
export const makeRetry = Effect.gen(function* () {
  const settings = yield* Settings
  const transactor = yield* Transactor
  const states = yield* StateStore
  const triggers = yield* TriggerStore
  const definitions = yield* Definitions
  const supervisor = yield* RunSupervisor
  const trail = yield* AuditTrail
  const clock = yield* DatabaseClock

  const answer = (run: FailedRun, plan: Plan, commands: ReadonlyArray<RunCommand>, now: number): RunCommit => {
    const { retentionMs } = policyOf(settings, run.row.workflow)
    const margin = Math.min(Limits.cleanupMarginMs, retentionMs / 2)
    const isKept = run.endedAt > now - retentionMs + margin
    return isKept
      ? commitOf(run, { status: "pending", ...reopen(plan, run.row, run.firings, now) }, commands)
      : commitOf(run, { status: "failed", frontier: run.row.frontier, firings: [] }, commands)
  }

  const retryFailed = (runIds: ReadonlyArray<RunId>, now: number) =>
    Effect.gen(function* () {
      const known = (yield* states.failedToRetry(runIds)).flatMap((run) => {
        const registered = definitions.find(run.row.workflow, run.row.workflowVersion)
        return registered === undefined ? [] : [{ run, plan: registered.plan }]
      })
      if (known.length === 0) return []
      const commands = yield* triggers.commands(known.map(({ run }) => run.row.runId))
      const commits = known.map(({ plan, run }) => answer(run, plan, commands, now))
      const reopened = commits.filter(({ status }) => status === "pending")
      if (reopened.length > 0) {
        yield* states.reopen(reopened)
        yield* writeAll(states.writeFirings(reopened))
      }
      yield* writeAll(triggers.settle(commits))
      return reopened
    })

  return (runIds: ReadonlyArray<RunId>) =>
    Effect.gen(function* () {
      if (runIds.length === 0) return
      const now = yield* clock.now
      const [reopened, unparked] = yield* transactor.transact(
        "retry",
        Effect.all([retryFailed(runIds, now), states.unpark(runIds)])
      )
      for (const commit of reopened) trail.committed(commit, now)
      for (const { runId } of reopened) supervisor.lookAt(runId)
      for (const runId of unparked) supervisor.lookAt(runId)
    })
})
