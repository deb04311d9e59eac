import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** One server-sent event, as text. */
export interface ServerEvent {
  readonly event: string
  readonly id: string | undefined
  readonly data: string
}

const fieldsOf = (block: string): Option.Option<ServerEvent> => {
  const fields = new Map<string, string>()
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":")
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ""))
  }
  const event = fields.get("event")
  return event === undefined
    ? Option.none()
    : Option.some({ event, id: fields.get("id"), data: fields.get("data") ?? "" })
}

/** Reads events out of bytes, however they were cut on their way. */
export const serverEvents = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<ServerEvent, E, R> =>
  Stream.decodeText(bytes).pipe(
    Stream.mapAccum("", (rest, text) => {
      const blocks = `${rest}${text}`.split("\n\n")
      return [blocks.pop() ?? "", blocks] as const
    }),
    Stream.flattenIterables,
    Stream.filterMap(fieldsOf)
  )
