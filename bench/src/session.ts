/** The value that travels along every edge: 1 kB, and a count of the steps it has been through. */
export interface Value {
  readonly count: number
  readonly padding: string
}

/** How an engine is opened in a child process; units last in the names. */
export interface OpenOptions {
  /** The database of this measurement; an engine with a store of its own leaves it alone. */
  readonly url: string
  /** `paused` accepts starts and executes nothing. */
  readonly execution: "running" | "paused"
  /** Steps of a long run before the last five. */
  readonly history: number
  /** Whether the long runs stop for good after their history, until the process is killed. */
  readonly hold: boolean
  /** After how long without a sign of life the runs of a dead process may be taken over; absent: the engine's default. */
  readonly leaseMs?: number
  /** How long a waiting run may stay in memory, for engines that can say so; absent: the engine's default. */
  readonly idleMs?: number
  /** Where an embedded database keeps its files. */
  readonly dataDir?: string
  /** The SQL that Absurd needs. */
  readonly absurdSql?: string
  /** Ports of the Restate server and of the service that it calls. */
  readonly restate?: RestatePorts
}

/** Where the Restate server listens, and where it finds the service. */
export interface RestatePorts {
  readonly ingress: number
  readonly admin: number
  readonly service: number
}

/**
 * An engine, as every work drives it.
 *
 * **Details** A promise of a run's end resolves when that end is durable and its value has been checked.
 */
export interface Session {
  /** A chain of ten steps, started and awaited. */
  readonly chain: (runId: string) => Promise<void>
  /** One step, fifty side by side, one that takes them all; started and awaited. */
  readonly fan: (runId: string) => Promise<void>
  /** Starts a run of `history + 5` steps. */
  readonly long: (runId: string) => Promise<void>
  /** The end of long runs that another process has started. */
  readonly resumed: (runIds: ReadonlyArray<string>) => Promise<void>
  /** Starts a run of a step, a wait and a step; resolves when the wait is durable. */
  readonly wait: (runId: string) => Promise<void>
  /** Sends a waiting run what it waits for. */
  readonly wake: (runId: string) => Promise<void>
  /** The end of a run that waited. */
  readonly woken: (runId: string) => Promise<void>
  /** Starts a chain and does not wait for it. */
  readonly start: (runId: string) => Promise<void>
  /** Starts many chains by one call; absent where the engine has no such call. */
  readonly startBatch?: (runIds: ReadonlyArray<string>) => Promise<void>
  readonly close: () => Promise<void>
}

/** Opens an engine; `held` is told whenever a long run has reached the end of its history. */
export type Open = (options: OpenOptions, held: () => void) => Promise<Session>

/** Steps of a chain. */
export const chainSteps = 10

/** Branches of a fan. */
export const fanWidth = 50

/** Steps of a long run after its history. */
export const stepsLeft = 5

/** What every run starts with. */
export const firstValue: Value = { count: 0, padding: "x".repeat(1_000) }

/** What every step does. */
export const step = (value: Value): Value => ({ ...value, count: value.count + 1 })

/** What joins the branches of a fan. */
export const join = (values: ReadonlyArray<Value>): Value => ({
  count: values.reduce((sum, value) => sum + value.count, 0),
  padding: values[0]?.padding ?? ""
})

/** What a fan ends with: each branch has counted to two, and the last step adds one. */
export const fanCount = fanWidth * 2 + 1

/** Ends a measurement whose work was not done. */
export const expectCount = (value: Value | null | undefined, count: number): void => {
  if (value?.count !== count || value.padding.length !== firstValue.padding.length)
    throw new Error(`a run ended with ${JSON.stringify(value)?.slice(0, 80)} instead of the count ${count}`)
}

/** Promises by name, for ends that an engine tells of only inside the handlers of this process. */
export class Signals {
  readonly #waiting = new Map<string, () => void>()
  readonly #told = new Set<string>()

  tell(name: string): void {
    const resolve = this.#waiting.get(name)
    if (resolve === undefined) this.#told.add(name)
    else {
      this.#waiting.delete(name)
      resolve()
    }
  }

  heard(name: string): Promise<void> {
    if (this.#told.delete(name)) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.set(name, resolve)
    })
  }
}

/** Asks until the answer is yes. */
export const until = async (everyMs: number, ask: () => Promise<boolean>): Promise<void> => {
  while (!(await ask())) await new Promise((resolve) => setTimeout(resolve, everyMs))
}

/** Does something for each item, so many at once. */
export const forEach = async <A>(
  items: ReadonlyArray<A>,
  atOnce: number,
  body: (item: A) => Promise<void>
): Promise<void> => {
  let next = 0
  const lane = async () => {
    while (next < items.length) await body(items[next++]!)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane))
}
