import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { failed, turned } from "./Measures.js"

/**
 * One turn of a loop that must outlive whatever a turn meets: trouble, and defects too, are said and counted, and the next
 * turn tries again.
 */
export const careful = <E, R>(name: string, turn: Effect.Effect<void, E, R>): Effect.Effect<void, never, R> =>
  Effect.zipRight(
    turn,
    Effect.map(Clock.currentTimeMillis, (now) => turned(name, now))
  ).pipe(
    Effect.catchAllCause((cause) =>
      Effect.suspend(() => {
        failed(name)
        return Effect.logWarning(`${name} failed; the next one tries again`, cause)
      })
    )
  )
