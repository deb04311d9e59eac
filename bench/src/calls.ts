import type { OpenOptions } from "./session.js"

interface Tagged {
  /** What the names of the runs begin with. */
  readonly tag: string
  readonly count: number
}

interface Crowd extends Tagged {
  readonly atOnce: number
}

/** Memory of a process after a full collection, in MiB. */
export interface Memory {
  readonly rssMb: number
  readonly heapMb: number
}

/** What the harness asks of a child process; durations in seconds unless a name says otherwise. */
export interface Calls {
  readonly open: (argument: { readonly module: string; readonly options: OpenOptions }) => Promise<void>
  readonly runs: (argument: Crowd & { readonly kind: "chain" | "fan" }) => Promise<number>
  /** Milliseconds of each run, one after the other. */
  readonly lone: (argument: Tagged) => Promise<ReadonlyArray<number>>
  /** Starts long runs; resolves when each has come to the end of its history. */
  readonly hold: (argument: Tagged) => Promise<void>
  readonly resumed: (argument: Tagged) => Promise<void>
  readonly wait: (argument: Crowd) => Promise<number>
  readonly wake: (argument: Crowd) => Promise<number>
  readonly starts: (argument: Crowd) => Promise<number>
  readonly batch: (argument: Tagged) => Promise<{ readonly seconds: number; readonly oneCall: boolean }>
  readonly memory: (argument: null) => Promise<Memory>
  /** Milliseconds of processor time so far. */
  readonly cpu: (argument: null) => Promise<number>
  readonly close: (argument: null) => Promise<void>
}

/** A call on its way to a child. */
export interface Call {
  readonly id: number
  readonly name: keyof Calls
  readonly argument: unknown
}

/** What comes back. */
export type Answer = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string }

const hasId = (message: unknown): message is { readonly id: number } =>
  typeof message === "object" && message !== null && "id" in message

export const isCall = (message: unknown): message is Call => hasId(message) && "name" in message

export const isAnswer = (message: unknown): message is Answer => hasId(message) && !("name" in message)
