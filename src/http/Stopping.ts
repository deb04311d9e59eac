import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Tells long answers that the server is about to stop. */
export class Stopping extends Context.Tag("perdure/http/Stopping")<
  Stopping,
  {
    readonly begin: Effect.Effect<void>
    readonly hasBegun: Effect.Effect<boolean>
    /** Ends when the stop begins. */
    readonly wait: Effect.Effect<void>
  }
>() {}

export const layer: Layer.Layer<Stopping> = Layer.effect(
  Stopping,
  Effect.map(Deferred.make<void>(), (begun) => ({
    begin: Effect.asVoid(Deferred.succeed(begun, undefined)),
    hasBegun: Deferred.isDone(begun),
    wait: Deferred.await(begun)
  }))
)
