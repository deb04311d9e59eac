import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type Exploration, explore, type Failure } from "../../src/testing/Explore.js"
import { type Injection, type Mode, modes, type PointKind } from "../../src/testing/Points.js"
import type { Subject } from "../../src/testing/Subject.js"
import { openEmbedded, openPostgres, type TestDatabase } from "../../src/testing/TestDatabase.js"
import { server } from "../support/postgresServer.js"

/** What one process explores. */
export interface ShardOptions {
  readonly seed: number
  readonly index: number
  readonly of: number
  readonly double: number | "all"
  /** When to begin no further case, in milliseconds since the epoch. */
  readonly until: number
  readonly onFailure: (failure: Failure) => void
}

/** What one process found, as it travels to another. */
export interface ShardReport {
  readonly workflows: ReadonlyArray<string>
  readonly points: number
  readonly cases: number
  readonly passed: ReadonlyArray<readonly [string, PointKind]>
  readonly reached: ReadonlyArray<Injection>
  readonly notReached: ReadonlyArray<Injection>
  readonly violations: number
}

const reportOf = (found: ReadonlyArray<Exploration>): ShardReport => ({
  workflows: [...new Set(found.map(({ subject }) => subject))],
  points: found.reduce((sum, { points }) => sum + points.length, 0),
  cases: found.reduce((sum, { cases }) => sum + cases, 0),
  passed: [...new Map(found.flatMap(({ passed }) => [...passed]))],
  reached: found.flatMap(({ reached }) => reached),
  notReached: found.flatMap(({ notReached }) => notReached),
  violations: found.reduce((sum, { failures }) => sum + failures.length, 0)
})

const exploreAll = (
  database: TestDatabase,
  subjects: ReadonlyArray<Subject>,
  options: ShardOptions,
  only: ReadonlyArray<Mode> = modes
) =>
  Effect.promise(async () => {
    const found: Array<Exploration> = []
    for (const subject of subjects) {
      found.push(
        await explore({
          subject,
          database,
          seed: options.seed,
          modes: only,
          double: options.double,
          revealed: true,
          shard: { index: options.index, of: options.of },
          goOn: () => Date.now() < options.until,
          onFailure: options.onFailure
        })
      )
    }
    return found
  })

/** Explores subjects on an embedded database in memory. */
export const onEmbedded = (
  subjects: ReadonlyArray<Subject>,
  options: ShardOptions
): Effect.Effect<ShardReport, unknown> =>
  Effect.scoped(
    Effect.map(
      Effect.flatMap(openEmbedded, (database) => exploreAll(database, subjects, options)),
      reportOf
    )
  )

/** Explores on a server what one session can't show: a stopped process whose transaction holds its locks. */
export const onServer = (
  subjects: ReadonlyArray<Subject>,
  options: ShardOptions
): Effect.Effect<ShardReport, unknown> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { url } = yield* server()
      const database = yield* openPostgres(Redacted.make(url))
      const stopped: ReadonlyArray<Mode> = ["zombie", "awakened"]
      return reportOf(yield* exploreAll(database, subjects, { ...options, double: 0, index: 0, of: 1 }, stopped))
    })
  )
