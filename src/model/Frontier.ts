import * as Schema from "effect/Schema"
import { TakenInputs } from "./Firing.js"
import { RunId } from "./Ids.js"

/** Whose child a run is. */
export const Parent = Schema.Struct({ runId: RunId, nodeId: Schema.String, depth: Schema.Int })
export type Parent = typeof Parent.Type

/**
 * Where a run stands, small enough to be rewritten by every commit: what recovery needs to read only what is pending.
 *
 * **Details** `ended` and `skipped` are sets of node indices of the definition as hexadecimal bit fields: nodes that are
 * finished, and nodes that had firings, all of them skipped. `nodes` holds an entry for each node that has been
 * touched (a message or a firing) and is not finished: `next`, the number of its next firing; `low`, its lowest firing
 * that has not ended (`next` if none); `from`, per handle and producer, the first position that may still be needed.
 * `started` are firings at their first attempt that have no row yet, with what they took and when they started (ms since
 * the epoch): nearly every firing ends that way, and its one row is written then. Where there is a row, the row counts.
 * `startAt` (ms since the epoch) is there until that time has come, `deadline` where the run has one.
 * `undo` is there where nodes compensate: `count` firings have left what it takes to undo them, and `over`, once the run is winding
 * down, tells since which commit, and why: the failure as JSON text, or null if it was cancelled.
 * `parent` is the node that waits for this run as its child, and how deep below the first of them it is.
 * `trace` is the span the run began with (W3C `traceparent`), where somebody listened.
 * Everything else can be derived from firing and message rows; the invariants compare the two.
 */
export const Frontier = Schema.Struct({
  ended: Schema.String,
  skipped: Schema.String,
  nodes: Schema.Record({
    key: Schema.String,
    value: Schema.Struct({
      next: Schema.Int,
      low: Schema.Int,
      from: Schema.Record({
        key: Schema.String,
        value: Schema.Record({ key: Schema.String, value: Schema.Tuple(Schema.Int, Schema.Int) })
      }),
      started: Schema.optionalWith(Schema.Array(Schema.Tuple(Schema.Int, TakenInputs, Schema.Number)), { exact: true })
    })
  }),
  startAt: Schema.optionalWith(Schema.Number, { exact: true }),
  deadline: Schema.optionalWith(Schema.Number, { exact: true }),
  parent: Schema.optionalWith(Parent, { exact: true }),
  undo: Schema.optionalWith(
    Schema.Struct({
      count: Schema.Int,
      over: Schema.optionalWith(Schema.Struct({ since: Schema.Int, cause: Schema.NullOr(Schema.String) }), {
        exact: true
      })
    }),
    { exact: true }
  ),
  trace: Schema.optionalWith(Schema.String, { exact: true })
})
export type Frontier = typeof Frontier.Type
export type FrontierUndo = NonNullable<Frontier["undo"]>
export type FrontierNode = Frontier["nodes"][string]

/** The frontier of a run that has not begun. */
export const emptyFrontier: Frontier = { ended: "", skipped: "", nodes: {} }

/** Packs a set of small integers into a hexadecimal bit field, four to a digit, lowest first. */
export const packBits = (size: number, has: (index: number) => boolean): string => {
  let text = ""
  for (let base = 0; base < size; base += 4) {
    let digit = 0
    for (let bit = 0; bit < 4 && base + bit < size; bit++) if (has(base + bit)) digit |= 1 << bit
    text += digit.toString(16)
  }
  return text.replace(/0+$/, "")
}

/** Whether the bit field holds the index. */
export const hasBit = (bits: string, index: number): boolean => {
  const digit = bits[index >> 2]
  return digit !== undefined && (Number.parseInt(digit, 16) & (1 << (index & 3))) !== 0
}
