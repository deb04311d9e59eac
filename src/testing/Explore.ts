import { execute } from "./Case.js"
import type { Case, Executed } from "./Execution.js"
import { modes as allModes, type Injection, type Mode, ownModes, type Point, type PointKind, spell } from "./Points.js"
import type { Subject } from "./Subject.js"
import type { TestDatabase } from "./TestDatabase.js"
import type { Violation, WorldOptions } from "./World.js"

/** How far a subject is explored. */
export interface ExploreOptions {
  readonly subject: Subject
  readonly database: TestDatabase
  readonly seed: number
  readonly modes?: ReadonlyArray<Mode>
  /** Only points of these names are hit first. */
  readonly names?: RegExp
  /** Second injections tried for each first one: a number drawn by seed, a chance of one when it is below 1, or all. */
  readonly double?: number | "all"
  /** What is injected, instead of each way to hit each point of the execution without a fault. */
  readonly cases?: ReadonlyArray<ReadonlyArray<Injection>>
  /** Explores only a part of the points, as one of several processes does. */
  readonly shard?: { readonly index: number; readonly of: number }
  readonly rewrite?: WorldOptions["rewrite"]
  /** Asked before each case whether to go on. */
  readonly goOn?: () => boolean
  /** Is told of each failing case. */
  readonly onFailure?: (failure: Failure) => void
}

/** A case in which something was that must not be. */
export interface Failure {
  readonly subject: string
  readonly seed: number
  readonly injections: ReadonlyArray<Injection>
  readonly violations: ReadonlyArray<Violation>
  readonly log: ReadonlyArray<string>
}

/** A kind of point that only an execution with a fault passes, and what it takes to pass it. */
export interface Revealed {
  readonly point: Point
  readonly by: ReadonlyArray<Injection>
}

/** What an exploration came to. */
export interface Exploration {
  readonly subject: string
  /** Whether all was executed that was to be, and not only until time was up. */
  readonly complete: boolean
  readonly revealed: ReadonlyArray<Revealed>
  /** Points of the crash-free execution. */
  readonly points: ReadonlyArray<Point>
  readonly cases: number
  /** Every kind of point that any execution passed. */
  readonly passed: ReadonlyMap<string, PointKind>
  /** Injections that hit. */
  readonly reached: ReadonlyArray<Injection>
  readonly notReached: ReadonlyArray<Injection>
  readonly failures: ReadonlyArray<Failure>
}

/** Every way to hit the points of an execution; the words for one mode in turn. */
export const injectionsOf = (points: ReadonlyArray<Point>, modes: ReadonlyArray<Mode> = allModes): Array<Injection> =>
  points.flatMap((point) =>
    ownModes(point, modes).map((mode) => ({ name: point.name, occurrence: point.occurrence, mode }))
  )

/**
 * Executes a subject once without a fault, then once for each way to hit each point of that, and checks every execution.
 */
export const explore = async (options: ExploreOptions): Promise<Exploration> => {
  const { database, goOn = () => true, seed, shard = { index: 0, of: 1 }, subject } = options
  const base = { subject, database, seed, ...(options.rewrite === undefined ? {} : { rewrite: options.rewrite }) }
  const tally = new Tally(subject.name, seed, options.onFailure)
  const crashFree = await execute({ ...base, injections: [] })
  tally.add([], crashFree)
  if (crashFree.violations.length > 0) return tally.result(crashFree, true)
  const points = crashFree.points.filter(({ name }) => options.names?.test(name) ?? true)
  const firsts = options.cases ?? injectionsOf(points, options.modes).map((single) => [single])
  for (const [index, injections] of firsts.entries()) {
    if (index % shard.of !== shard.index) continue
    if (!goOn()) return tally.result(crashFree, false)
    const executed = await execute({ ...base, crashFree, injections })
    tally.add(injections, executed)
    if (executed.missed.length > 0 || executed.violations.length > 0) continue
    const later = injectionsOf(executed.points.slice(executed.hitAt), options.modes)
    const random = randomOf(seed, injections.map(spell).join(" + "))
    for (const second of drawn(later, options.double ?? 0, random)) {
      if (!goOn()) return tally.result(crashFree, false)
      const both = [...injections, second]
      tally.add(both, await execute({ ...base, crashFree, injections: both }))
    }
  }
  return tally.result(crashFree, true)
}

