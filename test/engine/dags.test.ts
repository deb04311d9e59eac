import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { afterAll, describe } from "vitest"
import type { Graph } from "../../src/definition/Graph.js"
import * as EmbeddedDatabase from "../../src/postgres/embedded/EmbeddedDatabase.js"
import { layer as stores } from "../../src/postgres/layer.js"
import { migrate } from "../../src/postgres/Migrations.js"
import * as Pool from "../../src/postgres/Pool.js"
import { invariantStatement } from "../../src/testing/invariants/check.js"
import { graphs } from "../runtime/graphs.js"
import { rule } from "../runtime/graphsRule.js"
import { freshDatabase } from "../support/database.js"
import { mortal } from "./faults.js"
import { graphLayer, type Watch } from "./graphWorkflow.js"
import { type EngineProcess, type Ground, startProcess } from "./process.js"

/** Routes, fan-out, shared values, `all`, wired errors, waits. Merges and events race, so that no two runs need agree. */
const deterministic = { maxNodes: 6, manyPorts: 2, merging: false, triggers: false, resumable: false, endless: false }

const cases = FastCheck.record({
  graph: graphs(deterministic),
  seed: FastCheck.nat(),
  // after which of the crash-free run's commits, counted round
  crash: FastCheck.nat(1_000_000),
  evicts: FastCheck.boolean()
})
type Case = typeof cases extends FastCheck.Arbitrary<infer A> ? A : never

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

let count = 0

/** How a run ended. */
const outcome = (process: EngineProcess, runId: string) =>
  Effect.map(
    Effect.zipRight(process.engine.awaitEnd(runId), process.engine.get(runId)),
    ({ failure, output, status }) => ({ status, output, failure: failure === null ? null : withoutAttempt(failure) })
  )

/** Deaths are no attempts, but the order of two failures in one run is free; which node failed is not. */
const withoutAttempt = (failure: string): unknown => {
  const { kind, message, nodeId } = JSON.parse(failure) as Record<string, unknown>
  return { kind, message, nodeId }
}

/** Runs the graph without a crash, and with one after a commit; both must come to the same. */
const compare = (bed: Bed, { crash, evicts, graph: drawn, seed }: Case) =>
  Effect.gen(function* () {
    const graph: Graph = { ...drawn, name: `random_${++count}` }
    const seen = new Set<string>()
    const twice: Array<string> = []
    const watch: Watch = ({ attempt, crashes, idempotencyKey }) => {
      const tried = `${idempotencyKey}: attempt ${attempt}, ${crashes} deaths`
      if (seen.has(tried)) twice.push(tried)
      seen.add(tried)
    }
    const workflows = graphLayer(graph, rule(graph, seed), watch)
    const settings = { alwaysEvict: evicts, pollMs: 50 }
    const input = Object.fromEntries(graph.input.map((port) => [port, port]))
    const start = (process: EngineProcess, runId: string) =>
      process.engine.startEncoded({ workflow: graph.name, input, runId })

    const calm = yield* startProcess(bed.ground, { workflows, settings })
    yield* start(calm, `calm-${count}`)
    const expected = yield* outcome(calm, `calm-${count}`)
    const { version } = yield* calm.engine.get(`calm-${count}`)
    yield* calm.stop

    const doomed = mortal((commits) => commits === 1 + (crash % version))
    const first = yield* startProcess(bed.ground, { workflows, settings, pool: doomed.pool })
    const runId = `crashed-${count}`
    // The start itself may be the commit after which it dies: its caller never hears of it.
    const living = Effect.zipRight(start(first, runId), first.engine.awaitEnd(runId))
    const died = yield* Effect.raceFirst(Effect.as(doomed.dead, true), Effect.as(living, false))
    if (died) {
      first.halt()
      yield* Effect.promise(() =>
        bed.ask("update perdure.workers set heartbeat_at = '-infinity' where stopped_at is null")
      )
    } else yield* first.stop
    const second = yield* startProcess(bed.ground, { workflows, settings })
    expect(yield* outcome(second, runId)).toEqual(expected)
    yield* second.stop
    expect(twice).toEqual([])
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
          if (await Effect.runPromise(compare(made, one))) crashes++
        }),
        { numRuns, endOnFailure: true }
      )
    )
    // A crash that did not happen proves nothing; a run that commits less under its second name is rare.
    expect(crashes).toBeGreaterThan(numRuns / 2)
  })

describe("random typed graphs with one crash between any two commits end as without it", () => {
  it.live("on PostgreSQL", () => property(onPostgres, 25), 120_000)
  it.live("on the embedded database", () => property(onEmbedded, 25), 120_000)
})
