import type * as Schedule from "effect/Schedule"
import type { RetryPolicy } from "./NodeDefinition.js"

/** Retries as a definition spells them; without `while` every typed error is tried again. */
export interface RetryOptions<E> {
  readonly times: number
  readonly schedule: Schedule.Schedule<unknown, unknown, never>
  readonly while?: ((error: E) => boolean) | undefined
}

/** The policy with its `while` as the runtime calls it: with a value that the declared error's schema has decoded. */
export const retryPolicy = <E>(options: RetryOptions<E>): RetryPolicy => ({
  times: options.times,
  schedule: options.schedule,
  while: options.while === undefined ? () => true : (options.while as (error: unknown) => boolean)
})
