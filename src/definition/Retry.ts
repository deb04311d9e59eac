import type * as Schedule from "effect/Schedule"
import type { RetryPolicy } from "./NodeDefinition.js"

/**
 * Retries as a definition spells them; without `while` every failed attempt is tried again.
 *
 * **Details** `times` counts the attempts after the first. `schedule` is stepped once per failed attempt, with the typed error it
 * failed of; of a defect or a time-out it gets `undefined`, which a predicate that asks about the error has to bear. It is over when
 * the schedule is.
 *
 * The schedule is stepped from its start each time, in whatever process, and so its pauses may depend on nothing but the number of
 * attempts and the error. Refused are `jittered` and others that draw; `elapsed`, `upTo`, `recurUpTo`, `during`, `fixed`, `windowed`,
 * `cron` and others that look at the clock; `resetAfter`. That is looked for in the first pauses, `times` of them, from 6 to 100,
 * where the node or step is defined; what can't be seen there, as it comes after more attempts or asks about the error, fails the
 * attempt that comes to it instead of being tried again.
 *
 * @example
 * retry: {
 *   times: 10,
 *   schedule: Schedule.exponential("200 millis").pipe(Schedule.either(Schedule.spaced("1 minute"))),
 *   while: (error) => error.transient
 * }
 */
export interface RetryOptions<E> {
  readonly times: number
  readonly schedule: Schedule.Schedule<unknown, E>
  readonly while?: ((error: E) => boolean) | undefined
}

/** The policy as the runtime asks it: with a value that the declared error's schema has decoded. */
export const retryPolicy = <E>(options: RetryOptions<E>): RetryPolicy => ({
  times: options.times,
  schedule: options.schedule as RetryPolicy["schedule"],
  while: options.while === undefined ? () => true : (options.while as (error: unknown) => boolean)
})
