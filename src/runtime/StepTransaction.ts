import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { RunCall } from "../definition/StepHost.js"
import { DatabaseError, StepMisuse } from "../model/Errors.js"
import { Limits } from "../model/Limits.js"
import type { StepRow } from "../model/StepRow.js"
import { backoff } from "./GroupWriter.js"
import type { StepJournal } from "./StepJournal.js"
import type { StepOwner } from "./StepOwner.js"
import { writeStep } from "./StepValue.js"

/** A step's result that is committed already, with what the step did. */
export class Held {
  constructor(readonly row: StepRow) {}
}

/** Another worker has the run: whatever was done here is rolled back. */
class LeaseLost extends Data.TaggedError("perdure/LeaseLost") {}

/** A step that works in a transaction of the application. */
interface TransactionStep {
  readonly owner: StepOwner
  readonly journal: StepJournal
  readonly call: RunCall
  readonly rowOf: (text: string) => StepRow
}

/**
 * Does the work of a step in the application's transaction, and remembers it there: both are true, or neither.
 *
 * **Details** The work comes first, then the run's row is locked and the fence checked, for a moment before the commit. When
 * nobody knows whether it was committed, the row tells.
 */
export const transactStep = <R>(
  step: TransactionStep,
  work: Effect.Effect<unknown, unknown, R>
): Effect.Effect<Held, unknown, R> =>
  Effect.suspend(() => {
    const { call, journal, owner, rowOf } = step
    const { client, key, name, success } = call
    const facade = owner.facade()
    if (facade === undefined) return Effect.die(new StepMisuse({ step: name, reason: "no engine is there" }))
    const inside = Effect.gen(function* () {
      const value = yield* Effect.catchIf(work, isSqlError, Effect.die)
      const row = rowOf(yield* writeStep(name, success, value))
      const held = yield* owner.reader.writeHeld({ runId: owner.runId, fence: owner.fence }, [row])
      return held ? new Held(row) : yield* new LeaseLost()
    })
    const once = Effect.catchIf(facade.transact(client, inside), isDatabaseError, (error) =>
      Effect.flatMap(journal.reload, () => {
        const known = journal.find("run", name, key)
        return known?.status === "completed" ? Effect.succeed(new Held(known)) : Effect.fail(error)
      })
    )
    return once.pipe(
      Effect.retry({
        schedule: backoff,
        times: Limits.batchTries,
        while: (error) => isDatabaseError(error) && error.outcome !== "fatal"
      }),
      Effect.catchIf(isDatabaseError, Effect.die),
      // The run lives elsewhere, and this attempt is about to be interrupted.
      Effect.catchIf(
        (error) => error instanceof LeaseLost,
        () => Effect.never
      )
    ) as Effect.Effect<Held, unknown, R>
  })

const isDatabaseError = (error: unknown): error is DatabaseError => error instanceof DatabaseError

const isSqlError = (error: unknown): boolean => Predicate.isTagged(error, "SqlError")
