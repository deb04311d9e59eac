import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as ParseResult from "effect/ParseResult"
import { failureWithoutSecrets } from "../definition/Secrets.js"
import type { WorkflowDefinition } from "../definition/WorkflowDefinition.js"
import { FailureText } from "../model/Failure.js"
import { Limits } from "../model/Limits.js"
import type { RunCommit } from "../model/Run.js"
import { type AuditEvent, AuditLog } from "../store/AuditLog.js"

/** Events that could not be recorded. */
export const auditDropped = Metric.counter("perdure_audit_dropped_total", {
  description: "Audit events that were not recorded",
  incremental: true
})

/** Hands what happened to the audit log, off the hot path. */
export class AuditTrail extends Context.Tag("perdure/AuditTrail")<
  AuditTrail,
  {
    /**
     * Never waits and never fails; what finds no room is dropped and counted. Of typed errors only what their schema in the
     * definition does not mark as secret is told; without a definition nothing of them.
     */
    readonly committed: (commit: RunCommit, at: number, definition?: WorkflowDefinition) => void
    /** Ends when everything told so far has been recorded, or lost. */
    readonly settled: Effect.Effect<void>
    /** Events told that are neither recorded nor lost yet. */
    readonly waiting: () => number
  }
>() {}

const decodeFailure = ParseResult.decodeEither(FailureText)

/** A failure as the audit log keeps it: for longer, and for more eyes, than the run itself. */
const shown = (failure: string, definition: WorkflowDefinition | undefined): string =>
  Either.match(decodeFailure(failure), {
    onLeft: () => "a failure that can't be read",
    onRight: (decoded) => JSON.stringify(failureWithoutSecrets(definition, decoded))
  })

/** What a commit has to tell: one event for each firing that changed, one for the run's step. */
const tell = (
  events: Array<AuditEvent>,
  commit: RunCommit,
  at: number,
  definition: WorkflowDefinition | undefined
): void => {
  const { runId, version } = commit
  for (const firings of [commit.firings, commit.started]) {
    for (const { attempt, failure, firing, nodeId, reason, status } of firings) {
      const detail = failure === null ? reason : shown(failure, definition)
      events.push({ runId, version, at, kind: `firing.${status}`, nodeId, firing, attempt, detail })
    }
  }
  const detail = commit.reason
  events.push({ runId, version, at, kind: `run.${commit.status}`, nodeId: null, firing: null, attempt: null, detail })
}

/** How many events a commit has to tell. */
const countOf = (commit: RunCommit): number => commit.firings.length + commit.started.length + 1

const make = Effect.gen(function* () {
  const log = yield* AuditLog
  const waiting: Array<AuditEvent> = []
  const some = Effect.unsafeMakeLatch(false)
  const now = Effect.unsafeMakeLatch(false)
  let told = 0
  let handled = 0
  let listeners: ReadonlyArray<{ readonly target: number; readonly call: () => void }> = []
  let warnedAt = 0

  const lost = (count: number, error: unknown, at: number) =>
    Effect.gen(function* () {
      yield* Metric.incrementBy(auditDropped, count)
      // Once a minute is enough: the log may be gone for long.
      if (at - warnedAt < 60_000) return
      warnedAt = at
      yield* Effect.logWarning(`The audit log failed; ${count} events are lost`, error)
    })

  const record = (events: ReadonlyArray<AuditEvent>) =>
    Effect.suspend(() => log.record(events)).pipe(
      Effect.timeout(Duration.millis(Limits.auditMs)),
      Effect.interruptible,
      Effect.sandbox,
      Effect.catchAll((cause) => lost(events.length, cause, events[0]?.at ?? 0))
    )

  const take = (): ReadonlyArray<AuditEvent> => {
    const taken = waiting.splice(0, Limits.auditBatch)
    if (waiting.length < Limits.auditBatch) now.unsafeClose()
    if (waiting.length === 0) some.unsafeClose()
    return taken
  }

  const handle = Effect.suspend(() => {
    const events = take()
    const after = Effect.sync(() => {
      handled += events.length
      for (const { call, target } of listeners) if (target <= handled) call()
      listeners = listeners.filter(({ target }) => target > handled)
    })
    return Effect.zipRight(record(events), after)
  })

  // Waits a little unless there is enough for a batch, or somebody asks: what a run does meanwhile is one row.
  const gathered = Effect.zipRight(some.await, Effect.timeoutOption(now.await, Duration.millis(Limits.auditGatherMs)))
  // Interrupted in the middle, by a stop that has waited long enough, it still counts what is lost.
  yield* Effect.forkScoped(Effect.forever(Effect.zipRight(gathered, Effect.uninterruptible(handle))))

  const committed = (commit: RunCommit, at: number, definition?: WorkflowDefinition): void => {
    if (waiting.length >= Limits.auditQueue) {
      auditDropped.unsafeUpdate(countOf(commit), [])
      return
    }
    tell(waiting, commit, at, definition)
    told += countOf(commit)
    some.unsafeOpen()
    if (waiting.length >= Limits.auditBatch) now.unsafeOpen()
  }

  const settled = Effect.async<void>((resume) => {
    if (handled >= told) return resume(Effect.void)
    listeners = [...listeners, { target: told, call: () => resume(Effect.void) }]
    now.unsafeOpen()
  })
  // Closed first: a stop hands over the last events.
  yield* Effect.addFinalizer(() =>
    Effect.interruptible(Effect.timeoutOption(settled, Duration.millis(Limits.auditLastMs)))
  )
  return { committed, settled, waiting: () => told - handled }
})

export const layer: Layer.Layer<AuditTrail, never, AuditLog> = Layer.scoped(AuditTrail, make)
