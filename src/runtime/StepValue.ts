import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { AnySchema } from "../definition/Input.js"
import { codecOf, fieldName, parseJson, type Refusal } from "./Codec.js"

const nothing = "null"

/** The stored form of what a step gives; without a schema there is nothing to store. */
export const writeStep = (step: string, schema: AnySchema | undefined, value: unknown): Effect.Effect<string> => {
  if (schema === undefined) return Effect.succeed(nothing)
  return Either.match(codecOf(schema).encode(value), {
    onLeft: (refusal) => misfit(step, refusal),
    onRight: ({ text }) => Effect.succeed(text)
  })
}

/** What a step gave, from its stored form. */
export const readStep = (step: string, schema: AnySchema | undefined, text: string | null): Effect.Effect<unknown> => {
  if (schema === undefined) return Effect.void
  return Either.match(Either.flatMap(parseJson(text ?? nothing), codecOf(schema).decode), {
    onLeft: (refusal) => misfit(step, refusal),
    onRight: Effect.succeed
  })
}

/** A value that its schema refuses is a bug of the handler. */
const misfit = (step: string, { message, path }: Refusal): Effect.Effect<never> =>
  Effect.dieMessage(`step ${fieldName(step, path)}: ${message}`)
