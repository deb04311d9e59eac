import { Duplex } from "node:stream"
import { FrontendMessages, type FrontendPiece } from "./FrontendMessages.js"
import type { Guest, SessionGate } from "./SessionGate.js"

/** No encryption between two parts of one process. */
const refusal = Buffer.from("N", "latin1")

/**
 * The way from the driver to the embedded database: a socket of `pg` that leads to an engine in this process.
 *
 * **Details** `connect` is emitted once the session is free and clean. What the driver writes is cut into whole messages
 * and run; a write is acknowledged when its answer has been pushed, so what is written meanwhile travels together.
 *
 * **Example**
 * ```ts
 * new pg.Pool({ stream: () => new SessionSocket(gate), max: 1, ssl: false })
 * ```
 */
export class SessionSocket extends Duplex {
  readonly #gate: SessionGate
  readonly #messages = new FrontendMessages()
  readonly #guest: Guest = {
    letIn: () => {
      if (!this.destroyed) this.emit("connect")
    },
    turnAway: (error) => {
      this.destroy(error)
    }
  }

  constructor(gate: SessionGate) {
    super({ allowHalfOpen: false })
    this.#gate = gate
  }

  /** Asks for the session; port and host mean nothing here. */
  connect(): this {
    this.#gate.enter(this.#guest)
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  /** Nothing here keeps a process alive but a statement under way. */
  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  override _read(): void {
    // answers are pushed as they come: the driver never pauses, and the engine has them in memory anyway
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#take([chunk]).then(() => done(), done)
  }

  override _writev(chunks: ReadonlyArray<{ readonly chunk: Buffer }>, done: (error?: Error) => void): void {
    this.#take(chunks.map(({ chunk }) => chunk)).then(() => done(), done)
  }

  override _final(done: (error?: Error) => void): void {
    this.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#gate.leave(this.#guest)
    done(error)
  }

  async #take(chunks: ReadonlyArray<Buffer>): Promise<void> {
    const pieces = this.#messages.push(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
    for (const piece of pieces) {
      if (this.destroyed) return
      const answer = await this.#answer(piece)
      if (!this.destroyed && !this.readableEnded) this.push(answer)
    }
  }

  /** What goes back to the driver; null ends the connection. */
  async #answer(piece: FrontendPiece): Promise<Buffer | null> {
    switch (piece.kind) {
      case "encryptionRequest":
        return refusal
      case "startup":
        return this.#gate.open(this.#guest, piece.parameters)
      case "messages":
        return this.#gate.exchange(this.#guest, piece.bytes, piece.answers)
      case "cancelRequest":
      case "terminate":
        return null
    }
  }
}
