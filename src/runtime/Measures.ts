import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import type { AuditEvent } from "../store/AuditLog.js"

/** Commits that one transaction wrote. */
export const commitBatches = Metric.histogram(
  "perdure_commit_batch_size",
  MetricBoundaries.fromIterable([1, 2, 4, 8, 16, 32, 64, 128, 256]),
  "Commits written by one transaction"
)

/** Turns of the loops that keep a worker going, and how they went. */
const loops = new Map<string, { failures: number; lastAtMs: number }>()

const loopOf = (name: string) => {
  const known = loops.get(name)
  if (known !== undefined) return known
  const fresh = { failures: 0, lastAtMs: 0 }
  loops.set(name, fresh)
  return fresh
}

/** A turn of a loop went well. */
export const turned = (name: string, atMs: number): void => {
  loopOf(name).lastAtMs = atMs
}

/** A turn of a loop failed. */
export const failed = (name: string): void => {
  loopOf(name).failures++
}

/** How the loops of this process go, by name. */
export const loopTurns = (): ReadonlyMap<string, { readonly failures: number; readonly lastAtMs: number }> => loops

const transitions = new Map<string, number>()

/** Counts what became true: one event per firing that changed, one per commit of a run. */
export const countTransitions = (events: ReadonlyArray<AuditEvent>): void => {
  for (const { kind } of events) transitions.set(kind, (transitions.get(kind) ?? 0) + 1)
}

/** What became true in this process so far, by kind such as `firing.completed`. */
export const transitionCounts = (): ReadonlyMap<string, number> => transitions
