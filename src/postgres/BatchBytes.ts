import { ArrayParameter } from "./Arrays.js"

/** What a session begins with, and what it keeps at most between two batches. */
const firstBytes = 16_384
const keptBytes = 1_048_576

/** What a statement is given: a text, or something that is sent in binary. */
export type Parameter = string | Uint8Array | ArrayParameter | null

/** Above it a text is measured before it is written; below, room for its longest encoding is cheaper than a look at each character. */
const measuredLength = 1_024

const parse = 0x50
const bind = 0x42
const execute = 0x45
const sync = 0x53

/** At least what a value takes, and exactly that for all but texts beyond ASCII. */
const roomFor = (value: Parameter): number => {
  if (value === null) return 0
  return typeof value === "string" ? value.length : value.byteLength
}

/**
 * The messages of the extended query protocol for one batch of a session, one after the other in one buffer.
 *
 * **Details** The next batch of the session takes the same buffer: the server has read a batch to its Sync when it says
 * ReadyForQuery, and nothing is written before. The driver gives each message a buffer that grows by half until it fits, and copies
 * what is in binary already. Layout: PostgreSQL documentation, "Message Formats". Results nobody reads.
 */
export class BatchBytes {
  private bytes = Buffer.allocUnsafeSlow(firstBytes)
  private length = 0

  /** Prepares a statement under a name, or under none. */
  parse(name: string, text: string): void {
    const start = this.begin(parse)
    this.word(name)
    this.word(text)
    this.int16(0)
    this.end(start)
  }

  /** Gives a statement its parameters. */
  bind(statement: string, values: ReadonlyArray<Parameter>): void {
    const start = this.begin(bind)
    this.word("")
    this.word(statement)
    this.reserve(values.reduce((sum, value) => sum + 6 + roomFor(value), 0))
    this.int16(values.length)
    for (const value of values) this.int16(value === null || typeof value === "string" ? 0 : 1)
    this.int16(values.length)
    for (const value of values) this.parameter(value)
    this.int16(0)
    this.end(start)
  }

  /** Executes what was bound last. */
  execute(): void {
    const start = this.begin(execute)
    this.word("")
    this.int32(0)
    this.end(start)
  }

  /** Ends the batch, and gives all of it; it is valid until the next message is written. */
  sync(): Uint8Array {
    this.end(this.begin(sync))
    const batch = this.bytes.subarray(0, this.length)
    if (this.bytes.length > keptBytes) this.bytes = Buffer.allocUnsafeSlow(firstBytes)
    this.length = 0
    return batch
  }

  /** Throws away what was written since the last Sync. */
  drop(): void {
    this.length = 0
  }

  private begin(code: number): number {
    this.reserve(5)
    this.bytes[this.length] = code
    this.length += 5
    return this.length - 4
  }

  private end(start: number): void {
    this.bytes.writeInt32BE(this.length - start, start)
  }

  private parameter(value: Parameter): void {
    if (value === null) return this.int32(-1)
    this.int32(0)
    const start = this.length
    if (typeof value === "string") this.text(value)
    else {
      this.reserve(value.byteLength)
      if (value instanceof ArrayParameter) value.writeTo(this.bytes, start)
      else this.bytes.set(value, start)
      this.length += value.byteLength
    }
    this.bytes.writeInt32BE(this.length - start, start - 4)
  }

  private word(text: string): void {
    this.text(text)
    this.reserve(1)
    this.bytes[this.length++] = 0
  }

  private text(text: string): void {
    this.reserve(text.length > measuredLength ? Buffer.byteLength(text) : text.length * 3)
    this.length += this.bytes.write(text, this.length)
  }

  private int16(value: number): void {
    this.reserve(2)
    this.length = this.bytes.writeUInt16BE(value, this.length)
  }

  private int32(value: number): void {
    this.reserve(4)
    this.length = this.bytes.writeInt32BE(value, this.length)
  }

  private reserve(more: number): void {
    const needed = this.length + more
    if (needed <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
  }
}
