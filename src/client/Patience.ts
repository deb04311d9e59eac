import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** How long the server is looked for again before a call fails. */
const patience = Schedule.exponential(Duration.millis(100)).pipe(
  Schedule.either(Schedule.spaced(Duration.seconds(2))),
  Schedule.jittered,
  Schedule.upTo(Duration.seconds(15))
)

/** Asks again what can be asked twice without harm, while nobody answers. */
export const persistently = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, { schedule: patience, while: (error) => error._tag === "Unreachable" })
