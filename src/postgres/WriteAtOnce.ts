import type pg from "pg"
import { ArrayParameter } from "./Arrays.js"
import { BatchBytes, type Parameter } from "./BatchBytes.js"

/** A statement with its parameters, and the name it is prepared under. */
interface Write {
  readonly name: string
  readonly text: string
  readonly values?: ReadonlyArray<unknown>
}

/** What of the driver's connection is used: the way to the server. */
interface Wire {
  readonly stream: { readonly write: (bytes: Uint8Array) => unknown }
}

/** What is known of a session: prepared statements by the name they bear here, and the bytes on their way. */
interface Session {
  readonly names: Map<string, string>
  readonly bytes: BatchBytes
  failures: number
}

const sessions = new WeakMap<object, Session>()

const sessionOf = (wire: object): Session => {
  const known = sessions.get(wire)
  if (known !== undefined) return known
  const fresh: Session = { names: new Map(), bytes: new BatchBytes(), failures: 0 }
  sessions.set(wire, fresh)
  return fresh
}

/**
 * Several statements in one round trip that are one transaction, or nothing.
 *
 * **Details** Everything up to one Sync is one implicit transaction: after an error the server skips the rest and rolls back,
 * so that no statement can run outside of it, and neither BEGIN nor COMMIT is sent. Ten commits of a lone run cost ten round
 * trips instead of sixty. Rows are thrown away. A name whose statement may not have been prepared, because its batch failed,
 * is not used again.
 */
export class WriteAtOnce implements pg.Submittable {
  private completed = 0
  private answered = false
  private parsed: ReadonlyArray<string> = []
  private session: Session | undefined

  constructor(
    private readonly writes: ReadonlyArray<Write>,
    private readonly named: boolean,
    private readonly done: (error: Error | undefined) => void
  ) {}

  /** The statement an error belongs to. */
  get at(): string {
    return this.writes[this.completed]?.name ?? "commit"
  }

  /** Sends the batch as one write. An error it returns is a value that can't be sent: the driver hands it to `handleError`. */
  readonly submit = (wire: Wire): Error | undefined => {
    const session = sessionOf(wire)
    const { bytes, failures, names } = session
    const parsed: Array<string> = []
    this.parsed = parsed
    this.session = session
    try {
      for (const { name, text, values = [] } of this.writes) {
        const known = this.named ? names.get(name) : undefined
        const statement = known ?? (this.named ? `${name}+${failures}` : "")
        if (known === undefined) {
          bytes.parse(statement, text)
          if (this.named) {
            names.set(name, statement)
            parsed.push(name)
          }
        }
        bytes.bind(statement, values.map(asParameter))
        bytes.execute()
      }
    } catch (error) {
      bytes.drop()
      return error instanceof Error ? error : new TypeError(String(error))
    }
    wire.stream.write(bytes.sync())
    return undefined
  }

  // Nobody needs the rows.
  readonly handleRowDescription = ignore
  readonly handleDataRow = ignore
  readonly handlePortalSuspended = ignore
  readonly handleEmptyQuery = ignore

  handleCommandComplete(): void {
    this.completed++
  }

  /** The server's word, or the connection's end; once. */
  handleError(error: Error): void {
    if (this.answered) return
    this.answered = true
    for (const name of this.parsed) this.session?.names.delete(name)
    if (this.session !== undefined) this.session.failures++
    this.done(error)
  }

  handleReadyForQuery(): void {
    if (this.answered) return
    this.answered = true
    this.done(undefined)
  }
}

const ignore = (): undefined => undefined

const asParameter = (value: unknown): Parameter => {
  if (typeof value === "string" || value instanceof ArrayParameter || value instanceof Uint8Array) return value
  if (value === null || value === undefined) return null
  if (typeof value === "number" || typeof value === "boolean") return String(value)
  throw new TypeError(`no parameter of a statement: ${typeof value}`)
}
