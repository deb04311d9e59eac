import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { RunId } from "../model/Ids.js"

/** A hint that looking now may be worth it. */
export interface Wakeup {
  readonly kind: "ready" | "input" | "command" | "ended"
  readonly runId: RunId
}

/**
 * Whether hints of other processes arrive: `heard`; `unheard` where a pooling proxy lets nobody listen; `broken` while there is no
 * session for them.
 */
export type Listening = "heard" | "unheard" | "broken"

/**
 * Hints across processes: only ever about latency, never about truth.
 *
 * **Details** A hint may be lost, late or doubled; whoever listens also looks at regular times. `announce` does not fail
 * and does not wait for the database.
 */
export class Wakeups extends Context.Tag("perdure/Wakeups")<
  Wakeups,
  {
    readonly announce: (hints: ReadonlyArray<Wakeup>) => Effect.Effect<void>
    readonly listening: Effect.Effect<Listening>
    readonly hints: Stream.Stream<Wakeup>
  }
>() {}
