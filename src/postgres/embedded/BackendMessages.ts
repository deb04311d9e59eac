/** What the engine said in one exchange, as far as the one who passes it on must know. */
export interface BackendSummary {
  /** How often it became ready for the next query. */
  readonly ready: number
  /** The first error or fatal message, if any. */
  readonly error: string | undefined
}

const readyForQuery = "Z".charCodeAt(0)
const errorResponse = "E".charCodeAt(0)

/** The text of an ErrorResponse: its fields are a letter and a string each; `M` is the message. */
const errorText = (body: Buffer): string => {
  const fields = body.toString("utf8").split("\0")
  const field = (letter: string) => fields.find((one) => one.startsWith(letter))?.slice(1) ?? ""
  return `${field("M")} (${field("C")})`
}

/** Reads what the engine said; its messages are whole. */
export const summarise = (bytes: Buffer): BackendSummary => {
  let ready = 0
  let error: string | undefined
  let offset = 0
  while (offset + 5 <= bytes.length) {
    const type = bytes[offset]
    const end = offset + 1 + bytes.readInt32BE(offset + 1)
    if (type === readyForQuery) ready++
    if (type === errorResponse && error === undefined) error = errorText(bytes.subarray(offset + 5, end))
    offset = end
  }
  return { ready, error }
}
