import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import type { Message, Position } from "../model/Message.js"
import type { RunCommit } from "../model/Run.js"
import type { Aged, Swept } from "./Retention.js"
import type { Transaction, Writes } from "./Transactor.js"

/** A range of one edge's messages: from a position on, at most `limit`. */
export interface PendingRange {
  readonly runId: RunId
  readonly nodeId: string
  readonly handle: string
  readonly producer: string
  readonly from: Position
}

/** A message found in an inbox. */
export interface InboxMessage extends Message {
  readonly runId: RunId
  readonly nodeId: string
  readonly handle: string
  readonly discarded: boolean
}

/** What was found, and the runs of which a row could not be read: they are parked, the others go on. */
export interface PendingMessages {
  readonly messages: ReadonlyArray<InboxMessage>
  readonly undecodable: ReadonlyArray<{ readonly runId: RunId; readonly error: UndecodableRow }>
}

/**
 * The messages on the edges of runs.
 *
 * **Details** A message's identity is derived from (run, node, handle, producer, firing, ordinal), so appending is
 * idempotent. Which firing consumed a message stands on the firing's row, not here: a message is written once.
 */
export class Inbox extends Context.Tag("perdure/Inbox")<
  Inbox,
  {
    /** Inserts the messages of commits that are `Ready`, or of runs just `Started`; a message that is there already stays as it is. */
    readonly append: (commits: ReadonlyArray<RunCommit>) => Writes
    /** Marks messages that nobody will take: single ones, and of an edge all from a position on. */
    readonly discard: (commits: ReadonlyArray<RunCommit>) => Writes
    /** Messages of the ranges in position order, at most `limit` of each range. */
    readonly pending: (
      ranges: ReadonlyArray<PendingRange>,
      limit?: number
    ) => Effect.Effect<PendingMessages, DatabaseError, Transaction>
    /** The highest position of each producer in one inbox. */
    readonly highest: (
      runId: RunId,
      nodeId: string,
      handle: string
    ) => Effect.Effect<
      ReadonlyArray<{ readonly producer: string } & Position>,
      DatabaseError | UndecodableRow,
      Transaction
    >
    /** Deletes consumed and discarded messages of runs that are old enough, at most `limit`. */
    readonly cleanup: (aged: Aged, limit: number) => Effect.Effect<Swept, DatabaseError, Transaction>
  }
>() {}
