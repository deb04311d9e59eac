import * as Duration from "effect/Duration"
import type { CompensationPolicy } from "./NodeDefinition.js"
import { type RetryOptions, retryPolicy } from "./Retry.js"

/** How a node's compensation is tried again, and how long one try of it may take. */
export interface CompensateOptions {
  readonly retry?: RetryOptions<unknown> | undefined
  readonly timeout?: Duration.DurationInput | undefined
}

/** What a node keeps of its `compensate`. */
export type Compensates<Undo> = Undo extends CompensateOptions ? CompensationPolicy : undefined

/** The policy that options spell. */
export const compensationPolicy = ({ retry, timeout }: CompensateOptions): CompensationPolicy => ({
  retry: retry === undefined ? undefined : retryPolicy(retry),
  timeout: timeout === undefined ? undefined : Duration.decode(timeout)
})
