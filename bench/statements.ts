import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import pg from "pg"
import { RunId } from "../src/model/Ids.js"
import type { RunCommit } from "../src/model/Run.js"
import type { Connection } from "../src/postgres/Connection.js"
import { layer as stores } from "../src/postgres/layer.js"
import { migrate } from "../src/postgres/Migrations.js"
import * as Pool from "../src/postgres/Pool.js"
import { Inbox } from "../src/store/Inbox.js"
import { StateStore } from "../src/store/StateStore.js"
import type { Writes } from "../src/store/Transactor.js"
import { startServer } from "../test/support/postgresServer.js"

/**
 * What the statements of a commit cost the server, each beside what it could be instead: time and WAL per row, a hundred rows at a time.
 * Prints a table; `--rounds` says how often each is executed.
 */
const rows = 100
const at = process.argv.indexOf("--rounds")
const rounds = at < 0 ? 200 : Number(process.argv[at + 1])
const warmUps = 20

/** A statement as it is sent. */
interface Sent {
  readonly text: string
  readonly values: ReadonlyArray<unknown>
}

interface Variant {
  readonly of: string
  readonly name: string
  readonly statements: ReadonlyArray<Sent>
}

const payload = JSON.stringify({ count: 4, padding: "x".repeat(1_000) })
const output = `{"value":${payload}}`
const startedAt = 1_796_032_567_187

const runIds = Array.from({ length: rows }, (_, index) => RunId.make(`run-${String(index).padStart(4, "0")}`))

/** The commit that ends the fourth step of a chain and starts the fifth. */
const step = (runId: RunId): RunCommit => ({
  runId,
  fence: 1,
  version: 6,
  status: "running",
  reason: null,
  frontier: {
    ended: "f",
    skipped: "",
    nodes: {
      step5: {
        next: 2,
        low: 1,
        from: { value: { "step4.value": [1, 0] } },
        started: [[1, { value: { ref: ["step4.value", 1, 0] } }, startedAt]]
      }
    }
  },
  firings: [
    {
      nodeId: "step4",
      firing: 1,
      status: "completed",
      attempt: 1,
      crashes: 0,
      inputs: { value: { ref: ["step3.value", 1, 0] } },
      emitted: { value: 1 },
      reason: null,
      state: null,
      notBefore: null,
      deadline: null,
      startedAt,
      failure: null
    }
  ],
  started: [],
  messages: [
    {
      nodeId: "step5",
      handle: "value",
      producer: "step4.value",
      firing: 1,
      ordinal: 0,
      content: { _tag: "Live", text: payload, value: null },
      discarded: false
    }
  ],
  // In the variant that marks what was taken.
  discarded: [{ nodeId: "step4", handle: "value", producer: "step3.value", firing: 1, ordinal: 0 }],
  applied: [],
  answered: [],
  steps: [],
  output: null,
  failure: null
})

/** The commit that ends a run. */
const end = (runId: RunId): RunCommit => ({ ...step(runId), status: "completed", output })

/** What a verb would send. */
const sentBy = (writes: Writes): ReadonlyArray<Sent> =>
  writes.map(({ parameters, statement }) => ({ text: statement.text, values: parameters }))

const replaced = (sent: ReadonlyArray<Sent>, from: string | RegExp, to: string): ReadonlyArray<Sent> =>
  sent.map(({ text, values }) => {
    if (text.replace(from, to) === text) throw new Error(`nothing to replace in ${text}`)
    return { text: text.replace(from, to), values }
  })

const messagesAsJson: Sent = {
  text: `
    insert into perdure.run_inbox_messages (
      run_id, node_id, handle, producer, firing, ordinal, payload, tombstone, discarded
    )
    select * from json_to_recordset($1::json) c(
      run_id text, node_id text, handle text, producer text, firing int4, ordinal int4, payload text, tombstone text, discarded bool
    )
    on conflict do nothing`,
  values: [
    JSON.stringify(
      runIds.map((run_id) => ({
        run_id,
        node_id: "step5",
        handle: "value",
        producer: "step4.value",
        firing: 1,
        ordinal: 0,
        payload,
        tombstone: null,
        discarded: false
      }))
    )
  ]
}

