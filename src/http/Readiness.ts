import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Operator } from "../Operator.js"
import type { Standing } from "../runtime/Condition.js"
import { type DatabaseStanding, Overview } from "../store/Overview.js"
import { Transactor } from "../store/Transactor.js"
import { Workers, type WorkerView } from "../store/Workers.js"

/** Whether this process can take work: says why it can't, or nothing. */
export class Readiness extends Context.Tag("perdure/http/Readiness")<
  Readiness,
  { readonly obstacle: Effect.Effect<string | undefined> }
>() {}

/** Longer than this, a database that answers is of no use to whoever asks. */
const patience = Duration.seconds(2)

/** Why a process whose database answers can't take work, or nothing. */
export const obstacleOf = (
  { incarnation, listening, sweepLateMs, sweptMsAgo }: Standing,
  { migration, packagedMigration }: DatabaseStanding,
  workers: ReadonlyArray<WorkerView>
): string | undefined => {
  // A newer version may have migrated further: while it takes over, this one goes on.
  if (migration === "none" || migration < packagedMigration) return "migrations are missing"
  // By its incarnation: others may go by the same name.
  if (!workers.some((worker) => worker.alive && worker.incarnation === incarnation))
    return "the worker is not registered"
  if (listening === "broken") return "the listener is not connected"
  if (sweptMsAgo === undefined) return "recovery has not been looked for yet"
  if (sweptMsAgo > sweepLateMs) return "the sweep hangs or fails"
  return undefined
}

/**
 * Ready while the database answers and has this version's migrations, this very worker lives in it, hints are heard, and what
 * can go on is looked for.
 *
 * **Details** Behind a pooling proxy nobody can hear hints; that is no obstacle.
 */
export const layer: Layer.Layer<Readiness, never, Operator | Overview | Transactor | Workers> = Layer.effect(
  Readiness,
  Effect.gen(function* () {
    const operator = yield* Operator
    const overview = yield* Overview
    const transactor = yield* Transactor
    const workers = yield* Workers
    const look = Effect.gen(function* () {
      const asked = Effect.all([overview.database, workers.list])
      const [database, all] = yield* transactor.transact("ready", asked)
      return obstacleOf(yield* operator.condition, database, all)
    }).pipe(
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
