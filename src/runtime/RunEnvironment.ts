import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { RunId } from "../model/Ids.js"
import type { Lease } from "../model/Run.js"
import type { ParkReason } from "../model/Status.js"
import type { AuditTrail } from "./AuditTrail.js"
import type { Committer } from "./Committer.js"
import type { DatabaseClock } from "./DatabaseClock.js"
import type { Facade } from "./Facade.js"
import type { LargePayloads } from "./LargePayloads.js"
import type { Releaser } from "./Releaser.js"
import type { SettingsShape } from "./Settings.js"
import type { Slots } from "./Slots.js"
import type { StepReader } from "./StepReader.js"
import type { Tracing } from "./Tracing.js"

/** A run to be parked under its lease, and why. */
export interface Parking extends Lease {
  readonly reason: ParkReason
  readonly detail: string
}

/** What a live run uses of its worker. */
export interface RunEnvironment {
  readonly committer: Context.Tag.Service<Committer>
  readonly releaser: Context.Tag.Service<Releaser>
  readonly clock: Context.Tag.Service<DatabaseClock>
  readonly trail: Context.Tag.Service<AuditTrail>
  readonly large: Context.Tag.Service<LargePayloads>
  readonly tracing: Context.Tag.Service<Tracing>
  readonly slots: Slots
  readonly settings: SettingsShape
  /** How long a run that waits now stays in memory. */
  readonly idleMs: () => number
  readonly stepReader: StepReader
  readonly facade: Context.Tag.Service<Facade>
  /** Parks a run that can't go on, if the database lets it; else it stays leased and is tried again. */
  readonly park: (run: Parking) => Effect.Effect<void>
  /** Asks for a look at what waits for this run. */
  readonly relook: (runId: RunId) => void
}
