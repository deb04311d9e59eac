import * as Schema from "effect/Schema"
import { isStorable } from "./Json.js"

/** Attributes of one run at most. */
const mostAttributes = 20

const namePattern = /^[A-Za-z_][A-Za-z0-9_.-]{0,99}$/

const problemOf = (attributes: { readonly [name: string]: string }): string | true => {
  const entries = Object.entries(attributes)
  if (entries.length > mostAttributes) return `expected at most ${mostAttributes} attributes`
  for (const [name, value] of entries) {
    if (!namePattern.test(name)) {
      return "expected names of a letter or _ and then up to 99 letters, digits, or _ . -"
    }
    if (value.length < 1 || value.length > 200 || !isStorable(value)) {
      return "expected values of 1 to 200 characters without NUL and lone surrogates"
    }
  }
  return true
}

/**
 * What a run is found by beside its name: up to 20 short texts, given at its start and never changed.
 *
 * **Details** Names are a letter or `_` and then up to 99 letters, digits or `_ . -`; values have 1 to 200 characters.
 */
export const Attributes = Schema.Record({ key: Schema.String, value: Schema.String }).pipe(
  Schema.filter((attributes) => problemOf(attributes))
)
export type Attributes = typeof Attributes.Type
