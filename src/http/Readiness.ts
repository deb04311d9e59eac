import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Transactor } from "../store/Transactor.js"
import { Workers } from "../store/Workers.js"

/** Whether this process can take work: says why it can't, or nothing. */
export class Readiness extends Context.Tag("perdure/http/Readiness")<
  Readiness,
  { readonly obstacle: Effect.Effect<string | undefined> }
>() {}

/** Longer than this, a database that answers is of no use to whoever asks. */
const patience = Duration.seconds(2)

/**
 * Ready while the database answers and a live worker of this name stands in it.
 *
 * **Details** Migrations are done before a worker can register.
 */
export const layer = (workerId: string): Layer.Layer<Readiness, never, Transactor | Workers> =>
  Layer.effect(
    Readiness,
    Effect.gen(function* () {
      const transactor = yield* Transactor
      const workers = yield* Workers
      const look = transactor.transact("ready", workers.list).pipe(
        Effect.map((all) =>
          all.some((worker) => worker.alive && worker.workerId === workerId) ? undefined : "no worker is registered"
        ),
        Effect.catchAll((error) =>
          Effect.as(Effect.logWarning("The server is not ready", error.message), "the database can't be used")
        )
      )
      // Statements are uninterruptible: whoever gives up leaves them to themselves.
      const obstacle = Effect.disconnect(look).pipe(
        Effect.timeoutTo({
          duration: patience,
          onSuccess: (reason) => reason,
          onTimeout: () => "the database does not answer"
        })
      )
      return { obstacle }
    })
  )
