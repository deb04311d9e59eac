import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { fromJsonText, type Json } from "../model/Json.js"
import { CommandFailed, usageExit } from "./Remote.js"

const read = (given: string): string => {
  if (given === "-") return readFileSync(0, "utf8")
  return given.startsWith("@") ? readFileSync(given.slice(1), "utf8") : given
}

/** A JSON value from the command line: itself, `@file`, or `-` for standard input. */
export const jsonArgument = (name: string, given: string): Effect.Effect<Json, CommandFailed> =>
  Effect.try({
    try: () => read(given),
    catch: () => new CommandFailed({ exitCode: usageExit, message: `--${name}: can't read ${given}` })
  }).pipe(
    Effect.flatMap((text) =>
      Either.match(fromJsonText(text), {
        onLeft: ({ message }) =>
          Effect.fail(new CommandFailed({ exitCode: usageExit, message: `--${name}: expected JSON: ${message}` })),
        onRight: Effect.succeed
      })
    )
  )
