import { openSync, readFileSync, writeSync } from "node:fs"
import * as Schema from "effect/Schema"

/** A moment of a step: it began, did its effect, ended (with whatever outcome), or was interrupted. */
const Phase = Schema.Literal("begin", "effect", "end", "interrupted")

/** A line of the ledger that all workers append to. */
export const Entry = Schema.Struct({
  at: Schema.Number,
  pid: Schema.Number,
  runId: Schema.String,
  nodeId: Schema.String,
  firing: Schema.Number,
  attempt: Schema.Number,
  crashes: Schema.Number,
  key: Schema.String,
  phase: Phase
})
export type Entry = typeof Entry.Type

/** A line of what the client was told is durable. */
export const Acknowledged = Schema.Struct({
  kind: Schema.Literal("start", "trigger", "signal", "cancel", "pause", "resume"),
  runId: Schema.String,
  nodeId: Schema.optional(Schema.String),
  inputId: Schema.optional(Schema.String)
})
export type Acknowledged = typeof Acknowledged.Type

/** Appends lines to a file, each with one write: also of several processes, and of one that is killed, they stay whole. */
export const appender = <A>(path: string): ((line: A) => void) => {
  const file = openSync(path, "a")
  return (line) => {
    writeSync(file, `${JSON.stringify(line)}\n`)
  }
}

/** All lines of such a file. */
export const readLines = <A, I>(path: string, schema: Schema.Schema<A, I>): ReadonlyArray<A> => {
  const decode = Schema.decodeUnknownSync(schema)
  return readFileSync(path, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => decode(JSON.parse(line)))
}
