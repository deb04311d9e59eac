/** What can be hit: the steps of a transaction, one that is sent at once, an outside effect, a handler. */
export type PointKind = "begin" | "statement" | "commit" | "batch" | "rollback" | "effect" | "handler"

/**
 * How a point is hit.
 *
 * **Details** `before`, `after`: the process dies there. `lost`: COMMIT is done and its acknowledgement never comes.
 * `40001`, `40P01`: the server aborts the transaction. `57P01`: the server ends the session. `zombie`: the process is stopped
 * there, another one finishes its work, then it goes on; `awakened`: it goes on as soon as the other has taken its runs.
 */
export type Mode = "before" | "after" | "lost" | "40001" | "40P01" | "57P01" | "zombie" | "awakened"

/** Every mode. */
export const modes: ReadonlyArray<Mode> = ["before", "after", "lost", "40001", "40P01", "57P01", "zombie", "awakened"]

/** The modes that mean something at a kind of point. */
export const modesOf: Readonly<Record<PointKind, ReadonlyArray<Mode>>> = {
  begin: ["before", "after", "57P01", "zombie", "awakened"],
  statement: ["before", "after", "40001", "40P01", "57P01"],
  commit: ["before", "after", "lost", "40001", "57P01", "zombie", "awakened"],
  batch: ["before", "after", "lost", "40001", "40P01", "57P01", "zombie", "awakened"],
  rollback: ["before", "after", "57P01"],
  effect: ["before", "after"],
  handler: ["before", "after"]
}

/** Two words of the server for one mode: it has aborted the transaction, which may be tried again. */
const retryable: ReadonlyArray<Mode> = ["40001", "40P01"]

/** The modes, of those wanted, in which a point is hit: of two words for one mode each occurrence hears one, in turn. */
export const ownModes = ({ kind, occurrence }: Point, wanted: ReadonlyArray<Mode>): ReadonlyArray<Mode> => {
  const meant = modesOf[kind].filter((mode) => wanted.includes(mode))
  if (!retryable.every((mode) => meant.includes(mode))) return meant
  return meant.filter((mode) => mode !== retryable[occurrence % retryable.length])
}

/** A place in an execution that keeps its identity from one execution to the next. */
export interface Point {
  /** What is done there: `operation: statement`, `effect node`, `handler node`. */
  readonly name: string
  /** Which time it is done, from 1. */
  readonly occurrence: number
  readonly kind: PointKind
}

/** A point to be hit, and how. */
export interface Injection {
  readonly name: string
  readonly occurrence: number
  readonly mode: Mode
}

/** An injection as a line of a report spells it: `name#occurrence@mode`. */
export const spell = ({ mode, name, occurrence }: Injection): string => `${name}#${occurrence}@${mode}`

/** Reads what `spell` wrote. */
export const unspell = (text: string): Injection | undefined => {
  const parts = /^(.+)#(\d+)@(.+)$/.exec(text)
  const mode = modes.find((candidate) => candidate === parts?.[3])
  if (parts === null || mode === undefined) return undefined
  return { name: parts[1]!, occurrence: Number(parts[2]), mode }
}

/** Counts what is passed, and says when a point is one of those to be hit. */
export class PointLog {
  readonly passed: Array<Point> = []
  readonly hit: Array<Injection> = []
  /** How many points had been passed when the last one was hit. */
  hitAt = 0
  private readonly counts = new Map<string, number>()
  private open = true

  constructor(private readonly injections: ReadonlyArray<Injection>) {}

  /** Notes that a point is passed; gives how it is hit, if it is. */
  pass(kind: PointKind, name: string): Mode | undefined {
    const occurrence = (this.counts.get(name) ?? 0) + 1
    this.counts.set(name, occurrence)
    this.passed.push({ kind, name, occurrence })
    const injection = this.injections.find((each) => each.name === name && each.occurrence === occurrence)
    if (injection === undefined || !this.open) return undefined
    this.hit.push(injection)
    this.hitAt = this.passed.length
    return injection.mode
  }

  /** From now on nothing is hit: what is passed now belongs to the looks at the end, which want a world that stays. */
  close(): void {
    this.open = false
  }

  /** What was to be hit and was not. */
  get missed(): ReadonlyArray<Injection> {
    return this.injections.filter((injection) => !this.hit.includes(injection))
  }
}
