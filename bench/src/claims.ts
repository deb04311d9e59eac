import { engines } from "./engines.js"
import type { Floor } from "./floor.js"
import { floorOf } from "./floors.js"
import type { Line } from "./works.js"

/** What is claimed of Perdure, and what was found: the goal, and the bar below which it does not hold. */
export interface Claim {
  readonly claim: string
  readonly found: number
  readonly goal: number
  readonly bar: number
  readonly reached: boolean
  readonly holds: boolean
}

const make = (claim: string, found: number, [goal, bar]: readonly [number, number], atMost: boolean): Claim => {
  const meets = (limit: number) => (atMost ? found <= limit : found >= limit)
  return { claim, found: Number(found.toFixed(2)), goal, bar, reached: meets(goal), holds: meets(bar) }
}

type Found = number | undefined

/** Figures by engine and work, as far as they were measured. */
class Measured {
  constructor(
    private readonly lines: ReadonlyArray<Line>,
    private readonly floors: ReadonlyArray<Floor>
  ) {}

  figure(engine: string, work: string, name: string): Found {
    return this.all(engine, work, name)[0]
  }

  all(engine: string, work: string, name: string): ReadonlyArray<number> {
    return this.lines
      .filter((line) => line["engine"] === engine && line["work"] === work)
      .filter((line) => (line["leaseMs"] ?? "default") === "default")
      .map((line) => line[name])
      .filter((value) => typeof value === "number")
  }

  /** The figures of all peers that keep their runs in PostgreSQL, or of all peers. */
  peers(work: string, name: string, onlyPostgres: boolean): ReadonlyArray<number> {
    return engines
      .filter((engine) => engine.packages.length > 0 && (!onlyPostgres || engine.store === "postgres"))
      .flatMap((engine) => this.all(engine.name, work, name))
  }

  floor(work: Floor["work"], connections: number): Found {
    return this.floors.length === 0 ? undefined : floorOf(this.floors, work, connections)
  }
}

const ratio = (above: Found, below: Found): Found =>
  above === undefined || below === undefined || below === 0 ? undefined : above / below

const best = (values: ReadonlyArray<number>, choose: (...all: Array<number>) => number): Found =>
  values.length === 0 ? undefined : choose(...values)

type Row = readonly [claim: string, found: Found, limits: readonly [goal: number, bar: number], atMost?: "at most"]

const throughput = (m: Measured): ReadonlyArray<Row> => {
  const w1 = m.figure("perdure", "W1", "stepsPerSecond")
  const w2 = m.figure("perdure", "W2", "stepsPerSecond")
  const bestPeer = best(m.peers("W1", "stepsPerSecond", true), Math.max)
  return [
    ["W1 to the best peer on PostgreSQL", ratio(w1, bestPeer), [10, 5]],
    ["W1 to Restate", ratio(w1, m.figure("restate", "W1", "stepsPerSecond")), [5, 5]],
    ["W1 to a transaction of two statements per step, 8 connections", ratio(w1, m.floor("two statements", 8)), [1, 1]],
    ["W1 transactions per run", m.figure("perdure", "W1", "transactionsPerRun"), [0.5, 0.5], "at most"],
    ["W1 row writes per step", m.figure("perdure", "W1", "rowWritesPerStep"), [4, 4], "at most"],
    ["W2 to Restate", ratio(w2, m.figure("restate", "W2", "stepsPerSecond")), [3, 2]],
    ["W7 to W1", ratio(m.figure("perdure", "W7", "stepsPerSecond"), w1), [0.85, 0.85]],
    ["W1 embedded, steps/s", m.figure("perdure-embedded", "W1", "stepsPerSecond"), [1_000, 1_000]]
  ]
}

const latency = (m: Measured): ReadonlyArray<Row> => {
  const p50 = m.figure("perdure", "W3", "p50Ms")
  const commits = m.floor("one statement", 1)
  const tenCommitsMs = commits === undefined ? undefined : 10_000 / commits
  const resumed = m.all("perdure", "W4", "seconds")
  const slowest = best(resumed, Math.max)
  return [
    ["W3 p50 to ten commits of one statement", ratio(p50, tenCommitsMs), [2, 2], "at most"],
    ["W3 p50 to the best peer's", ratio(p50, best(m.peers("W3", "p50Ms", false), Math.min)), [0.5, 0.5], "at most"],
    ["W4 seconds, the slowest history", slowest, [0.9, 1.5], "at most"],
    ["W4 slowest to quickest history", ratio(slowest, best(resumed, Math.min)), [1.25, 1.25], "at most"],
    ["server ready, cold, s", m.figure("perdure-embedded", "ready", "coldSeconds"), [8, 8], "at most"],
    ["server ready, warm, s", m.figure("perdure-embedded", "ready", "warmSeconds"), [3, 3], "at most"]
  ]
}

const crowds = (m: Measured): ReadonlyArray<Row> => [
  ["W5 wakes/s, the first of a process", m.figure("perdure", "W5", "firstWakesPerSecond"), [4_000, 2_000]],
  ["W5 wakes/s", m.figure("perdure", "W5", "wakesPerSecond"), [4_000, 2_000]],
  ["W5 memory of the waiting, MiB", m.figure("perdure", "W5", "rssMb"), [10, 10], "at most"],
  ["W6 starts/s one by one", m.figure("perdure", "W6", "oneByOnePerSecond"), [3_000, 3_000]],
  ["W6 starts/s in one batch", m.figure("perdure", "W6", "batchPerSecond"), [8_000, 8_000]]
]

/** Judges what the lines and floors of one run allow to be judged. */
export const judge = (lines: ReadonlyArray<Line>, floors: ReadonlyArray<Floor>): ReadonlyArray<Claim> => {
  const measured = new Measured(lines, floors)
  return [...throughput(measured), ...latency(measured), ...crowds(measured)].flatMap(
    ([claim, found, limits, atMost]) => (found === undefined ? [] : [make(claim, found, limits, atMost !== undefined)])
  )
}
