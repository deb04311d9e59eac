import * as Effect from "effect/Effect"
import type { Write, Writes } from "../store/Transactor.js"

/** Text in one statement, in UTF-16 units: with up to three bytes each it stays far below the server's bound of 1 GB. */
const chunkCharacters = 64 * 1024 * 1024

/** Splits rows so that no statement carries too much; one row that is too large stands alone. */
const chunksOf = <A>(rows: ReadonlyArray<A>, size: (row: A) => number): ReadonlyArray<ReadonlyArray<A>> => {
  const chunks: Array<ReadonlyArray<A>> = []
  let begin = 0
  let total = 0
  for (const [index, row] of rows.entries()) {
    const more = size(row)
    if (total + more > chunkCharacters && index > begin) {
      chunks.push(rows.slice(begin, index))
      begin = index
      total = 0
    }
    total += more
  }
  if (begin === 0) return [rows]
  chunks.push(rows.slice(begin))
  return chunks
}

/** Runs something for each chunk of rows; nearly always that is once, and never for no rows. */
export const forEachChunk = <A, B, E, R>(
  rows: ReadonlyArray<A>,
  size: (row: A) => number,
  f: (rows: ReadonlyArray<A>) => Effect.Effect<B, E, R>
): Effect.Effect<ReadonlyArray<B>, E, R> =>
  rows.length === 0 ? Effect.succeed([]) : Effect.forEach(chunksOf(rows, size), (chunk) => f(chunk))

/** What is written for each chunk of rows: nearly always that is one statement, and none for no rows. */
export const writesOf = <A>(
  rows: ReadonlyArray<A>,
  size: (row: A) => number,
  write: (rows: ReadonlyArray<A>) => Write
): Writes => {
  const writes: Array<Write> = []
  if (rows.length > 0) for (const chunk of chunksOf(rows, size)) writes.push(write(chunk))
  return writes
}

/** The size of a text that may be absent. */
export const lengthOf = (text: string | null): number => (text === null ? 0 : text.length)
