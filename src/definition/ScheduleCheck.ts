import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"

type AnySchedule = Schedule.Schedule<unknown, unknown, never>

/** Pauses that are compared. */
const compared = 6

/** An odd time far above any pause: 400 days, 137 ms and a bit, so that no calendar fits it. */
const longMs = 400 * 86_400_000 + 3_671_137

/** The first pauses of a schedule in milliseconds, when so much time passes between two of its steps. */
const pauses = (schedule: AnySchedule, betweenMs: number): ReadonlyArray<number> => {
  const found: Array<number> = []
  let now = 0
  let state: unknown = schedule.initial
  for (let step = 0; step < compared; step++) {
    const [next, , decision] = Effect.runSync(schedule.step(now, undefined, state))
    if (ScheduleDecision.isDone(decision)) break
    const pause = ScheduleIntervals.start(decision.intervals) - now
    found.push(pause)
    state = next
    now += pause + betweenMs
  }
  return found
}

const known = new WeakMap<AnySchedule, boolean>()

/** Whether the pauses of a schedule depend on nothing but how often it was stepped. */
const isSteady = (schedule: AnySchedule): boolean => {
  // Code without types may have written anything here.
  if (!Schedule.isSchedule(schedule)) return true
  const before = known.get(schedule)
  if (before !== undefined) return before
  const walks = Either.try(() => [pauses(schedule, 0), pauses(schedule, 0), pauses(schedule, longMs)])
  // One that asks about the error it is given can't be walked without one.
  const steady = Either.isLeft(walks) || new Set(walks.right.map((walk) => JSON.stringify(walk))).size === 1
  known.set(schedule, steady)
  return steady
}

/**
 * What is wrong with a schedule of retries: it is stepped from its start by the number of attempts, in whatever process, and so
 * its pauses must be the same each time.
 *
 * **Details** Refused, by walking it: `jittered` and others that draw; `elapsed`, `upTo`, `fixed`, `windowed`, `cron` and
 * others that look at the clock; `resetAfter`.
 */
export const scheduleIssues = (what: string, schedule: AnySchedule): ReadonlyArray<string> =>
  isSteady(schedule)
    ? []
    : [
        `${what}: its pauses depend on more than the number of attempts (jittered, elapsed, upTo, fixed, windowed or cron)`
      ]
