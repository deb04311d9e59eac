import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"

const Position = Schema.Tuple(Schema.Int, Schema.Int)

/** How far the streams of an attempt were: elements given by port, and per handle and producer the next position to be read. */
export const StreamPositions = Schema.Struct({
  emitted: Schema.Record({ key: Schema.String, value: Schema.Int }),
  read: Schema.Record({ key: Schema.String, value: Schema.Record({ key: Schema.String, value: Position }) })
})
export type StreamPositions = typeof StreamPositions.Type

/** How far the streams of an attempt are. */
export interface StreamProgress {
  /** Ends when everything that was given may be committed. */
  readonly settled: Effect.Effect<void>
  /** Sends what was given until now on its way to be committed. */
  readonly push: () => void
  /** The same, and how far all of them are. */
  readonly snapshot: () => StreamPositions
}

const Checkpoint = Schema.parseJson(Schema.Struct({ state: Schema.Unknown, ...StreamPositions.fields }))

const decodeCheckpoint = Schema.decodeEither(Checkpoint)

/** A checkpoint from its stored form, or why it can't be read. */
export const readCheckpoint = (text: string): Either.Either<typeof Checkpoint.Type, string> =>
  Either.mapLeft(decodeCheckpoint(text), (error) => error.message)

/** Nothing was read or given. */
export const atTheBeginning: StreamPositions = { emitted: {}, read: {} }

/** The stored form of a checkpoint; its state is JSON text already. */
export const checkpointText = (state: string, { emitted, read }: StreamPositions): string =>
  `{"state":${state},"emitted":${JSON.stringify(emitted)},"read":${JSON.stringify(read)}}`
