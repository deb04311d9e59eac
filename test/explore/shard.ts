import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { type Exploration, explore, type Failure, type Revealed } from "../../src/testing/Explore.js"
import type { Injection, Mode, PointKind } from "../../src/testing/Points.js"
import type { Subject } from "../../src/testing/Subject.js"
import { openEmbedded, openPostgres, type TestDatabase } from "../../src/testing/TestDatabase.js"
import { server } from "../support/postgresServer.js"

/** What one process is asked to explore: a part of a subject, some cases of it, or all that only a server shows. */
export type Task =
  | { readonly kind: "part"; readonly subject: string; readonly index: number; readonly of: number }
  | { readonly kind: "cases"; readonly subject: string; readonly cases: ReadonlyArray<ReadonlyArray<Injection>> }
  | { readonly kind: "server"; readonly subject: string }

/** How everything is explored. */
export interface ShardOptions {
  readonly seed: number
  readonly double: number | "all"
  /** When to begin no further case, in milliseconds since the epoch. */
  readonly until: number
  readonly onFailure: (failure: Failure) => void
}

/** What one process found, as it travels to another. */
export interface ShardReport {
  readonly subject: string
  readonly complete: boolean
  readonly points: number
  readonly cases: number
  readonly passed: ReadonlyArray<readonly [string, PointKind]>
  readonly revealed: ReadonlyArray<Revealed>
  readonly reached: ReadonlyArray<Injection>
  readonly notReached: ReadonlyArray<Injection>
  readonly violations: number
}

const reportOf = (found: Exploration): ShardReport => ({
  subject: found.subject,
  complete: found.complete,
  points: found.points.length,
  cases: found.cases,
  passed: [...found.passed],
  revealed: found.revealed,
  reached: found.reached,
  notReached: found.notReached,
  violations: found.failures.length
})

/** A stopped process whose transaction holds its locks is what only a server shows. */
const stopped: ReadonlyArray<Mode> = ["zombie", "awakened"]

/** Does one task after the other, with databases that are opened when they are needed first. */
export const makeExplorer = (subjects: ReadonlyArray<Subject>, options: ShardOptions) =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const kept = <E>(open: Effect.Effect<TestDatabase, E, Scope.Scope>) =>
      Effect.cached(Scope.extend(Effect.orDie(open), scope))
    const embedded = yield* kept(openEmbedded)
    const onServer = yield* kept(Effect.flatMap(server(), ({ url }) => openPostgres(Redacted.make(url))))
    return (task: Task): Effect.Effect<ShardReport> =>
      Effect.flatMap(task.kind === "server" ? onServer : embedded, (database) =>
        Effect.promise(async () => {
          const subject = subjects.find(({ name }) => name === task.subject)
          if (subject === undefined) throw new Error(`no subject is called ${task.subject}`)
          const { double, seed, until, onFailure } = options
          const common = { subject, database, seed, onFailure, goOn: () => Date.now() < until }
          if (task.kind === "server") return reportOf(await explore({ ...common, modes: stopped }))
          if (task.kind === "cases") return reportOf(await explore({ ...common, cases: task.cases }))
          return reportOf(await explore({ ...common, double, shard: task }))
        })
      )
  })
