import * as Console from "effect/Console"
import type * as Effect from "effect/Effect"

/** Ranges of characters that would move a terminal's cursor, colour it, or turn the direction of its text; but tab and line. */
const dangerous: ReadonlyArray<readonly [from: number, to: number]> = [
  [0x00, 0x08],
  [0x0b, 0x1f],
  [0x7f, 0x9f],
  [0x200e, 0x200f],
  [0x202a, 0x202e],
  [0x2066, 0x2069]
]

const isDangerous = (code: number): boolean => dangerous.some(([from, to]) => code >= from && code <= to)

/** Text as a terminal may get it: what comes from a server could hold anything. */
export const plain = (text: string): string => {
  let shown = ""
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    shown += isDangerous(code) ? `\\u${code.toString(16).padStart(4, "0")}` : character
  }
  return shown
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the colours of a terminal begin with one
const colours = /\u001b\[[0-9;]*m/g

/** A text without colours. */
export const colourless = (text: string): string => text.replaceAll(colours, "")

/** Whether a stream shows colours: a terminal does, unless its user wants none. */
const isColoured = (stream: { readonly isTTY?: boolean }): boolean =>
  stream.isTTY === true && (process.env["NO_COLOR"] ?? "") === ""

/** Prints without colours where nobody would see them, as in a file or a pager. */
export const withFitColours = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Console.consoleWith((console) => {
    const shownOn = (stream: { readonly isTTY?: boolean }, values: ReadonlyArray<unknown>) =>
      isColoured(stream) ? values : values.map((value) => (typeof value === "string" ? colourless(value) : value))
    return Console.withConsole(effect, {
      ...console,
      log: (...values) => console.log(...shownOn(process.stdout, values)),
      error: (...values) => console.error(...shownOn(process.stderr, values))
    })
  })

/** Says something in one line on standard error. */
export const complain = (text: string): void => {
  process.stderr.write(`perdure: ${text}\n`)
}

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
