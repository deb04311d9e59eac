import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import pg from "pg"
import * as Node from "../../src/definition/Node.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Approval, Approved, Chain } from "./fixtures.js"
import { approved, chain } from "./handlers.js"
import { swept } from "./sweeping.js"
import { scenario, type World } from "./world.js"

const day = 86_400_000

/** Makes runs so many days older, and what is told of them. */
const age = (world: World, days: number, runs = "true") =>
  Effect.zipRight(
    world.sql(
      `update perdure.run_state set ended_at = ended_at - interval '${days} days' where ended_at is not null and ${runs}`
    ),
    world.sql(`update perdure.run_events set events = (
      select json_agg(jsonb_set(e::jsonb, '{at}', to_jsonb((e ->> 'at')::float8 - ${days * day})))
      from json_array_elements(events) e
    ) where ${runs}`)
  )

/** Tables in which a run has rows. */
const tables = ["run_state", "run_values", "run_node_state", "run_inbox_messages", "run_events"]

/** How many rows each table has of a run; of its events, which are gathered as they come, whether there are any. */
const rowsOf = (world: World, runId: string) =>
  Effect.map(
    Effect.forEach(tables, (table) =>
      world.sql(
        `select least(count(*), ${table === "run_events" ? 1 : 1_000})::int4 as count from perdure.${table} where run_id = $1`,
        [runId]
      )
    ),
    (counts) => counts.map(([row]) => Number(row?.["count"]))
  )

const told = (world: World, runId: string, kind: string) =>
  world.untilRow(`select from perdure.run_events where events::text ~ '"run.(${kind})"' and run_id = $1`, [runId])

const ended = (world: World, runId: string) => told(world, runId, "completed|cancelled")

/** How many rows of events there are. */
const eventsOf = (world: World, runs: string) =>
  Effect.map(world.sql(`select count(*)::int4 as count from perdure.run_events where ${runs}`), ([row]) =>
    Number(row?.["count"])
  )

scenario("ended runs go when their policy says so, with all that is theirs; what is live stays", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: Layer.merge(chain(), approved()) })
    for (const runId of ["old", "young"]) {
      yield* engine.start(Chain, { n: 1 }, { runId, attributes: { of: "ada" } })
      yield* engine.awaitEnd(runId)
      yield* ended(world, runId)
    }
    yield* engine.start(Approved, { n: 1 }, { runId: "kept" })
    yield* engine.trigger(Approved, "kept", "approval", { approved: true }, { inputId: "1" })
    yield* engine.awaitEnd("kept")
    yield* engine.start(Approved, { n: 1 }, { runId: "waits" })
    yield* world.until("waits", "suspended")
    yield* ended(world, "kept")
    yield* told(world, "waits", "suspended")
    yield* age(world, 40, "run_id in ('old', 'kept', 'waits')")

    const retention = { approved: { runRetentionMs: 50 * day, auditRetentionMs: Number.POSITIVE_INFINITY } }
    expect(yield* swept(world, { retention })).toMatchObject({ runs: 1 })
    expect(yield* rowsOf(world, "old")).toEqual([0, 0, 0, 0, 0])
    expect(yield* world.sql("select from perdure.run_attributes where run_id = 'old'")).toEqual([])
    expect(yield* rowsOf(world, "young")).toEqual([1, 1, 2, 3, 1])
    // Its values and firings stay, what was on its way goes; and the audit trail stays for ever.
    expect(yield* rowsOf(world, "kept")).toEqual([1, 1, 3, 0, 1])
    expect(yield* world.inputs("kept")).toEqual([])
    const [state, , , messages] = yield* rowsOf(world, "waits")
    expect([state, messages]).toEqual([1, 2])
    const events = yield* eventsOf(world, "run_id = 'waits'")
    expect(events).toBeGreaterThan(0)
    expect(yield* engine.await(Chain, "young")).toEqual({ n: 4 })
    expect(yield* Effect.flip(engine.get("old"))).toMatchObject({ _tag: "RunNotFound" })

    // Events go by themselves, those of what lives too; and the run they tell of does not notice.
    expect(yield* swept(world)).toMatchObject({ runs: 1, events })
    expect((yield* rowsOf(world, "waits"))[4]).toBe(0)
    yield* engine.trigger(Approved, "waits", "approval", { approved: true }, { inputId: "1" })
    expect((yield* engine.awaitEnd("waits")).status).toBe("completed")
    expect(yield* swept(world)).toMatchObject({ runs: 0, messages: 0, inputs: 0, events: 0 })
  })
)

const Calls = Node.make("calls", { inputs: { n: Schema.Number }, outputs: { out: Schema.Number } })
const Calling = Workflow.make("calling", { version: 1, input: { n: Schema.Number } })
  .node("calls", Calls, ({ input }) => ({ n: input.n }))
  .node("approval", Approval, ({ calls }) => ({ in: calls.out }))
  .output(({ approval }) => ({ n: approval.yes }))

