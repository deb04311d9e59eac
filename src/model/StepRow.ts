import * as Schema from "effect/Schema"

/** What a step of a handler is: work, a wait, or something it leaves behind. */
export const StepKind = Schema.Literal("run", "sleep", "signal", "heartbeat", "query", "checkpoint")
export type StepKind = typeof StepKind.Type

/** Where a step stands. */
const StepStatus = Schema.Literal("waiting", "retrying", "completed", "failed", "timed_out")

/**
 * What is remembered of one step of one firing, as stored.
 *
 * **Details** `key` is empty where none was given. `attempt` is the number of the step's present try, `firingAttempt` that of the
 * firing in which the row was written last, of a signal that of the one that began to wait. `notBefore` (ms since the epoch) is the end of a wait or the time of the next
 * try. `value` is JSON text: a success, a typed error, the payload of a signal, the details of a heartbeat. `inputSeq` says
 * which signal was taken.
 */
export const StepRow = Schema.Struct({
  nodeId: Schema.String,
  firing: Schema.Int,
  kind: StepKind,
  name: Schema.String,
  key: Schema.String,
  status: StepStatus,
  attempt: Schema.Int,
  firingAttempt: Schema.Int,
  notBefore: Schema.NullOr(Schema.Number),
  value: Schema.NullOr(Schema.String),
  inputSeq: Schema.NullOr(Schema.String)
})
export type StepRow = typeof StepRow.Type

/** A signal that no step has taken yet. */
export const PendingSignal = Schema.Struct({ seq: Schema.String, payload: Schema.String })
export type PendingSignal = typeof PendingSignal.Type
