import type { Revealed } from "../../src/testing/Explore.js"
import { type Injection, modesOf, spell } from "../../src/testing/Points.js"
import type { Subject } from "../../src/testing/Subject.js"
import { coverageOf } from "./coverage.js"
import type { Processes } from "./processes.js"
import type { ShardReport, Task } from "./shard.js"

/** Subjects of which a server shows more than one session can. */
const onServerToo = new Set(["chain", "fanOut", "triggerDuring", "twoWorkers"])

/** Each subject is explored in parts, so that all processes have work until the end. */
const parts = 4

/** Injections of one case at most, when what they reveal is hit as well. */
const deepest = 4

/** Rounds in which what the round before revealed is hit. */
const rounds = 8

/** Everything that an exploration of the whole corpus came to, in one line. */
export interface Summary {
  readonly workflows: number
  readonly points: number
  readonly cases: number
  readonly reached: number
  readonly notReached: number
  readonly uncovered: number
  readonly violations: number
  readonly casesPerMinute: number
  /** Whether all was executed that was to be, and not only until time was up. */
  readonly complete: boolean
}

/** What is found, and what must be told besides. */
export interface Found {
  readonly summary: Summary
  /** Injections that were to hit and did not: a point behind another injection may not come again. */
  readonly notReached: ReadonlyArray<string>
  /** What must be cured or explained. */
  readonly complaints: ReadonlyArray<string>
}

/** Pairs of a name and a mode that nothing has hit, with a case that should hit them; each case is tried once. */
const nextCases = (reports: ReadonlyArray<ShardReport>, tried: Set<string>): ReadonlyArray<Task> => {
  const hit = new Set(reports.flatMap(({ reached }) => reached.map(({ mode, name }) => `${name}@${mode}`)))
  const bySubject = new Map<string, Array<ReadonlyArray<Injection>>>()
  for (const report of reports) {
    const { subject } = report
    for (const { by, point } of waysOf(report)) {
      if (by.length >= deepest) continue
      for (const mode of modesOf[point.kind]) {
        const pair = `${point.name}@${mode}`
        const injections = [...by, { name: point.name, occurrence: point.occurrence, mode }]
        const key = `${subject} ${JSON.stringify(injections)}`
        if (hit.has(pair) || tried.has(key)) continue
        hit.add(pair)
        tried.add(key)
        bySubject.set(subject, [...(bySubject.get(subject) ?? []), injections])
      }
    }
  }
  return [...bySubject].flatMap(([subject, cases]) =>
    chunks(cases).map((some) => ({ kind: "cases", subject, cases: some }))
  )
}

/** How to pass each kind of point: those of the execution without a fault, and what faults reveal. */
const waysOf = ({ passed, revealed }: ShardReport): ReadonlyArray<Revealed> => {
  const hidden = new Set(revealed.map(({ point }) => point.name))
  const plain = passed.filter(([name]) => !hidden.has(name))
  return [...plain.map(([name, kind]) => ({ by: [], point: { name, kind, occurrence: 1 } })), ...revealed]
}

/** Cases of one task, few enough for the processes to end at about the same time. */
const together = 25

const chunks = <A>(items: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(items.length / together) }, (_, index) =>
    items.slice(index * together, (index + 1) * together)
  )

/** Every single injection and sampled second ones, and on a server what only that shows. */
const everything = (subjects: ReadonlyArray<Subject>): ReadonlyArray<Task> => [
  ...subjects.filter(({ name }) => onServerToo.has(name)).map(({ name }): Task => ({ kind: "server", subject: name })),
  ...subjects.flatMap(({ name }) =>
    Array.from({ length: parts }, (_, index): Task => ({ kind: "part", subject: name, index, of: parts }))
  )
]

/** Nothing but the executions without a fault. */
const crashFree = (subjects: ReadonlyArray<Subject>): ReadonlyArray<Task> =>
  subjects.map(({ name }) => ({ kind: "cases", subject: name, cases: [] }))

/** How much is explored. */
export interface Extent {
  /** These are all subjects there are, so that every statement of the engine must be among the points. */
  readonly whole: boolean
  /** Each pair of a point's name and a mode once, instead of each occurrence of each point. */
  readonly pairsOnly: boolean
}

/** Explores all subjects, and at the end every pair that nothing has hit, however many faults it takes to get there. */
export const exploreCorpus = async (
  processes: Processes,
  subjects: ReadonlyArray<Subject>,
  { pairsOnly, whole }: Extent
): Promise<Found> => {
  const begun = performance.now()
  const reports = [...(await processes.run(pairsOnly ? crashFree(subjects) : everything(subjects)))]
  const tried = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    const next = nextCases(reports, tried)
    if (next.length === 0) break
    reports.push(...(await processes.run(next)))
  }
  const minutes = (performance.now() - begun) / 60_000
  return summarise(reports, subjects.length, minutes, whole)
}

const summarise = (reports: ReadonlyArray<ShardReport>, workflows: number, minutes: number, whole: boolean): Found => {
  const sum = (of: (report: ShardReport) => number) => reports.reduce((total, report) => total + of(report), 0)
  const { gaps, stale } = coverageOf(reports, whole)
  const notReached = reports.flatMap((report) => report.notReached)
  const points = new Map(reports.map((report) => [report.subject, report.points]))
  const cases = sum((report) => report.cases)
  return {
    summary: {
      workflows,
      points: [...points.values()].reduce((total, count) => total + count, 0),
      cases,
      reached: sum(({ reached }) => reached.length),
      notReached: notReached.length,
      uncovered: gaps.length,
      violations: sum(({ violations }) => violations),
      casesPerMinute: Math.round(cases / minutes),
      complete: reports.every(({ complete }) => complete)
    },
    notReached: notReached.map((injection) => `not reached: ${spell(injection)}`),
    complaints: [
      ...gaps.map((gap) => `not covered, and nobody says why: ${gap}`),
      ...stale.map((pattern) => `explained as not covered, but it is: ${pattern}`)
    ]
  }
}
