import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import type { RetryPolicy } from "../definition/NodeDefinition.js"

/**
 * How many milliseconds a schedule waits before the try after attempt number `attempt`; none if it is over.
 *
 * **Details** The schedule is stepped from its start: its state lives in no row and in no process.
 */
export const retryDelay = (
  schedule: Schedule.Schedule<unknown, unknown, never>,
  attempt: number,
  error: unknown,
  now: number
): Effect.Effect<Option.Option<number>> =>
  Effect.gen(function* () {
    let state: unknown = schedule.initial
    let delay = 0
    for (let step = 0; step < attempt; step++) {
      const [next, , decision] = yield* schedule.step(now, error, state)
      if (ScheduleDecision.isDone(decision)) return Option.none()
      state = next
      delay = ScheduleIntervals.start(decision.intervals) - now
    }
    return Option.some(Math.max(0, delay))
  })

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
