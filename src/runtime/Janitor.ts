import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { DatabaseError } from "../model/Errors.js"
import { Limits } from "../model/Limits.js"
import { Inbox } from "../store/Inbox.js"
import { StepStore } from "../store/StepStore.js"
import { type Transaction, Transactor } from "../store/Transactor.js"
import { TriggerStore } from "../store/TriggerStore.js"
import { Workers } from "../store/Workers.js"
import { careful } from "./Careful.js"
import { DatabaseClock } from "./DatabaseClock.js"
import { Settings } from "./Settings.js"

/** How many rows a sweep deleted. */
export interface Swept {
  readonly messages: number
  readonly steps: number
  readonly inputs: number
  readonly workers: number
}

/**
 * Deletes what ended runs leave behind: their messages, steps, inputs and commands, and the rows of workers that are gone.
 *
 * **Details** A run's own row, its values and its firings stay: what it did can still be seen and checked.
 */
export class Janitor extends Context.Tag("perdure/Janitor")<
  Janitor,
  {
    /** Deletes everything that is old enough, a bounded number of rows per transaction. */
    readonly sweep: Effect.Effect<Swept, DatabaseError>
  }
>() {}

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const transactor = yield* Transactor
  const inbox = yield* Inbox
  const steps = yield* StepStore
  const triggers = yield* TriggerStore
  const workers = yield* Workers
  const clock = yield* DatabaseClock

  /** Until a hand comes back that is not full. */
  const all = (
    cleanup: (endedBefore: Date, limit: number) => Effect.Effect<number, DatabaseError, Transaction>,
    endedBefore: Date
  ): Effect.Effect<number, DatabaseError> =>
    Effect.flatMap(transactor.transact("cleanup", cleanup(endedBefore, Limits.cleanupBatch)), (count) =>
      count < Limits.cleanupBatch
        ? Effect.succeed(count)
        : Effect.map(all(cleanup, endedBefore), (more) => count + more)
    )

  const sweep = Effect.gen(function* () {
    const endedBefore = new Date((yield* clock.now) - settings.retentionMs)
    return {
      messages: yield* all(inbox.cleanup, endedBefore),
      steps: yield* all(steps.cleanup, endedBefore),
      inputs: yield* all(triggers.cleanup, endedBefore),
      workers: yield* transactor.transact("cleanup", workers.cleanup)
    }
  })

  const pause = Effect.sleep(Duration.millis(settings.cleanupMs))
  yield* Effect.forkScoped(Effect.forever(Effect.zipRight(pause, careful("The cleanup", Effect.asVoid(sweep)))))
  return { sweep }
})

export const layer: Layer.Layer<
  Janitor,
  never,
  Transactor | Inbox | StepStore | TriggerStore | Workers | DatabaseClock
> = Layer.scoped(Janitor, make)
