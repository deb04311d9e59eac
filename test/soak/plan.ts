import { PCGRandom } from "effect/Utils"

/** Everything that happens to the workers, the database and the ways between them. */
export const faultKinds = [
  "killSame",
  "killNew",
  "stop",
  "terminate",
  "databaseCrash",
  "killBoth",
  "dropConnections",
  "delay",
  "halfOpen",
  "cut",
  "lostCommit",
  "auditLocked",
  "auditDropped",
  "blocked",
  "hintsOff"
] as const
export type FaultKind = (typeof faultKinds)[number]

/** One fault as it is planned. */
export interface PlannedFault {
  readonly kind: FaultKind
  readonly minute: number
  /** Since the beginning of its minute. */
  readonly atMs: number
  /** Which worker; for the network also the client, who comes after them. */
  readonly target: number
  /** How long it lasts, where it lasts. */
  readonly lastsMs: number
  /** Until what it took away comes back, where that is not at its end: a process, a server. */
  readonly downMs: number
  /** Two more drawn numbers from 0 to 1, for what only one kind has. */
  readonly a: number
  readonly b: number
}

export interface PlanOptions {
  readonly seed: number
  readonly minutes: number
  readonly leaseMs: number
  readonly workers: number
}

/** Of each minute, the part in which faults begin; the rest is for healing. */
export const faultyMs = 42_000

/** How long a fault of a kind lasts, in leases; from, to. What is not here is over at once. */
const leases: Partial<Record<FaultKind, readonly [number, number]>> = {
  stop: [1.5, 3],
  blocked: [0.5, 2],
  delay: [0.5, 2],
  halfOpen: [0.5, 2.5],
  cut: [0.5, 1.5],
  lostCommit: [1, 2],
  auditLocked: [0.5, 2],
  auditDropped: [0.5, 2],
  hintsOff: [1, 2]
}

const network: ReadonlySet<FaultKind> = new Set(["delay", "halfOpen", "cut", "lostCommit"])

/** A seeded source of numbers. */
export class Dice {
  private readonly source: PCGRandom

  constructor(seed: number) {
    this.source = new PCGRandom(seed)
  }

  /** From `from` up to, not including, `to`. */
  between(from: number, to: number): number {
    return from + this.source.number() * (to - from)
  }

  below(count: number): number {
    return Math.min(count - 1, Math.floor(this.source.number() * count))
  }

  pick<A>(from: ReadonlyArray<A>): A {
    return from[this.below(from.length)]!
  }

  chance(part: number): boolean {
    return this.source.number() < part
  }

  shuffle<A>(from: ReadonlyArray<A>): ReadonlyArray<A> {
    const rest = [...from]
    const shuffled: Array<A> = []
    while (rest.length > 0) shuffled.push(...rest.splice(this.below(rest.length), 1))
    return shuffled
  }
}

/**
 * The faults of a soak: in each minute every kind once, in an order, at times and on targets that the seed draws.
 *
 * **Details** The same options give the same plan.
 */
export const planOf = ({ leaseMs, minutes, seed, workers }: PlanOptions): ReadonlyArray<PlannedFault> => {
  const dice = new Dice(seed)
  const slotMs = faultyMs / faultKinds.length
  return Array.from({ length: minutes }, (_, minute) =>
    dice.shuffle(faultKinds).map((kind, index): PlannedFault => {
      const [from, to] = leases[kind] ?? [0, 0]
      return {
        kind,
        minute,
        atMs: Math.round((index + dice.between(0, 0.8)) * slotMs),
        target: dice.below(network.has(kind) ? workers + 1 : workers),
        lastsMs: Math.round(dice.between(from, to) * leaseMs),
        downMs: Math.round(dice.between(0, leaseMs)),
        a: dice.between(0, 1),
        b: dice.between(0, 1)
      }
    })
  ).flat()
}

/** How often each kind must have happened for a soak to count: ten times in half an hour. */
export const quotaOf = (minutes: number): number => Math.max(1, Math.floor(minutes / 3))
