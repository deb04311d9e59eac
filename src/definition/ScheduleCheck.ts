import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"

type AnySchedule = Schedule.Schedule<unknown, unknown, never>

/** How many pauses are compared at least, and at most. */
const fewest = 6
const most = 100

/** A pause so long, in milliseconds, that none after it is compared: thirty years. */
const endlessMs = 1e12

/** By how much two pauses may differ, in milliseconds, by the rounding of times. */
const roundingMs = 0.1

/** An odd time far above any pause: 400 days, 137 ms and a bit, so that no calendar fits it. */
const longMs = 400 * 86_400_000 + 3_671_137

/** A way to step a schedule: when it begins, what passes between its steps, and what error each is given. */
interface Walk {
  readonly from: number
  readonly between: (pause: number) => number
  readonly error: unknown
}

/** The pauses of a schedule in milliseconds up to its end, at most so many of them. */
const pauses = (schedule: AnySchedule, walk: Walk, limit: number): Effect.Effect<ReadonlyArray<number>> =>
  Effect.gen(function* () {
    const found: Array<number> = []
    let now = walk.from
    let state: unknown = schedule.initial
    while (found.length < limit) {
      const [next, , decision] = yield* schedule.step(now, walk.error, state)
      if (ScheduleDecision.isDone(decision)) break
      const pause = ScheduleIntervals.start(decision.intervals) - now
      found.push(pause)
      state = next
      now += walk.between(pause)
    }
    return found
  })

/** Whether two walks came to the same pauses, as far as these can be told apart. */
const areSame = (one: ReadonlyArray<number>, other: ReadonlyArray<number>): boolean => {
  const endless = one.findIndex((pause, index) => Math.min(pause, other[index] ?? 0) > endlessMs)
  if (endless < 0 && one.length !== other.length) return false
  const compared = endless < 0 ? one : one.slice(0, endless)
  return compared.every((pause, index) => Math.abs(pause - other[index]!) <= roundingMs)
}

const unsteady =
  "its pauses depend on more than the number of attempts (jittered, elapsed, upTo, fixed, windowed or cron)"

/**
 * The pauses of a schedule for an error, at most so many; dies where they are not the same at another time.
 *
 * **Details** No time passes between the steps of the walk that counts: how long an attempt took is in no row.
 */
export const steadyPauses = (
  schedule: AnySchedule,
  { error, limit, now }: { readonly error: unknown; readonly limit: number; readonly now: number }
): Effect.Effect<ReadonlyArray<number>> =>
  Effect.gen(function* () {
    const found = yield* pauses(schedule, { from: now, between: () => 0, error }, limit)
    const later = { from: now + longMs, between: (pause: number) => pause + longMs, error }
    if (!areSame(found, yield* pauses(schedule, later, limit))) {
      return yield* Effect.dieMessage(`retry.schedule: ${unsteady}`)
    }
    return found
  })

const known = new WeakMap<AnySchedule, Map<number, boolean>>()

/** Whether so many first pauses of a schedule depend on nothing but how often it was stepped. */
const isSteady = (schedule: AnySchedule, limit: number): boolean => {
  // Code without types may have written anything here.
  if (!Schedule.isSchedule(schedule)) return true
  const before = known.get(schedule) ?? new Map<number, boolean>()
  known.set(schedule, before)
  const remembered = before.get(limit)
  if (remembered !== undefined) return remembered
  const walk = (betweenMs: number) =>
    Effect.runSync(pauses(schedule, { from: 0, between: (pause) => pause + betweenMs, error: undefined }, limit))
  // One that asks about the error can't be walked without one: `steadyPauses` sees that it is steady.
  const walks = Either.try(() => [walk(0), walk(0), walk(longMs)] as const)
  const steady = Either.match(walks, {
    onLeft: () => true,
    onRight: ([first, ...others]) => others.every((other) => areSame(first, other))
  })
  before.set(limit, steady)
  return steady
}

/**
 * What is wrong with a schedule of retries: it is stepped from its start by the number of attempts, in whatever process, and so
 * its pauses must be the same each time.
 *
 * **Details** Refused, by walking it for so many attempts: what `RetryOptions` lists.
 */
export const scheduleIssues = (what: string, schedule: AnySchedule, times: number): ReadonlyArray<string> =>
  isSteady(schedule, Math.min(Math.max(times, fewest), most)) ? [] : [`${what}: ${unsteady}`]
