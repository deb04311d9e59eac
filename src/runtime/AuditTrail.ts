import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
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
    /** Never waits and never fails; what finds no room is dropped and counted. */
    readonly committed: (commit: RunCommit, at: number) => Effect.Effect<void>
  }
>() {}

/** What a commit has to tell: one event for the run's step, one for each firing that changed. */
const eventsOf = (commit: RunCommit, at: number): ReadonlyArray<AuditEvent> => {
  const base = { runId: commit.runId, version: commit.version, at }
  const firings = commit.firings.map(
    (firing): AuditEvent => ({
      ...base,
      kind: `firing.${firing.status}`,
      nodeId: firing.nodeId,
      firing: firing.firing,
      attempt: firing.attempt,
      detail: firing.failure ?? firing.reason
    })
  )
  const run = {
    ...base,
    kind: `run.${commit.status}`,
    nodeId: null,
    firing: null,
    attempt: null,
    detail: commit.reason
  }
  return [...firings, run]
}

const make = Effect.gen(function* () {
  const log = yield* AuditLog
  const queue = yield* Queue.dropping<{ readonly commit: RunCommit; readonly at: number }>(Limits.auditQueue)
  let warnedAt = 0

  const lost = (count: number, error: unknown, at: number) =>
    Effect.gen(function* () {
      yield* Metric.incrementBy(auditDropped, count)
      // Once a minute is enough: the log may be gone for long.
      if (at - warnedAt < 60_000) return
      warnedAt = at
      yield* Effect.logWarning(`The audit log failed; ${count} events are lost`, error)
    })

  const record = (batch: ReadonlyArray<{ readonly commit: RunCommit; readonly at: number }>, boundMs: number) => {
    const events = batch.flatMap(({ at, commit }) => eventsOf(commit, at))
    return Effect.interruptible(Effect.suspend(() => log.record(events))).pipe(
      Effect.timeout(Duration.millis(boundMs)),
      Effect.sandbox,
      Effect.catchAll((cause) => lost(events.length, cause, batch[0]?.at ?? 0))
    )
  }

  const drain = Effect.flatMap(Queue.takeUpTo(queue, Limits.auditBatch), (rest) =>
    rest.length > 0 ? record(Array.from(rest), Limits.auditLastMs) : Effect.void
  )
  yield* Effect.addFinalizer(() => drain)
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.flatMap(Queue.takeBetween(queue, 1, Limits.auditBatch), (batch) =>
        record(Array.from(batch), Limits.auditMs)
      )
    )
  )
  return {
    committed: (commit: RunCommit, at: number) =>
      Effect.flatMap(Queue.offer(queue, { commit, at }), (kept) =>
        kept ? Effect.void : Metric.incrementBy(auditDropped, commit.firings.length + 1)
      )
  }
})

export const layer: Layer.Layer<AuditTrail, never, AuditLog> = Layer.scoped(AuditTrail, make)
