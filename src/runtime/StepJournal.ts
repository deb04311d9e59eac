import * as Effect from "effect/Effect"
import type { FiringKey } from "../model/Ids.js"
import type { StepKind, StepRow } from "../model/StepRow.js"
import type { StartFiring } from "./RunState.js"
import type { StepOwner } from "./StepOwner.js"

const keyOf = (kind: StepKind, name: string, key: string): string => `${kind}\n${name}\n${key}`

/** What one firing remembers of its steps: the rows that are committed, read at the first need. */
export class StepJournal {
  readonly firing: FiringKey
  private readonly rows = new Map<string, StepRow>()
  private readonly once = Effect.unsafeMakeSemaphore(1)
  private loaded: boolean
  /** The details of the last sign of life as JSON text, those that were written last, and when. */
  beat: string | undefined
  beatWritten: string | undefined
  beatWrittenAt = Number.NEGATIVE_INFINITY

  constructor(
    private readonly owner: StepOwner,
    start: StartFiring
  ) {
    this.firing = { runId: owner.runId, nodeId: owner.nodeId(start.node), firing: start.firing.firing }
    this.loaded = !owner.wasOpen(start)
  }

  /** Reads the rows, once, and only of a firing that can have some. */
  readonly load: Effect.Effect<void> = Effect.suspend(() =>
    this.loaded
      ? Effect.void
      : this.once.withPermits(1)(Effect.suspend(() => (this.loaded ? Effect.void : this.read())))
  )

  /** Reads the rows again: somebody else may have written one, or nobody knows. */
  readonly reload: Effect.Effect<void> = Effect.suspend(() => {
    this.loaded = false
    return this.load
  })

  private read(): Effect.Effect<void> {
    return this.owner.reader.of(this.firing).pipe(
      Effect.tap((rows) =>
        Effect.sync(() => {
          // What this life has committed meanwhile is newer.
          for (const row of rows) if (this.find(row.kind, row.name, row.key) === undefined) this.remember(row)
          this.loaded = true
        })
      ),
      Effect.catchTag("UndecodableRow", (error) =>
        Effect.zipRight(
          Effect.sync(() => this.owner.unreadable(error.message)),
          Effect.never
        )
      ),
      Effect.asVoid
    )
  }

  /** What is remembered of a step. */
  find(kind: StepKind, name: string, key: string): StepRow | undefined {
    return this.rows.get(keyOf(kind, name, key))
  }

  /** Takes in a row that is committed. */
  remember(row: StepRow): void {
    this.rows.set(keyOf(row.kind, row.name, row.key), row)
  }
}
