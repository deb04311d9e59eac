import * as Console from "effect/Console"
import type * as Effect from "effect/Effect"

/** Characters that would move a terminal's cursor, colour it, or turn the direction of its text. */
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

const shown = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** Text as a terminal may get it: what comes from a server could hold anything. */
export const plain = (text: string): string => text.replaceAll(control, shown)

/** One line. */
export const line = (text: string): Effect.Effect<void> => Console.log(plain(text))

/** A value as JSON, indented; for programs. */
export const json = (value: unknown): Effect.Effect<void> => Console.log(plain(JSON.stringify(value, null, 2)))

const cell = (value: unknown): string => {
  if (value === undefined || value === null) return "-"
  if (value instanceof Date) return value.toISOString()
  const text = typeof value === "string" ? value : JSON.stringify(value)
  return plain(text).replaceAll(/\s+/g, " ")
}

/** Rows in columns under their titles; the last column may be as wide as it likes. */
export const table = (
  titles: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<unknown>>
): Effect.Effect<void> => {
  const cells = [titles, ...rows.map((row) => row.map(cell))]
  const widths = titles.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const lines = cells.map((row) =>
    row
      .map((text, column) => (column === row.length - 1 ? text : text.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd()
  )
  return Console.log(lines.join("\n"))
}
