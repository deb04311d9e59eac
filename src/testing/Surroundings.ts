import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Registry } from "../definition/Registry.js"
import type { Query } from "../postgres/Connection.js"
import type { LedgerEntry } from "./Ledger.js"
import type { PointKind, PointLog } from "./Points.js"
import type { TestDatabase } from "./TestDatabase.js"
import type { VirtualClock } from "./VirtualClock.js"

/** What a worker process needs of the world it lives in; see `World` for what each does. */
export interface Surroundings<Worker> {
  readonly clock: VirtualClock
  readonly points: PointLog
  readonly database: TestDatabase
  readonly entries: Array<LedgerEntry>
  readonly rewrite: (query: Query) => Query
  readonly awaken: (by: Worker) => void
  readonly report: (name: string, detail: string) => void
  readonly busy: () => () => void
  readonly rest: () => () => void
  readonly during: (promise: Promise<unknown>) => void
  readonly died: (worker: Worker) => void
  readonly preamble: () => string
  readonly time: (until: "transaction" | "session") => Query
  readonly session: { time: unknown }
  readonly hit: (
    kind: PointKind,
    name: string,
    worker: Worker
  ) => { readonly before: Effect.Effect<void>; readonly after: Effect.Effect<void> }
  readonly observe: (registry: Context.Tag.Service<Registry>, worker: Worker) => Context.Tag.Service<Registry>
}
