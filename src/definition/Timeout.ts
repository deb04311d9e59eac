import * as Duration from "effect/Duration"

/**
 * How long a node may take: one attempt if it is a duration, else each attempt and all of them together.
 *
 * **Details** `total` counts from the moment the firing opens (its first attempt starts, a trigger begins to wait) through retries, waits
 * in steps, evictions and deaths of the process, to its end.
 */
export type TimeoutOptions =
  | Duration.DurationInput
  | {
      readonly attempt?: Duration.DurationInput | undefined
      readonly total?: Duration.DurationInput | undefined
    }

/** The time-outs of a node. */
export interface Timeouts {
  readonly timeout: Duration.Duration | undefined
  readonly totalTimeout: Duration.Duration | undefined
}

/** The time-outs that options spell. */
export const timeouts = (options: TimeoutOptions | undefined): Timeouts => {
  const { attempt, total } = isRecord(options) ? options : { attempt: options }
  return { timeout: decode(attempt), totalTimeout: decode(total) }
}

const isRecord = (options: TimeoutOptions | undefined): options is Exclude<TimeoutOptions, Duration.DurationInput> =>
  typeof options === "object" && !Array.isArray(options) && !Duration.isDuration(options)

const decode = (length: Duration.DurationInput | undefined): Duration.Duration | undefined =>
  length === undefined ? undefined : Duration.decode(length)
