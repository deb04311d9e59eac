import type { Json } from "./Json.js"
import type { TombstoneCause } from "./Status.js"

/**
 * The place of a message on its edge: the firing of its producer that emitted it and its ordinal in that emission.
 *
 * **Details** Positions order the messages of one producer, whatever order the firings committed in.
 */
export interface Position {
  readonly firing: number
  readonly ordinal: number
}

/** Orders two positions of one producer. */
export const comparePositions = (a: Position, b: Position): number => a.firing - b.firing || a.ordinal - b.ordinal

/** Which message: with (run, node, handle) its whole identity, derived and never counted. */
export interface MessageRef extends Position {
  /** `nodeId.port` of the producer; `input.name` for the run's input, `$external` for trigger inputs. */
  readonly producer: string
}

/**
 * One value on an edge, or the tombstone of a value that will never come.
 *
 * **Details** `text` is the stored form of `value`; both are absent on a tombstone.
 */
export type Message = MessageRef & {
  readonly content: Content
}
export type Content =
  | { readonly _tag: "Live"; readonly text: string; readonly value: Json }
  | { readonly _tag: "Tombstone"; readonly cause: TombstoneCause }

/** A message as a commit inserts it. */
export interface MessageRow extends Message {
  readonly nodeId: string
  readonly handle: string
  /** Known at insertion that nobody will take it. */
  readonly discarded: boolean
}

/** The handle on which a node receives external events; no user handle can have this name. */
export const externalHandle = "$external"

/**
 * The node that undoes what others did, its handle, and the producer of what it takes: one message for each firing that may
 * have to be undone, numbered in the order of commits.
 */
export const compensationNode = "$compensate"

/** The producer of external events. */
export const externalProducer = "$external"