scenario("a child stays as long as its parent, and what is still asked of a run keeps it", (world) =>
  Effect.gen(function* () {
    const calling = Calling.layer.pipe(
      Layer.provide(
        Calls.toLayer(({ n }) =>
          Effect.map(Effect.orDie(Step.child("chain", Chain, { n })), (child) => ({ out: child.n }))
        )
      ),
      Layer.provide(Approval.toLayer((inputs) => Effect.succeed({ yes: inputs.in })))
    )
    const { engine } = yield* world.start({ workflows: Layer.merge(chain(), calling) })
    yield* engine.start(Calling, { n: 1 }, { runId: "parent" })
    yield* world.until("parent", "suspended")
    yield* world.untilRow(
      "select from perdure.run_state where status = 'suspended' and run_id = 'parent' and frontier::text like '%approval%'"
    )
    yield* engine.start(Chain, { n: 1 }, { runId: "asked" })
    yield* engine.awaitEnd("asked")
    yield* world.sql(
      "insert into perdure.trigger_inputs (run_id, node_id, input_id, payload, status) values ('asked', 'x', '1', '1', 'held')"
    )
    yield* age(world, 40)
    expect(yield* swept(world)).toMatchObject({ runs: 0 })
    expect(yield* world.sql("select from perdure.run_state")).toHaveLength(3)
    yield* world.sql("delete from perdure.trigger_inputs where input_id = '1' and run_id = 'asked'")
    yield* engine.trigger(Calling, "parent", "approval", { approved: true }, { inputId: "1" })
    yield* engine.awaitEnd("parent")
    yield* age(world, 40)
    expect(
      yield* swept(world, { retention: { calling: { runRetentionMs: 90 * day, retentionMs: 60 * day } } })
    ).toMatchObject({
      runs: 1
    })
    expect(yield* swept(world)).toMatchObject({ runs: 2 })
    expect(yield* world.sql("select from perdure.run_state")).toEqual([])
  })
)

scenario(
  "an audit log that is missing keeps nothing else from going",
  (world) =>
    Effect.gen(function* () {
      const { engine } = yield* world.start({ workflows: chain() })
      yield* engine.start(Chain, { n: 1 }, { runId: "old" })
      yield* engine.awaitEnd("old")
      yield* ended(world, "old")
      yield* age(world, 40)
      const events = yield* eventsOf(world, "true")
      yield* world.sql("alter table perdure.run_events rename to gone")
      expect(yield* swept(world)).toMatchObject({ runs: 1, events: 0 })
      yield* world.sql("alter table perdure.gone rename to run_events")
      // The events of a run that is gone go by themselves.
      expect(yield* swept(world)).toMatchObject({ runs: 0, events })
    }),
  { fresh: true }
)

/** What the server's own housekeeping does, at a moment of our choice; gives the bytes of all tables with their indexes. */
const vacuumed = (url: string) =>
  Effect.promise(async () => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      await client.query("vacuum (analyze)")
      const { rows } = await client.query(`select
        sum(pg_total_relation_size(oid))::float8 as bytes, sum(pg_stat_get_dead_tuples(oid))::float8 as dead
        from pg_class where relnamespace = 'perdure'::regnamespace and relkind = 'r' and relname <> 'schema_migrations'`)
      return { bytes: Number(rows[0].bytes), dead: Number(rows[0].dead) }
    } finally {
      await client.end()
    }
  })

scenario(
  "under a steady load the tables stop growing",
  (world) =>
    Effect.gen(function* () {
      const { engine } = yield* world.start({
        workflows: chain(),
        // Only the sweeps of this test take what has ended.
        settings: { cleanupMs: 3_600_000 }
      })
      const round = (name: number) =>
        Effect.gen(function* () {
          const runIds = Array.from({ length: 1_000 }, (_, n) => `${name}-${n}`)
          yield* Effect.forEach(runIds, (runId) => engine.start(Chain, { n: 1 }, { runId }), { concurrency: 100 })
          yield* Effect.forEach(runIds, engine.awaitEnd, { concurrency: 100 })
          yield* Effect.forEach(runIds.slice(-50), (runId) => ended(world, runId))
          // What ended in the round before goes, as the runs of a retention time ago do.
          yield* age(world, 20)
          return [yield* swept(world), yield* vacuumed(Redacted.value(world.url))] as const
        })
      const rounds = yield* Effect.forEach([1, 2, 3, 4, 5], round)
      expect(rounds.map(([{ runs }]) => runs)).toEqual([0, 1_000, 1_000, 1_000, 1_000])
      expect(yield* world.sql("select from perdure.run_values")).toHaveLength(1_000)
      const bytes = rounds.map(([, size]) => size.bytes)
      // Kept, each round would add as much as the first.
      expect(bytes[4]! / bytes[1]!, JSON.stringify(bytes)).toBeLessThan(1.5)
      // But for what the worker has written since: its heartbeats, its last events.
      expect(Math.max(...rounds.map(([, size]) => size.dead))).toBeLessThan(1_000)
    }),
  { fresh: true }
)
