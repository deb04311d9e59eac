import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import pg from "pg"
import { Incarnation } from "../src/model/Ids.js"
import { layer as stores } from "../src/postgres/layer.js"
import { migrate } from "../src/postgres/Migrations.js"
import * as Pool from "../src/postgres/Pool.js"
import { type ClaimLook, StateStore } from "../src/store/StateStore.js"
import { Transactor } from "../src/store/Transactor.js"
import { TriggerStore } from "../src/store/TriggerStore.js"
import { startServer } from "../test/support/postgresServer.js"

/** Measures a look for work with very many runs that wait; ends with one line of JSON, and fails above the threshold. */
const argument = (name: string, absent: number): number => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? absent : Number(process.argv[at + 1])
}

const suspended = argument("suspended", 1_000_000)
const inputs = argument("inputs", 100_000)
const rounds = argument("rounds", 200)
const thresholdMs = 5

const fill = async (client: pg.Client): Promise<void> => {
  await client.query(
    `insert into perdure.run_state
       (run_id, workflow, workflow_version, status, version, fence, ready, due_at, frontier, reason)
     select 'w' || n, 'order', 1, 'suspended', 1, 1, false, case when n % 4 = 0 then now() + interval '1 day' end,
       '{"ended":"","skipped":"","nodes":{}}', 'approval: trigger'
     from generate_series(1, $1::int4) n`,
    [suspended]
  )
  await client.query(
    `insert into perdure.run_state (run_id, workflow, workflow_version, status, version, fence, ready, frontier, reason)
     select 'p' || n, 'order', 1, 'parked', 1, 1, false, '{"ended":"","skipped":"","nodes":{}}', 'Poison: n'
     from generate_series(1, 1000) n`
  )
  // Half of them are held already; the rest arrived late, and looks have yet to pass over them.
  await client.query(
    `insert into perdure.trigger_inputs (run_id, node_id, input_id, payload, status)
     select 'p' || 1 + n % 1000, 'approval', n::text, '1', case when n % 2 = 0 then 'held' else 'new' end
     from generate_series(1, $1::int4) n`,
    [inputs]
  )
  await client.query("analyze")
}

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
const p99 = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? 0

const definitions = [{ workflow: "order", workflowVersion: 1 }]
const me = Incarnation.make("00000000-0000-4000-8000-000000000001")

const measure = Effect.gen(function* () {
  const transactor = yield* Transactor
  const states = yield* StateStore
  const triggers = yield* TriggerStore
  const results: Record<string, { readonly medianMs: number; readonly p99Ms: number }> = {}
  const repeat = <E, R>(name: string, work: Effect.Effect<unknown, E, R>) =>
    Effect.gen(function* () {
      const times: Array<number> = []
      for (let round = 0; round < rounds; round++) {
        const begun = performance.now()
        yield* work
        times.push(performance.now() - begun)
      }
      results[name] = { medianMs: Number(median(times).toFixed(2)), p99Ms: Number(p99(times).toFixed(2)) }
    })
  for (const _tag of ["Ready", "Due", "Orphaned"] as const) {
    const look: ClaimLook = { _tag, definitions }
    yield* repeat(_tag, transactor.transact("claim", states.claim(me, look, 200)))
  }
  yield* repeat("inputs", transactor.transact("look", triggers.look("input", "0", 1_000)))
  return results
})

const server = await startServer({ durable: true, settings: { shared_buffers: "256MB" } })
try {
  const pool = Pool.layer({ url: Redacted.make(server.url) })
  const layers = Layer.provideMerge(stores(), pool)
  await Effect.runPromise(Effect.provide(migrate(), layers))
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  await fill(client)
  await client.end()
  const looks = await Effect.runPromise(Effect.provide(measure, layers))
  const holds = ["Ready", "Due", "Orphaned"].every((name) => (looks[name]?.medianMs ?? 0) < thresholdMs)
  console.log(JSON.stringify({ work: "looks", suspended, inputs, looks, thresholdMs, holds }))
  if (!holds) process.exitCode = 1
} finally {
  await server.dispose()
}
