import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import type { AnySchema } from "../definition/Input.js"
import { atTheBeginning, checkpointText, readCheckpoint, type StreamProgress } from "./Checkpoint.js"
import { codecOf, fieldName } from "./Codec.js"
import { writeStep } from "./StepValue.js"

/** Commits a state, what was given and what was consumed, all together. */
export const commitCheckpoint = (
  schema: AnySchema,
  state: unknown,
  streams: StreamProgress | undefined,
  commit: (value: string) => Effect.Effect<void>
): Effect.Effect<void> =>
  Effect.flatMap(writeStep("checkpoint", schema, state), (text) =>
    Effect.zipRight(
      streams?.settled ?? Effect.void,
      // What is sent now and the row are taken up by one decision.
      Effect.suspend(() => commit(checkpointText(text, streams?.snapshot() ?? atTheBeginning)))
    )
  )

/** The state of a checkpoint. */
export const stateOf = (schema: AnySchema, text: string | null | undefined): Effect.Effect<Option.Option<unknown>> => {
  if (text == null) return Effect.succeedNone
  return Either.match(readCheckpoint(text), {
    onLeft: Effect.dieMessage,
    onRight: ({ state }) =>
      Either.match(codecOf(schema).decode(state), {
        onLeft: ({ message, path }) => Effect.dieMessage(`${fieldName("checkpoint", path)}: ${message}`),
        onRight: Effect.succeedSome
      })
  })
}
