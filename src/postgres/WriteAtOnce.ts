import type pg from "pg"

/** A statement with its parameters, and the name it is prepared under. */
interface Write {
  readonly name: string
  readonly text: string
  readonly values?: ReadonlyArray<unknown>
}

/** The messages of the extended query protocol, as the driver's connection sends them. */
interface Wire {
  readonly parse: (query: { name: string; text: string; types: Array<string> }, more: boolean) => void
  readonly bind: (config: { statement: string; values: Array<string | null> }, more: boolean) => void
  readonly execute: (config: null, more: boolean) => void
  readonly sync: () => void
  readonly stream: { readonly cork: () => void; readonly uncork: () => void }
}

/** Prepared statements of a session, by the name they bear here. */
interface Prepared {
  readonly names: Map<string, string>
  failures: number
}

const sessions = new WeakMap<object, Prepared>()

const preparedOn = (wire: object): Prepared => {
  const known = sessions.get(wire)
  if (known !== undefined) return known
  const fresh: Prepared = { names: new Map(), failures: 0 }
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
  private prepared: Prepared | undefined

  constructor(
    private readonly writes: ReadonlyArray<Write>,
    private readonly named: boolean,
    private readonly done: (error: Error | undefined) => void
  ) {}

  /** The statement an error belongs to. */
  get at(): string {
    return this.writes[this.completed]?.name ?? "commit"
  }

  readonly submit = (wire: Wire): void => {
    const prepared = preparedOn(wire)
    const parsed: Array<string> = []
    wire.stream.cork()
    try {
      for (const { name, text, values = [] } of this.writes) {
        const known = this.named ? prepared.names.get(name) : undefined
        const statement = known ?? (this.named ? `${name}+${prepared.failures}` : "")
        if (known === undefined) {
          wire.parse({ name: statement, text, types: [] }, true)
          if (this.named) {
            prepared.names.set(name, statement)
            parsed.push(name)
          }
        }
        wire.bind({ statement, values: values.map(asParameter) }, true)
        wire.execute(null, true)
      }
      wire.sync()
    } finally {
      this.parsed = parsed
      this.prepared = prepared
      wire.stream.uncork()
    }
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
    for (const name of this.parsed) this.prepared?.names.delete(name)
    if (this.prepared !== undefined) this.prepared.failures++
    this.done(error)
  }

  handleReadyForQuery(): void {
    if (this.answered) return
    this.answered = true
    this.done(undefined)
  }
}

const ignore = (): undefined => undefined

/** A Buffer goes as it is, in binary; the driver takes it, though its types don't say so. */
const asParameter = (value: unknown): string | null =>
  typeof value === "number" || typeof value === "boolean" ? String(value) : (value as string | null)
