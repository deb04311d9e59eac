import { expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { afterAll, describe } from "vitest"
import { callersLayer } from "../../src/postgres/CallersClient.js"
import * as EmbeddedDatabase from "../../src/postgres/embedded/EmbeddedDatabase.js"
import { layer as stores } from "../../src/postgres/layer.js"
import { migrate } from "../../src/postgres/Migrations.js"
import * as Pool from "../../src/postgres/Pool.js"
import { invariantStatement } from "../../src/testing/invariants/check.js"
import { type LedgerEntry, layer as ledger } from "../../src/testing/Ledger.js"
import { renamed, type Whole, wholes } from "../explore/graphs/cases.js"
import { define, type Pace } from "../explore/graphs/definitions.js"
import { registered } from "../explore/graphs/handlers.js"
import { Reference } from "../explore/graphs/reference.js"
import { freshDatabase } from "../support/database.js"
import { mortal } from "./faults.js"
import { type EngineProcess, type Ground, startProcess } from "./process.js"

/** Everything but what takes events, which nobody sends here, and what needs a table of the application's own. */
const wanted = { triggers: false, resumable: false, withoutEntries: true, endings: ["completes"] as const }

const cases = FastCheck.record({
  whole: wholes(wanted),
  // after which of the first process's commits, counted round
  crash: FastCheck.nat(1_000_000)
})
type Case = typeof cases extends FastCheck.Arbitrary<infer A> ? A : never

/** A tenth of the time that things take where time costs nothing. */
const pace: Pace = {
  millis: (amount) => Duration.millis(amount / 10),
  patience: Duration.millis(600),
  total: Duration.minutes(2)
}

/** Commits that a graph makes mostly. */
const usualCommits = 12

interface Bed {
  readonly ground: Ground
  readonly ask: (text: string) => Promise<ReadonlyArray<Record<string, unknown>>>
}

const file = Effect.runSync(Scope.make())
afterAll(() => Effect.runPromise(Scope.close(file, Exit.void)))

const onPostgres = Effect.map(freshDatabase(), ({ pool, url }): Bed => {
  return { ground: { url: Redacted.make(url) }, ask: async (text) => (await pool.query(text)).rows }
})

const onEmbedded = Effect.gen(function* () {
  const { pool } = yield* EmbeddedDatabase.open({ dataDir: undefined })
  const over = Layer.provideMerge(stores(), Pool.layerFromPool(pool))
  yield* Effect.provide(migrate(), over)
  return { ground: { embedded: pool }, ask: async (text) => (await pool.query(text)).rows } satisfies Bed
})

const hits = { before: Effect.void, after: Effect.void }

/** The handlers of a workflow with their own world outside; nobody has a table of the application's own. */
const outside = (whole: Whole, entries: Array<LedgerEntry>) =>
  registered(whole, pace, define(whole, pace)).pipe(
    Layer.provide(ledger({ entries, hit: () => hits })),
    Layer.provide(callersLayer({ acquire: Effect.dieMessage("there is no client"), preamble: "" }))
  )

let count = 0

/** Runs the workflow with a death after one of the first commits; it must come to what it means. */
const survives = (bed: Bed, { crash, whole: drawn }: Case) =>
  Effect.gen(function* () {
    const whole = renamed(drawn, `rich_${++count}`)
    const runId = `run-${count}`
    const entries: Array<LedgerEntry> = []
    const options = {
      workflows: outside(whole, entries),
      settings: { alwaysEvict: whole.evicts, pollMs: 50, idleMs: 20 }
    }
    const input = Object.fromEntries(whole.graph.input.map((port) => [port, port]))
    const start = ({ engine }: EngineProcess) => engine.startEncoded({ workflow: whole.graph.name, input, runId })
    const doomed = mortal((commits) => commits === 1 + (crash % usualCommits))
    const first = yield* startProcess(bed.ground, { ...options, pool: doomed.pool })
    // The start itself may be the commit after which it dies: its caller never hears of it.
    const living = Effect.zipRight(start(first), first.engine.awaitEnd(runId))
    const died = yield* Effect.raceFirst(Effect.as(doomed.dead, true), Effect.as(living, false))
    if (died) {
      first.halt()
      yield* Effect.promise(() =>
        bed.ask("update perdure.workers set heartbeat_at = '-infinity' where stopped_at is null")
      )
    } else yield* first.stop
    const second = yield* startProcess(bed.ground, options)
    yield* second.engine.awaitEnd(runId)
    const run = yield* second.engine.get(runId)
    yield* second.stop
    expect(new Reference(whole).judge(run, entries)).toBeUndefined()
    expect(yield* Effect.promise(() => bed.ask(invariantStatement({ atRest: true })))).toEqual([])
    return died
  }).pipe(Effect.scoped)

/** Every case on one database, one after the other. */
const property = (bed: Effect.Effect<Bed, unknown, Scope.Scope>, numRuns: number) =>
  Effect.gen(function* () {
    const made = yield* Scope.extend(bed, file)
    let crashes = 0
    yield* Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(cases, async (one) => {
          if (await Effect.runPromise(survives(made, one))) crashes++
        }),
        { numRuns, endOnFailure: true }
      )
    )
    // A crash that did not happen proves nothing.
    expect(crashes).toBeGreaterThan(numRuns / 4)
  })

const numRuns = Number(process.env["PROPERTY_RUNS"] ?? 8)

describe("random graphs of everything at once, whose process dies after a commit, come to what they mean", () => {
  it.live("on PostgreSQL", () => property(onPostgres, numRuns), 120_000)
  it.live("on the embedded database", () => property(onEmbedded, numRuns), 120_000)
})
