/** What a client sends, cut into pieces that the engine can be given whole. */
export type FrontendPiece =
  | { readonly kind: "encryptionRequest" }
  | { readonly kind: "cancelRequest" }
  | { readonly kind: "startup"; readonly parameters: ReadonlyMap<string, string> }
  | { readonly kind: "terminate" }
  /** Whole messages; the engine owes one ReadyForQuery for each of `answers`. */
  | { readonly kind: "messages"; readonly bytes: Buffer; readonly answers: number }

/** The client broke the protocol, or uses a part of it that this end does not speak. */
export class ProtocolViolation extends Error {
  override readonly name = "ProtocolViolation"
}

const code = (letter: string): number => letter.charCodeAt(0)

const query = code("Q")
const sync = code("S")
const terminate = code("X")

/** Parse, Bind, Execute, Describe, Close, Flush, and CopyFail, which the driver sends unasked. */
const others = new Set(["P", "B", "E", "D", "C", "H", "f"].map(code))

const startupCode = 196_608
const cancelCode = 80_877_102
const encryptionCodes = [80_877_103, 80_877_104]

/** A message of a gigabyte is more than the engine's memory holds. */
const maxMessageBytes = 1 << 30

/** Cuts the bytes of one client into pieces, however they were split over writes. */
export class FrontendMessages {
  #held: Array<Buffer> = []
  #heldBytes = 0
  /** What must be held before the next message is whole. */
  #needed = 0
  #started = false
  /** A Query is answered with ReadyForQuery, unless an error before it is still waiting for its Sync. */
  #unsynced = false

  /** Takes bytes, gives what they complete. Throws `ProtocolViolation`. */
  push(chunk: Buffer): ReadonlyArray<FrontendPiece> {
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    if (this.#heldBytes < this.#needed) return []
    const bytes = this.#held.length === 1 ? chunk : Buffer.concat(this.#held)
    const pieces: Array<FrontendPiece> = []
    let offset = 0
    while (!this.#started && offset < bytes.length) {
      const length = this.#wholeLength(bytes, offset, 0)
      if (length === undefined) break
      pieces.push(this.#opening(bytes.subarray(offset, offset + length)))
      offset += length
    }
    if (this.#started) offset = this.#messages(bytes, offset, pieces)
    this.#heldBytes = bytes.length - offset
    this.#held = this.#heldBytes === 0 ? [] : [bytes.subarray(offset)]
    if (this.#heldBytes === 0) this.#needed = 0
    return pieces
  }

  /** The length of the message at `offset` when all of it is there; remembers how much is needed when it is not. */
  #wholeLength(bytes: Buffer, offset: number, typeBytes: number): number | undefined {
    const available = bytes.length - offset
    this.#needed = typeBytes + 4
    if (available < this.#needed) return undefined
    const length = bytes.readInt32BE(offset + typeBytes)
    if (length < 4 || length > maxMessageBytes) throw new ProtocolViolation(`a message of ${length} bytes`)
    this.#needed = typeBytes + length
    return available < this.#needed ? undefined : this.#needed
  }

  #opening(packet: Buffer): FrontendPiece {
    const version = packet.length < 8 ? 0 : packet.readInt32BE(4)
    if (encryptionCodes.includes(version)) return { kind: "encryptionRequest" }
    if (version === cancelCode) return { kind: "cancelRequest" }
    if (version !== startupCode) throw new ProtocolViolation(`protocol ${version >> 16}.${version & 0xffff}`)
    this.#started = true
    const words = packet.toString("utf8", 8).split("\0")
    const parameters = new Map<string, string>()
    for (let index = 0; index + 1 < words.length && words[index] !== ""; index += 2) {
      parameters.set(words[index]!, words[index + 1]!)
    }
    return { kind: "startup", parameters }
  }

  /** Cuts whole messages from `offset` on; gives the offset behind them. */
  #messages(bytes: Buffer, from: number, pieces: Array<FrontendPiece>): number {
    let offset = from
    let answers = 0
    let end = false
    while (!end && offset < bytes.length) {
      const type = bytes[offset]!
      const length = this.#wholeLength(bytes, offset, 1)
      if (length === undefined) break
      if (type === terminate) end = true
      else {
        answers += this.#answers(type)
        offset += length
      }
    }
    if (offset > from) pieces.push({ kind: "messages", bytes: bytes.subarray(from, offset), answers })
    if (!end) return offset
    pieces.push({ kind: "terminate" })
    return bytes.length
  }

  #answers(type: number): number {
    if (type === sync) {
      this.#unsynced = false
      return 1
    }
    if (type === query) return this.#unsynced ? 0 : 1
    if (!others.has(type)) throw new ProtocolViolation(`message type ${JSON.stringify(String.fromCharCode(type))}`)
    this.#unsynced = true
    return 0
  }
}

const message = (type: string, ...parts: ReadonlyArray<Buffer>): Buffer => {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(type.length + 4)
  head.write(type, "latin1")
  head.writeInt32BE(body.length + 4, type.length)
  return Buffer.concat([head, body])
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`, "utf8")

/** A simple query. */
export const queryMessage = (sql: string): Buffer => message("Q", text(sql))

/** The end of a sequence of extended queries; after an error nothing is listened to before it. */
export const syncMessage: Buffer = message("S")

/** The refusal to send data for a COPY. */
export const copyFailMessage: Buffer = message("f", text("the embedded database has no COPY FROM STDIN"))

/** The opening of a session. */
export const startupMessage = (user: string, database: string): Buffer => {
  const version = Buffer.alloc(4)
  version.writeInt32BE(startupCode)
  const parameters = [text("user"), text(user), text("database"), text(database), Buffer.alloc(1)]
  return message("", version, ...parameters)
}
