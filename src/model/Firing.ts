import * as Schema from "effect/Schema"
import type { FailureKind } from "./Failure.js"
import type { Json } from "./Json.js"
import { FiringStatus } from "./Status.js"
import type { StepRow } from "./StepRow.js"

/**
 * What a firing took from each handle: references for `one` handles, a count for `all`; once it has ended, for `stream` up to
 * which position it has read what each producer gave.
 */
export const TakenInputs = Schema.Record({
  key: Schema.String,
  value: Schema.Union(
    Schema.Struct({ ref: Schema.Tuple(Schema.String, Schema.Int, Schema.Int) }),
    Schema.Struct({ all: Schema.Int }),
    Schema.Struct({ read: Schema.Record({ key: Schema.String, value: Schema.Tuple(Schema.Int, Schema.Int) }) })
  )
})
export type TakenInputs = typeof TakenInputs.Type

/**
 * The row of one firing.
 *
 * **Details** Written when it ends, and before if it has more to tell than that it runs (it waits, it is tried again, its
 * process died): until then the run's frontier tells of it. `startedAt` (ms since the epoch) is when it first started; null
 * in a row to be written means now, or as the row says. `attempt` counts outcomes of the
 * handler and is the number of the present try; `crashes` counts deaths of the process meanwhile. `notBefore` (ms since
 * the epoch) is the time of the next try, `deadline` that by which all of them have to be over. `emitted` counts live messages per port once it is completed. `failure` and
 * `state` are JSON text.
 */
export const FiringRow = Schema.Struct({
  nodeId: Schema.String,
  firing: Schema.Int,
  status: FiringStatus,
  attempt: Schema.Int,
  crashes: Schema.Int,
  inputs: TakenInputs,
  emitted: Schema.NullOr(Schema.Record({ key: Schema.String, value: Schema.Int })),
  reason: Schema.NullOr(Schema.String),
  state: Schema.NullOr(Schema.String),
  notBefore: Schema.NullOr(Schema.Number),
  deadline: Schema.NullOr(Schema.Number),
  startedAt: Schema.NullOr(Schema.Number),
  failure: Schema.NullOr(Schema.String)
})
export type FiringRow = typeof FiringRow.Type

/**
 * How far an attempt has read a `stream` handle.
 *
 * **Details** `positions` are those behind what its handler has pulled, by producer; `whole`: it saw the end.
 */
export interface StreamRead {
  readonly positions: { readonly [producer: string]: readonly [firing: number, ordinal: number] }
  readonly whole: boolean
}

/** What a handler's attempt came to, with every value already encoded. */
export type AttemptOutcome =
  | {
      readonly _tag: "Completed"
      readonly outputs: { readonly [port: string]: ReadonlyArray<EncodedValue> }
      /** How many values were put on ports already while it ran. */
      readonly streamed?: { readonly [port: string]: number }
      /** By `stream` handle. */
      readonly read?: { readonly [handle: string]: StreamRead }
    }
  | {
      readonly _tag: "Failed"
      readonly kind: FailureKind
      readonly message: string
      readonly error?: EncodedValue
      /** Milliseconds since the epoch of the next attempt; absent when the policy gives up. */
      readonly retryAt?: number
      /** How many values were put on ports already, at least: by this attempt, or one before. */
      readonly streamed?: { readonly [port: string]: number }
      readonly read?: { readonly [handle: string]: StreamRead }
    }
  | { readonly _tag: "Suspended"; readonly reason: string; readonly state: string | null; readonly resumeAt?: number }
  /** A step of the handler waits: the firing starts again, from what it took, at a time or when a signal comes. */
  | {
      readonly _tag: "Waits"
      readonly reason: string
      readonly resumeAt?: number
      readonly steps: ReadonlyArray<StepRow>
    }
  | { readonly _tag: "Interrupted" }

/** A value with its stored text. */
export interface EncodedValue {
  readonly text: string
  readonly value: Json
}