/** Executes one case again. */
export const replay = async (
  one: Omit<Case, "crashFree">
): Promise<{ readonly crashFree: Executed; readonly executed: Executed }> => {
  const crashFree = await execute({ ...one, injections: [] })
  return { crashFree, executed: await execute({ ...one, crashFree }) }
}

/** A smaller case that fails in the same way: fewer injections, as early as they can be. */
export const shrink = async (one: Case, failed: ReadonlyArray<Violation>): Promise<ReadonlyArray<Injection>> => {
  const names = new Set(failed.map(({ name }) => name))
  const fails = async (injections: ReadonlyArray<Injection>) =>
    (await execute({ ...one, injections })).violations.some(({ name }) => names.has(name))
  let smallest = one.injections
  for (const injection of one.injections) {
    const fewer = smallest.filter((each) => each !== injection)
    if (fewer.length > 0 && (await fails(fewer))) smallest = fewer
  }
  for (const injection of smallest) {
    for (let occurrence = 1; occurrence < injection.occurrence; occurrence++) {
      const earlier = smallest.map((each) => (each === injection ? { ...each, occurrence } : each))
      if (!(await fails(earlier))) continue
      smallest = earlier
      break
    }
  }
  return smallest
}

class Tally {
  private cases = 0
  private readonly passed = new Map<string, PointKind>()
  private readonly reached: Array<Injection> = []
  private readonly notReached: Array<Injection> = []
  private readonly failures: Array<Failure> = []
  private readonly revealed = new Map<string, Array<Revealed>>()

  constructor(
    private readonly subject: string,
    private readonly seed: number,
    private readonly onFailure: ((failure: Failure) => void) | undefined
  ) {}

  add(injections: ReadonlyArray<Injection>, executed: Executed): void {
    this.cases++
    for (const point of executed.points) {
      if (!this.passed.has(point.name) || this.revealed.has(point.name)) this.reveal(point, injections)
      this.passed.set(point.name, point.kind)
    }
    const missed = new Set(executed.missed)
    for (const injection of injections) (missed.has(injection) ? this.notReached : this.reached).push(injection)
    if (executed.violations.length === 0) return
    const { log, violations } = executed
    const failure = { subject: this.subject, seed: this.seed, injections, violations, log }
    this.failures.push(failure)
    this.onFailure?.(failure)
  }

  /** A few ways are enough, each with its first occurrence. */
  private reveal(point: Point, by: ReadonlyArray<Injection>): void {
    const known = this.revealed.get(point.name) ?? []
    if (by.length === 0 || known.length >= enoughWays || known.some((each) => each.by === by)) return
    this.revealed.set(point.name, [...known, { point, by }])
  }

  result(crashFree: Executed, complete: boolean): Exploration {
    const { cases, failures, notReached, passed, reached, subject } = this
    const revealed = [...this.revealed.values()].flat()
    return { subject, complete, points: crashFree.points, cases, passed, revealed, reached, notReached, failures }
  }
}

/** Ways to pass a point that are kept, should the first not pass it again. */
const enoughWays = 3

/** A small generator of numbers in [0, 1): the same for the same seed and text. */
const randomOf = (seed: number, text: string): (() => number) => {
  let state = (seed ^ 0x9e3779b9) >>> 0
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const drawn = <A>(items: ReadonlyArray<A>, count: number | "all", random: () => number): ReadonlyArray<A> => {
  if (count === "all" || items.length === 0) return items
  const whole = count < 1 ? Number(random() < count) : count
  return Array.from({ length: Math.min(whole, items.length) }, () => items[Math.floor(random() * items.length)]!)
}

/** The line that executes a failing case again. */
export const replayLine = ({ injections, seed, subject }: Pick<Failure, "injections" | "seed" | "subject">): string =>
  `npm run explore -- --workflow ${subject} --seed ${seed} --replay '${injections.map(spell).join(" + ")}'`
