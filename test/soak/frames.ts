/** Takes what a PostgreSQL server sends apart into its messages: a letter, a length, a body. */
export class Frames {
  private rest: Buffer = Buffer.alloc(0)

  /** The messages that are whole by now. */
  push(chunk: Buffer): ReadonlyArray<Buffer> {
    const all = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
    const frames: Array<Buffer> = []
    let from = 0
    while (all.length - from >= 5) {
      const end = from + 1 + all.readUInt32BE(from + 1)
      if (end > all.length) break
      frames.push(all.subarray(from, end))
      from = end
    }
    this.rest = all.subarray(from)
    return frames
  }
}

const letter = (frame: Buffer): string => String.fromCharCode(frame[0]!)

const isCommit = (frame: Buffer): boolean =>
  letter(frame) === "C" && frame.toString("latin1", 5, frame.length - 1) === "COMMIT"

/** What one answer, up to the server's "ready", says of transactions. */
export class Answers {
  private status = "I"
  private committed = false
  private tags = 0

  /** Whether this message ends an answer, and whether that acknowledges a commit: a COMMIT, or a batch that is one transaction. */
  see(frame: Buffer): { readonly ends: boolean; readonly commits: boolean } {
    if (isCommit(frame)) this.committed = true
    if (letter(frame) === "C") this.tags++
    if (letter(frame) !== "Z") return { ends: false, commits: false }
    const status = String.fromCharCode(frame[5]!)
    const commits = this.committed || (this.status === "I" && status === "I" && this.tags > 1)
    this.status = status
    this.committed = false
    this.tags = 0
    return { ends: true, commits }
  }
}
