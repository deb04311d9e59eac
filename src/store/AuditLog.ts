import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"

/** Something that happened, for people. Nothing reads it to decide anything. */
export interface AuditEvent {
  readonly runId: RunId
  readonly kind: string
  readonly nodeId: string | null
  readonly firing: number | null
  readonly attempt: number | null
  /** The commit it became true with. */
  readonly version: number | null
  /** Milliseconds since the epoch, on the worker's clock. */
  readonly at: number
  readonly detail: string | null
}

/** An event as it was recorded. */
export interface RecordedEvent extends AuditEvent {
  readonly seq: string
}

/**
 * The record of what happened; the one port that can be replaced alone.
 *
 * **Details** `record` is handed events off the hot path; whatever it does or fails to do never disturbs a run.
 */
export class AuditLog extends Context.Tag("perdure/AuditLog")<
  AuditLog,
  {
    readonly record: (events: ReadonlyArray<AuditEvent>) => Effect.Effect<void, DatabaseError>
    /** Events of a run, optionally of one node, in order, after a cursor (`seq`). */
    readonly read: (
      runId: RunId,
      options: { readonly nodeId?: string; readonly after?: string; readonly limit: number }
    ) => Effect.Effect<ReadonlyArray<RecordedEvent>, DatabaseError | UndecodableRow>
  }
>() {}
