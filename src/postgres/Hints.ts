import * as Schema from "effect/Schema"
import { RunId } from "../model/Ids.js"
import type { Wakeup } from "../store/Wakeups.js"

/** A NOTIFY payload must be shorter than 8,000 bytes. */
const payloadBytes = 7_900

const letters = { ready: "r", input: "i", command: "c", ended: "e" } as const satisfies Record<Wakeup["kind"], string>

const kinds: Readonly<Record<string, Wakeup["kind"]>> = { r: "ready", i: "input", c: "command", e: "ended" }

const isRunId = Schema.is(RunId)

/** Two hints of one text are one hint. */
export const hintText = (hint: Wakeup): string => `${letters[hint.kind]} ${hint.runId}`

/** Packs hints, a line each, into as few payloads as will do. Run ids are ASCII, so characters are bytes. */
export const packHints = (hints: Iterable<string>): ReadonlyArray<string> => {
  const payloads: Array<string> = []
  let payload = ""
  for (const hint of hints) {
    if (payload.length + 1 + hint.length > payloadBytes) {
      payloads.push(payload)
      payload = ""
    }
    payload = payload === "" ? hint : `${payload}\n${hint}`
  }
  if (payload !== "") payloads.push(payload)
  return payloads
}

/** Reads a payload; a line that another version may have meant for something else is left out. */
export const unpackHints = (payload: string): ReadonlyArray<Wakeup> =>
  payload.split("\n").flatMap((line) => {
    const kind = kinds[line.slice(0, 1)]
    const runId = line.slice(2)
    return kind !== undefined && line[1] === " " && isRunId(runId) ? [{ kind, runId }] : []
  })
