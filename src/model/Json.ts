import * as Either from "effect/Either"
import { Limits } from "./Limits.js"

/** A value as JSON knows it. */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** Why an encoded value can't be stored, with the path to the place. */
export interface NotJson {
  readonly path: ReadonlyArray<string | number>
  readonly message: string
}

/** A value that made the round trip: its text, and what parsing that text gives. */
export interface JsonText {
  readonly text: string
  readonly value: Json
}

/**
 * The one boundary for values: JSON text in, the same value out, or a reason with a path.
 *
 * **Details** Refused: `bigint`, `NaN`, infinities, functions, symbols, class instances (a `Date` wants a schema),
 * `undefined` in arrays, cycles, a depth above {@link Limits.valueDepth} and keys named `__proto__`. Properties that are
 * `undefined` are dropped. NUL, lone surrogates and negative zero survive: they are escaped or written out.
 */
export const toJsonText = (input: unknown): Either.Either<JsonText, NotJson> => {
  const scan: Scan = { path: [], message: undefined, negativeZero: false }
  visit(input, 0, scan)
  if (scan.message !== undefined) return Either.left({ path: scan.path, message: scan.message })
  const text = scan.negativeZero ? write(input) : JSON.stringify(input)
  if (text === undefined) return Either.left({ path: [], message: "undefined is not a value" })
  return Either.right({ text, value: JSON.parse(text) as Json })
}

/** Parses stored or received text under the same limits. */
export const fromJsonText = (text: string): Either.Either<Json, NotJson> => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return Either.left({ path: [], message: syntaxOf(error) })
  }
  const scan: Scan = { path: [], message: undefined, negativeZero: false }
  visit(value, 0, scan)
  return scan.message === undefined
    ? Either.right(value as Json)
    : Either.left({ path: scan.path, message: scan.message })
}

/** Where the text ceases to be JSON; not a part of the text, which may be secret. */
const syntaxOf = (error: unknown): string => {
  const [, position] = /at position (\d+)/.exec(error instanceof Error ? error.message : "") ?? []
  return position === undefined ? "unexpected text or end" : `unexpected text or end at position ${position}`
}

interface Scan {
  readonly path: Array<string | number>
  message: string | undefined
  negativeZero: boolean
}

const visit = (value: unknown, depth: number, scan: Scan): boolean => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true
    case "number":
      if (!Number.isFinite(value)) return refuse(scan, `${value} has no JSON form`)
      if (value === 0 && Object.is(value, -0)) scan.negativeZero = true
      return true
    case "object":
      if (value === null) return true
      if (depth >= Limits.valueDepth) return refuse(scan, `deeper than ${Limits.valueDepth} levels`)
      return Array.isArray(value) ? visitArray(value, depth, scan) : visitObject(value, depth, scan)
    default:
      return refuse(scan, `a ${typeof value} has no JSON form`)
  }
}

const visitArray = (value: ReadonlyArray<unknown>, depth: number, scan: Scan): boolean => {
  for (let i = 0; i < value.length; i++) {
    if (!visit(value[i], depth + 1, scan)) {
      scan.path.unshift(i)
      return false
    }
  }
  return true
}

const visitObject = (value: object, depth: number, scan: Scan): boolean => {
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    return refuse(scan, `a ${value.constructor?.name ?? "class instance"} needs a schema that encodes it`)
  }
  for (const key of Object.keys(value)) {
    if (key === "__proto__") {
      scan.path.unshift(key)
      return refuse(scan, "the key __proto__ is refused")
    }
    const property = (value as Record<string, unknown>)[key]
    if (property !== undefined && !visit(property, depth + 1, scan)) {
      scan.path.unshift(key)
      return false
    }
  }
  return true
}

const refuse = (scan: Scan, message: string): false => {
  scan.message = message
  return false
}

/** `JSON.stringify` writes −0 as 0; this one is only used where a −0 was seen. */
const write = (value: unknown): string => {
  if (Object.is(value, -0)) return "-0"
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`
  if (typeof value === "object" && value !== null) {
    const parts = Object.entries(value).flatMap(([key, property]) =>
      property === undefined ? [] : [`${JSON.stringify(key)}:${write(property)}`]
    )
    return `{${parts.join(",")}}`
  }
  return JSON.stringify(value)
}

/** Whether other systems, and a `text` column, can keep this text as it is. */
export const isStorable = (text: string): boolean => !text.includes("\u0000") && text.isWellFormed()

/** Text for a `text` column: PostgreSQL knows no NUL, and a lone surrogate is no UTF-8. */
export const toColumnText = (text: string): string => text.replaceAll("\u0000", "\uFFFD").toWellFormed()
