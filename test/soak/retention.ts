import { parseArgs } from "node:util"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import pg from "pg"
import * as Node from "../../src/definition/Node.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Engine } from "../../src/Engine.js"
import * as Perdure from "../../src/layers.js"
import { Transactor } from "../../src/store/Transactor.js"
import { startServer } from "../support/postgresServer.js"

const usage = "npm run soak:retention -- [--runs 200000] [--rate 800] [--keep 20] [--in-flight 100]"

const { values: given } = parseArgs({
  options: {
    runs: { type: "string", default: "200000" },
    /** Runs a second: what is kept is comparable only when as much arrives in each window. */
    rate: { type: "string", default: "800" },
    /** Seconds for which everything of an ended run is kept. */
    keep: { type: "string", default: "20" },
    "in-flight": { type: "string", default: "100" },
    help: { type: "boolean", default: false }
  }
})
const [runs, rate, keep, inFlight] = [given.runs, given.rate, given.keep, given["in-flight"]].map(Number) as [
  number,
  number,
  number,
  number
]
if (given.help || ![runs, rate, keep, inFlight].every((n) => Number.isInteger(n) && n > 0)) {
  console.error(usage)
  process.exit(given.help ? 0 : 2)
}

/** What commits may take while old runs are deleted, of what they took before. */
const mostSlowdown = 1.5

/** By how much tables may still grow over the second half of the load. */
const mostGrowth = 1.2

/** How much longer than its rate says a load may take: beyond that the windows held unlike numbers of runs. */
const mostDelay = 1.05

const Work = Node.make("work", { inputs: { n: Schema.Number }, outputs: { out: Schema.Number } })
const Chain = Workflow.make("chain", { version: 1, input: { n: Schema.Number } })
  .node("first", Work, ({ input }) => ({ n: input.n }))
  .node("second", Work, ({ first }) => ({ n: first.out }))
  .node("third", Work, ({ second }) => ({ n: second.out }))
  .output(({ third }) => ({ n: third.out }))

/** How long commits took, in milliseconds, each with its moment. */
const commits: Array<readonly [at: number, ms: number]> = []

/** How long the hands of a sweep took. */
const hands: Array<number> = []

/** The transactor that is there already, with the time of each batch of commits taken. */
const timed = Layer.effect(
  Transactor,
  Effect.map(Transactor, (transactor) => {
    const time = <A, E, R>(operation: string, effect: Effect.Effect<A, E, R>) =>
      operation === "runs" || operation === "cleanup"
        ? Effect.map(Effect.timed(effect), ([took, value]) => {
            if (operation === "runs") commits.push([performance.now(), Duration.toMillis(took)])
            else hands.push(Duration.toMillis(took))
            return value
          })
        : effect
    return Transactor.of({
      ...transactor,
      transact: (operation, effect, options) => time(operation, transactor.transact(operation, effect, options)),
      writeAtOnce: (operation, writes) => time(operation, transactor.writeAtOnce(operation, writes))
    })
  })
)

const p95 = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.95)] ?? Number.NaN

const main = Effect.gen(function* () {
  const server = yield* Effect.acquireRelease(
    Effect.promise(() =>
      startServer({ durable: true, settings: { shared_buffers: "128MB", autovacuum: "on", autovacuum_naptime: "5s" } })
    ),
    ({ dispose }) => Effect.promise(dispose)
  )
  const ms = keep * 1_000
  // What ended runs leave behind goes first, as it does by default.
  const settings = { retentionMs: ms / 2, runRetentionMs: ms, auditRetentionMs: ms, cleanupMs: 1_000 }
  const context = yield* Layer.build(
    Chain.layer.pipe(
      Layer.provide(Work.toLayer(({ n }) => Effect.succeed({ out: n + 1 }))),
      Layer.provideMerge(Perdure.layerEngine(settings)),
      Layer.provideMerge(Layer.provideMerge(timed, Perdure.layerPostgres({ url: Redacted.make(server.url) })))
    )
  )
  const engine = Context.get(context, Engine)
  const client = new pg.Client({ connectionString: server.url })
  yield* Effect.promise(() => client.connect())
  const sizes: Array<{
    readonly ended: number
    readonly megabytes: number
    readonly kept: number
    readonly oldestSeconds: number
    readonly dead: number
  }> = []
  const measure = (ended: number) =>
    Effect.promise(async () => {
      const { rows } = await client.query(`select
        sum(pg_total_relation_size(c.oid))::float8 / 1048576 as megabytes, sum(pg_stat_get_dead_tuples(c.oid))::int4 as dead,
        (select count(*)::int4 from perdure.run_state) as kept,
        (select coalesce(extract(epoch from clock_timestamp() - min(ended_at)), 0)::float8 from perdure.run_state) as oldest
        from pg_class c where c.relnamespace = 'perdure'::regnamespace and c.relkind = 'r'`)
      const { megabytes, kept, oldest, dead } = rows[0]
      const size = {
        ended,
        megabytes: Math.round(megabytes),
        kept,
        oldestSeconds: Math.round(oldest * 10) / 10,
        dead
      }
      sizes.push(size)
      console.error(JSON.stringify(size))
    })

  const began = performance.now()
  let ended = 0
  const each = Math.max(1, Math.floor(runs / 20))
  const one = (n: number) =>
    Effect.gen(function* () {
      yield* Effect.sleep(Duration.millis(began + (n * 1_000) / rate - performance.now()))
      const { runId } = yield* engine.start(Chain, { n })
      yield* engine.awaitEnd(runId)
      if (++ended % each === 0) yield* measure(ended)
    })
  yield* Effect.forEach(
    Array.from({ length: runs }, (_, n) => n),
    one,
    { concurrency: inFlight, discard: true }
  )
  const seconds = (performance.now() - began) / 1_000
  yield* Effect.promise(() => client.end())

  // The first second warms up; before the first run is old enough nothing is deleted.
  const between = (from: number, to: number) =>
    commits.flatMap(([at, took]) => (at - began >= from && at - began < to ? [took] : []))
  const before = p95(between(1_000, ms))
  const during = p95(between(ms + 2_000, seconds * 1_000))
  const [half, last] = [sizes[Math.floor(sizes.length / 2)]!, sizes.at(-1)!]
  const ratio = during / before
  const growth = last.megabytes / half.megabytes
  const why = [
    ...(seconds > 4 * keep ? [] : ["over too soon: more --runs, or a shorter --keep"]),
    ...(seconds <= (runs / rate) * mostDelay ? [] : ["the load fell behind its rate: a lower --rate"])
  ]
  const ok = why.length === 0 && ratio <= mostSlowdown && growth <= mostGrowth
  const shown = (value: number) => Math.round(value * 100) / 100
  const figures = {
    ...{
      runs,
      rate,
      seconds: shown(seconds),
      keepSeconds: keep,
      p95BeforeMs: shown(before),
      p95DuringMs: shown(during)
    },
    ...{
      ratio: shown(ratio),
      megabytesAtHalf: half.megabytes,
      megabytesAtEnd: last.megabytes,
      growth: shown(growth),
      hands: hands.length,
      p95HandMs: shown(p95(hands)),
      kept: last.kept,
      oldestSeconds: last.oldestSeconds
    }
  }
  console.log(JSON.stringify({ ...figures, ok, ...(why.length === 0 ? {} : { why }) }))
  return ok
}).pipe(Effect.scoped)

process.exitCode = (await Effect.runPromise(main)) ? 0 : 1
