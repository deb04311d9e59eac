import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import type { RetryPolicy } from "../definition/NodeDefinition.js"
import { steadyPauses } from "../definition/ScheduleCheck.js"

/**
 * How many milliseconds a schedule waits before the try after attempt number `attempt`; none if it is over.
 *
 * **Details** The schedule is stepped from its start: its state lives in no row and in no process. Dies where its pauses depend on more than
 * the number of attempts and the error.
 */
export const retryDelay = (
  schedule: Schedule.Schedule<unknown, unknown, never>,
  attempt: number,
  error: unknown,
  now: number
): Effect.Effect<Option.Option<number>> =>
  Effect.map(steadyPauses(schedule, { error, limit: attempt, now }), (pauses) =>
    Option.map(Option.fromNullable(pauses[attempt - 1]), (pause) => Math.max(0, pause))
  )

/** When a step is tried again after attempt number `attempt`, in milliseconds since 1970; none if it is not. */
export const nextTry = (
  policy: RetryPolicy | undefined,
  attempt: number,
  failure: Option.Option<unknown>,
  clock: Effect.Effect<number>
): Effect.Effect<Option.Option<number>> => {
  if (policy === undefined || attempt > policy.times) return Effect.succeedNone
  if (Option.isSome(failure) && !policy.while(failure.value)) return Effect.succeedNone
  return Effect.flatMap(clock, (now) =>
    Effect.map(
      retryDelay(policy.schedule, attempt, Option.getOrUndefined(failure), now),
      Option.map((delay) => now + delay)
    )
  )
}
