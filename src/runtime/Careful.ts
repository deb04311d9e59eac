import * as Effect from "effect/Effect"

/**
 * One turn of a loop that must outlive whatever a turn meets: trouble, and defects too, are said and the next turn tries
 * again.
 */
export const careful = <E, R>(name: string, turn: Effect.Effect<void, E, R>): Effect.Effect<void, never, R> =>
  Effect.catchAllCause(turn, (cause) => Effect.logWarning(`${name} failed; the next one tries again`, cause))
