import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { FiringKey, RunId } from "../model/Ids.js"
import { compensationNode } from "../model/Message.js"
import type { PendingSignal, StepRow } from "../model/StepRow.js"
import { Inbox, type InboxMessage, type PendingRange } from "../store/Inbox.js"
import { StepStore } from "../store/StepStore.js"
import { Transactor } from "../store/Transactor.js"
import { backoff } from "./GroupWriter.js"

/**
 * Reads what steps and compensations need from rows; a database that is away is waited for. What a step's own transaction
 * writes, it writes.
 */
export interface StepReader {
  readonly writeHeld: Context.Tag.Service<StepStore>["writeHeld"]
  readonly of: (firing: FiringKey) => Effect.Effect<ReadonlyArray<StepRow>, UndecodableRow>
  /** What a firing has left for its compensation, by number, as JSON text. */
  readonly undo: (runId: RunId, number: number) => Effect.Effect<string | undefined, UndecodableRow>
  /** Messages of edges from a position on, at most so many of each. */
  readonly messages: (
    ranges: ReadonlyArray<PendingRange>,
    limit: number
  ) => Effect.Effect<ReadonlyArray<InboxMessage>, UndecodableRow>
  readonly signals: (
    to: { readonly runId: RunId; readonly nodeId: string; readonly name: string },
    limit: number
  ) => Effect.Effect<ReadonlyArray<PendingSignal>, UndecodableRow>
}

const undoRange = (runId: RunId, firing: number): PendingRange => ({
  runId,
  nodeId: compensationNode,
  handle: compensationNode,
  producer: compensationNode,
  from: { firing, ordinal: 0 }
})

const textOf = (message: InboxMessage | undefined, number: number): string | undefined =>
  message?.firing === number && message.content._tag === "Live" ? message.content.text : undefined

/** The reader of a worker. */
export const makeStepReader: Effect.Effect<StepReader, never, StepStore | Inbox | Transactor> = Effect.gen(
  function* () {
    const store = yield* StepStore
    const inbox = yield* Inbox
    const transactor = yield* Transactor

    const persistently = <A>(effect: Effect.Effect<A, DatabaseError | UndecodableRow>) =>
      effect.pipe(
        Effect.tapErrorTag("DatabaseError", (error) => Effect.logWarning("A step waits for the database", error)),
        Effect.retry({ schedule: backoff, while: (error) => error._tag === "DatabaseError" }),
        Effect.catchTag("DatabaseError", (error) => Effect.die(error))
      )

    const messages = (ranges: ReadonlyArray<PendingRange>, limit: number) =>
      persistently(
        transactor.read(
          "messages",
          Effect.flatMap(inbox.pending(ranges, limit), ({ messages: found, undecodable: [broken] }) =>
            broken === undefined ? Effect.succeed(found) : Effect.fail(broken.error)
          )
        )
      )

    return {
      writeHeld: store.writeHeld,
      undo: (runId, number) =>
        Effect.map(messages([undoRange(runId, number)], 1), ([message]) => textOf(message, number)),
      messages,
      of: (firing) => persistently(transactor.read("steps", store.of(firing))),
      signals: (to, limit) => persistently(transactor.read("steps", store.signals(to, limit)))
    }
  }
)
