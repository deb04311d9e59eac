import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { NodeContext } from "../../src/definition/NodeContext.js"

/** The world outside: what a step does there is noted under its idempotency key. */
export class Outside extends Context.Tag("soak/Outside")<
  Outside,
  {
    /**
     * Begins, takes a moment, does its effect, takes another, and says that it has ended; `what` tells several effects of one
     * firing apart.
     */
    readonly step: <A, E>(result: Effect.Effect<A, E>, what?: string) => Effect.Effect<A, E, NodeContext>
  }
>() {}

/** An effect outside, with what it comes to. */
export const outside = <A, E>(result: Effect.Effect<A, E>, what?: string): Effect.Effect<A, E, NodeContext | Outside> =>
  Effect.flatMap(Outside, ({ step }) => step(result, what))

/** An effect outside that gives a value. */
export const gives = <A>(value: A) => outside(Effect.succeed(value))
