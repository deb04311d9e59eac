/** Callers that are remembered; of more, those that have been quiet for longest are forgotten. */
const callersRemembered = 10_000

/** Seconds of a caller's rate that may come at once. */
const burstSeconds = 10

interface Bucket {
  tokens: number
  at: number
}

/**
 * Says whether a caller may go on: so many calls a second, ten seconds' worth of them at once. 0: any number.
 *
 * **Details** Time is in milliseconds. Gives the seconds to wait, or 0.
 */
export const rateLimit = (perSecond: number) => {
  const buckets = new Map<string, Bucket>()
  const burst = perSecond * burstSeconds
  return (caller: string, now: number): number => {
    if (perSecond === 0) return 0
    const before = buckets.get(caller) ?? { tokens: burst, at: now }
    const tokens = Math.min(burst, before.tokens + (Math.max(0, now - before.at) * perSecond) / 1_000)
    const admitted = tokens >= 1
    buckets.delete(caller)
    buckets.set(caller, { tokens: admitted ? tokens - 1 : tokens, at: now })
    if (buckets.size > callersRemembered) {
      const [oldest] = buckets.keys()
      if (oldest !== undefined) buckets.delete(oldest)
    }
    return admitted ? 0 : Math.ceil((1 - tokens) / perSecond)
  }
}
