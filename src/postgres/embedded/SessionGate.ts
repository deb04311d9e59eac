import { summarise } from "./BackendMessages.js"
import type { Engine } from "./Engine.js"
import { copyFailMessage, queryMessage, startupMessage, syncMessage } from "./FrontendMessages.js"

/** The embedded database serves nobody any more: it was closed, or its engine has failed. */
export class EmbeddedDatabaseStopped extends Error {
  override readonly name = "EmbeddedDatabaseStopped"
  readonly code = "ECONNRESET"
}

/** A client of the gate: at most one is let in at a time. */
export interface Guest {
  /** The session is clean and the guest's own from now on. */
  readonly letIn: () => void
  readonly turnAway: (error: Error) => void
}

/** An extra client waits for the one session; a pool of one never makes one wait for longer than a statement takes. */
const patienceMs = 10_000

/** Ends whatever the last client left: half a sequence of extended queries, a transaction, settings, statements. */
const cleaning = Buffer.concat([syncMessage, queryMessage("rollback"), queryMessage("discard all")])

const opening = startupMessage("postgres", "postgres")

/** What a client may ask for when it connects, and is worth keeping. Time-outs do nothing, but can be shown. */
const sessionSettings = ["application_name", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]

/**
 * A COPY FROM STDIN would wait for data within the exchange, and the engine ends when there is none. Outside of one, the
 * message that refuses to send data is ignored.
 */
const refusingCopy = (messages: Buffer): Buffer =>
  messages.includes("stdin") || messages.includes("STDIN") ? Buffer.concat([messages, copyFailMessage]) : messages

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/**
 * Makes one session of a server out of an engine that has exactly one.
 *
 * **Details** Work runs strictly in order, each piece on its own turn of the event loop, so that a stream of statements
 * does not keep timers and sockets waiting. A guest that leaves, however rudely, leaves between two exchanges; the
 * session is rolled back and cleaned before the next guest is let in. An engine that does not answer as it should is
 * never spoken to again: what it has committed is on disk, and the next start recovers it.
 */
export class SessionGate {
  readonly #engine: Engine
  readonly #waiting = new Map<Guest, NodeJS.Timeout>()
  #guest: Guest | undefined
  #last: Promise<unknown> = Promise.resolve()
  #stopped: EmbeddedDatabaseStopped | undefined
  #onFailure: (failure: EmbeddedDatabaseStopped) => void

  /** `onFailure` is called at most once, when the engine fails. */
  constructor(engine: Engine, onFailure: (failure: EmbeddedDatabaseStopped) => void) {
    this.#engine = engine
    this.#onFailure = onFailure
  }

  /** Asks for the session. Exactly one of `letIn` and `turnAway` follows, unless the guest leaves before. */
  enter(guest: Guest): void {
    const timer = setTimeout(() => {
      this.#waiting.delete(guest)
      guest.turnAway(new Error("the embedded database has one connection only, and it is in use"))
    }, patienceMs)
    timer.unref()
    this.#waiting.set(guest, timer)
    this.#admit()
  }

  /** Gives the session up, or stops waiting for it. */
  leave(guest: Guest): void {
    clearTimeout(this.#waiting.get(guest))
    this.#waiting.delete(guest)
    if (this.#guest !== guest) return
    this.#inOrder(() => this.#clean()).then(
      () => {
        this.#guest = undefined
        this.#admit()
      },
      () => {
        this.#guest = undefined
      }
    )
  }

  /** Runs whole messages for the guest that is in; the engine owes `answers` times ReadyForQuery. */
  exchange(guest: Guest, messages: Buffer, answers: number): Promise<Buffer> {
    return this.#inOrder(() => {
      if (this.#guest !== guest) throw new EmbeddedDatabaseStopped("the session was given up")
      return this.#speak(refusingCopy(messages), answers)
    })
  }

  /** Opens a session for the guest that is in: gives what a server says until it is ready for the first query. */
  open(guest: Guest, parameters: ReadonlyMap<string, string>): Promise<Buffer> {
    return this.#inOrder(async () => {
      if (this.#guest !== guest) throw new EmbeddedDatabaseStopped("the session was given up")
      const greeting = await this.#speak(opening, 1)
      const settings = sessionSettings.flatMap((name) => {
        const value = parameters.get(name)
        return value === undefined ? [] : [queryMessage(`set ${name} = '${value.replaceAll("'", "''")}'`)]
      })
      const { error } = summarise(await this.#speak(Buffer.concat(settings), settings.length))
      if (error !== undefined) throw new Error(error)
      return greeting
    })
  }

  /** All files of the database, after what is under way. The guest must not be within a transaction. */
  dump(): Promise<Blob> {
    return this.#inOrder(async () => {
      await this.#speak(queryMessage("checkpoint"), 1)
      return this.#engine.dump()
    })
  }

  /** Turns everybody away and shuts the engine down, after what is under way. */
  async close(): Promise<void> {
    const failed = this.#stopped !== undefined
    await this.#inOrder(async () => this.#stop(new EmbeddedDatabaseStopped("the embedded database was closed")))
    // an engine that has failed must not write a word more
    if (!failed) await this.#engine.close()
  }

  #admit(): void {
    if (this.#guest !== undefined) return
    for (const [guest, timer] of this.#waiting) {
      clearTimeout(timer)
      this.#waiting.delete(guest)
      if (this.#stopped !== undefined) {
        guest.turnAway(this.#stopped)
        continue
      }
      this.#guest = guest
      setImmediate(guest.letIn)
      return
    }
  }

  async #clean(): Promise<void> {
    if (this.#stopped !== undefined) return
    const { error } = summarise(await this.#speak(cleaning, 3))
    if (error !== undefined) throw this.#fail(`its session could not be cleaned: ${error}`)
  }

  async #speak(messages: Buffer, answers: number): Promise<Buffer> {
    if (this.#stopped !== undefined) throw this.#stopped
    if (messages.length === 0) return messages
    const said = await this.#engine.exchange(messages).catch((cause: unknown) => {
      throw this.#fail(cause instanceof Error ? cause.message : String(cause))
    })
    const { ready, error } = summarise(said)
    if (ready < answers) throw this.#fail(error ?? "it did not answer")
    return said
  }

  #fail(reason: string): EmbeddedDatabaseStopped {
    const failure = new EmbeddedDatabaseStopped(`the embedded database has failed: ${reason}`)
    this.#stop(failure)
    this.#onFailure(failure)
    return failure
  }

  #stop(reason: EmbeddedDatabaseStopped): void {
    this.#stopped ??= reason
    const guests = [...(this.#guest === undefined ? [] : [this.#guest]), ...this.#waiting.keys()]
    for (const timer of this.#waiting.values()) clearTimeout(timer)
    this.#waiting.clear()
    for (const guest of guests) guest.turnAway(reason)
  }

  #inOrder<A>(work: () => Promise<A>): Promise<A> {
    const result = this.#last.then(nextTurn).then(work)
    this.#last = result.catch(() => undefined)
    return result
  }
}