const variants = Effect.gen(function* () {
  const states = yield* StateStore
  const inbox = yield* Inbox
  const commits = runIds.map(step)
  const ends = runIds.map(end)
  // The first sets a time-out; the last, of runs that end, is the result.
  const update = sentBy(states.writeAllRuns(commits, 100)).slice(1)
  const [, endUpdate, result] = sentBy(states.writeAllRuns(ends, 100))
  const firings = sentBy(states.writeFirings(commits))
  const messages = sentBy(inbox.append(commits))
  const mark = sentBy(inbox.discard(commits))
  const of = (name: string, all: Readonly<Record<string, ReadonlyArray<Sent>>>): ReadonlyArray<Variant> =>
    Object.entries(all).map(([variant, statements]) => ({ of: name, name: variant, statements }))
  return [
    ...of("run_state", {
      "as it is: HOT": update,
      "without a frontier": replaced(update, "c.frontier::jsonb", "r.frontier"),
      "with another status: not HOT": [endUpdate!],
      "a statement for each row": commits.map((commit) => sentBy(states.writeAllRuns([commit], 100))[1]!)
    }),
    ...of("run_node_state", {
      "as it is": firings,
      "without on conflict": replaced(firings, /\non conflict[\s\S]*$/, ""),
      "inputs and emitted as text": replaced(
        replaced(firings, "c.inputs::jsonb", "'{}'::jsonb"),
        "c.emitted::jsonb",
        "'{}'::jsonb"
      ),
      "two rows: at the start, too": [
        ...replaced(
          replaced(replaced(firings, "c.status,", "'running',"), "c.emitted::jsonb", "null::jsonb"),
          /case when [\s\S]*? end,/,
          "null,"
        ),
        ...firings
      ]
    }),
    ...of("run_inbox_messages", {
      "as it is": messages,
      "without on conflict": replaced(messages, "on conflict do nothing", ""),
      "as JSON instead of arrays": [messagesAsJson],
      "and what was taken is marked": [...messages, ...mark],
      "and what was taken is deleted": [
        ...messages,
        ...replaced(mark, /update (\S+) m set discarded = true\nfrom/, "delete from $1 m using")
      ]
    }),
    ...of("run_values", { "the result, as it is: HOT": [result!] })
  ]
})

/** Runs at their fifth commit, with what their fourth step has taken. */
const fill = async (client: pg.Client): Promise<void> => {
  const worker = "00000000-0000-4000-8000-000000000001"
  await client.query(
    `insert into perdure.run_state (run_id, workflow, workflow_version, status, version, fence, worker, ready, frontier)
     select id, 'chain', 1, 'running', 5, 1, $2::uuid, false, '{"ended":"7","skipped":"","nodes":{}}' from unnest($1::text[]) id`,
    [runIds, worker]
  )
  await client.query("insert into perdure.run_values (run_id, input) select id, $2 from unnest($1::text[]) id", [
    runIds,
    output
  ])
  await client.query(
    `insert into perdure.run_inbox_messages (run_id, node_id, handle, producer, firing, ordinal, payload)
     select id, 'step4', 'value', 'step3.value', 1, 0, $2 from unnest($1::text[]) id`,
    [runIds, payload]
  )
  await client.query("vacuum analyze")
}

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0

const position = "select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as bytes"

/** What a variant came to: microseconds and bytes of WAL of each round. */
interface Figures {
  readonly times: Array<number>
  readonly bytes: Array<number>
}

/**
 * Executes each variant once, in a transaction that is rolled back.
 *
 * **Details** A vacuum takes away what was rolled back, so that the next one finds the pages as they were.
 */
const round = (connection: Connection, variants: ReadonlyArray<Variant>, all: ReadonlyArray<Figures>) =>
  Effect.gen(function* () {
    const execute = (name: string, text: string, values?: ReadonlyArray<unknown>) =>
      connection.execute(values === undefined ? { name, text } : { name, text, values })
    const walBytes = Effect.map(execute("wal", position), ({ rows: [row] }) => Number(row?.["bytes"]))
    for (const [number, { of, statements }] of variants.entries()) {
      yield* execute("vacuum", `vacuum perdure.${of}`)
      yield* execute("begin", "begin")
      const before = yield* walBytes
      const begun = performance.now()
      for (const [index, { text, values }] of statements.entries()) {
        yield* execute(`v${number}.${statements.length === rows ? 0 : index}`, text, values)
      }
      all[number]?.times.push(((performance.now() - begun) * 1_000) / rows)
      all[number]?.bytes.push(((yield* walBytes) - before) / rows)
      yield* execute("rollback", "rollback")
    }
  })

const server = await startServer({ durable: true, settings: { shared_buffers: "128MB", autovacuum: "off" } })
try {
  const pool = Pool.layer({ url: Redacted.make(server.url) })
  const layers = Layer.provideMerge(stores(), pool)
  await Effect.runPromise(Effect.provide(migrate(), layers))
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  await fill(client)
  await client.end()
  const program = Effect.gen(function* () {
    const connection = yield* Effect.flatMap(Pool.PgPool, ({ acquire }) => acquire)
    const all = yield* variants
    const figures = all.map((): Figures => ({ times: [], bytes: [] }))
    for (let number = 0; number < warmUps; number++) yield* round(connection, all, [])
    // In turn, so that a machine that slows down slows them all.
    for (let number = 0; number < rounds; number++) yield* round(connection, all, figures)
    console.log("| table | statement | µs a row | bytes of WAL a row |\n| --- | --- | --- | --- |")
    for (const [number, { name, of }] of all.entries()) {
      const { bytes, times } = figures[number]!
      console.log(`| ${of} | ${name} | ${median(times).toFixed(1)} | ${median(bytes).toFixed(0)} |`)
    }
  })
  await Effect.runPromise(Effect.provide(Effect.scoped(program), layers))
} finally {
  await server.dispose()
}
