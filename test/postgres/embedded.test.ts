import * as Reactivity from "@effect/experimental/Reactivity"
import * as PgClient from "@effect/sql-pg/PgClient"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import pg from "pg"
import * as EmbeddedDatabase from "../../src/postgres/embedded/EmbeddedDatabase.js"
import { emptyTables } from "../../src/postgres/embedded/emptyTables.js"
import * as Upkeep from "../../src/postgres/embedded/Upkeep.js"

const scope = Effect.runSync(Scope.make())
let database: EmbeddedDatabase.EmbeddedDatabase

const openIn = (within: Scope.Scope, from?: EmbeddedDatabase.Snapshot) =>
  Effect.runPromise(
    EmbeddedDatabase.open({ dataDir: undefined, ...(from === undefined ? {} : { from }) }).pipe(
      Effect.provideService(Scope.Scope, within)
    )
  )

/** As somebody's shell may have it. */
const misleading = { PGHOST: "nowhere.invalid", PGSSLMODE: "require", PGUSER: "nobody", PGOPTIONS: "-c work_mem=1GB" }

beforeAll(async () => {
  Object.assign(process.env, misleading)
  database = await openIn(scope)
})

afterAll(async () => {
  for (const name of Object.keys(misleading)) delete process.env[name]
  await Effect.runPromise(Scope.close(scope, Exit.void))
})

/** A database of a test's own, with what the shared one holds. */
const copy = async () => {
  const own = Effect.runSync(Scope.make())
  const opened = await openIn(own, await Effect.runPromise(database.snapshot))
  return { ...opened, close: () => Effect.runPromise(Scope.close(own, Exit.void)) }
}

const rows = async (text: string, values?: Array<unknown>) => (await database.pool.query(text, values)).rows

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: unknown) => (error instanceof Error && "code" in error ? error.code : error)
  )

/** The one client, which then belongs to the test. */
const checkedOut = async () => {
  const client = await database.pool.connect()
  client.on("error", () => undefined)
  return client
}

describe("the embedded database", () => {
  it("runs statements of every form, whatever the environment says of servers", async () => {
    expect(await rows("select 1 as one")).toEqual([{ one: 1 }])
    expect(await rows("select $1::int + $2::int as sum, $3::text as nothing", [1, 2, null])).toEqual([
      { sum: 3, nothing: null }
    ])
    for (const value of [1, 2, 3]) {
      const { rows: found } = await database.pool.query({ name: "named", text: "select $1::int as v", values: [value] })
      expect(found).toEqual([{ v: value }])
    }
    const several = await database.pool.query("select 1 as a; select 2 as b")
    expect(several).toMatchObject([{ rows: [{ a: 1 }] }, { rows: [{ b: 2 }] }])
    expect(await rows("")).toEqual([])
  })

  it("carries bytes, text of every plane, arrays and JSON", async () => {
    const bytes = Buffer.from([0, 1, 255, 0])
    const text = "é\u{1f600}\u0001'\\\n"
    const [row] = await rows("select $1::bytea as bytes, $2::text as text, $3::int[] as list, $4::jsonb as json", [
      bytes,
      text,
      [1, 2],
      JSON.stringify({ a: [text] })
    ])
    expect(row).toEqual({ bytes, text, list: [1, 2], json: { a: [text] } })
  })

  it("carries 20 MB there and back", async () => {
    const large = "é".repeat(10_000_000)
    const [row] = await rows("select $1::text as large", [large])
    expect(row.large === large).toBe(true)
    const many = await rows("select g as id, repeat('x', 100) as filler from generate_series(1, 100000) g")
    expect(many).toHaveLength(100_000)
  })

  it("answers with PostgreSQL's errors, and goes on", async () => {
    expect(await codeOf(rows("selec"))).toBe("42601")
    expect(await codeOf(rows("select 1 / $1::int", [0]))).toBe("22012")
    expect(await codeOf(rows("select * from nowhere where id = $1", [1]))).toBe("42P01")
    expect(await rows("select 1 as one")).toEqual([{ one: 1 }])
  })

  it("knows the state of a transaction", async () => {
    const client = await checkedOut()
    await client.query("create temp table t (id int)")
    await client.query("begin")
    await client.query("insert into t values (1)")
    expect(client.getTransactionStatus()).toBe("T")
    expect(await codeOf(client.query("select 1 / 0"))).toBe("22012")
    expect(client.getTransactionStatus()).toBe("E")
    expect(await codeOf(client.query("select $1::int", [1]))).toBe("25P02")
    expect((await client.query("commit")).command).toBe("ROLLBACK")
    expect(client.getTransactionStatus()).toBe("I")
    expect((await client.query("select from t")).rowCount).toBe(0)
    client.release()
  })

  it("serves the SQL client of Effect: transactions that nest, and streams read in pages", async () => {
    const program = Effect.gen(function* () {
      const sql = yield* PgClient.fromPool({ acquire: Effect.succeed(database.pool) })
      yield* sql`create table streamed (id int)`
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`insert into streamed select generate_series(1, 300)`
          yield* Effect.ignore(sql.withTransaction(Effect.zipRight(sql`delete from streamed`, Effect.fail("no"))))
        })
      )
      return yield* Stream.runCollect(sql`select id from streamed where id > ${0} order by id`.stream)
    })
    const streamed = await Effect.runPromise(Effect.scoped(Effect.provide(program, Reactivity.layer)))
    expect(Array.from(streamed)).toEqual(Array.from({ length: 300 }, (_, index) => ({ id: index + 1 })))
  })

  it("answers pipelined statements in order, errors among them", async () => {
    const { pool, close } = await copy()
    const client = new pg.Client({ ...pool.options, pipeline: true })
    await client.connect()
    const answers = await Promise.all([
      client.query("select $1::int as n", [1]).then(({ rows: [row] }) => row.n),
      codeOf(client.query("select 1 / $1::int", [0])),
      client.query({ name: "same", text: "select $1::int as n", values: [2] }).then(({ rows: [row] }) => row.n),
      codeOf(client.query("selec")),
      client.query({ name: "same", text: "select $1::int as n", values: [3] }).then(({ rows: [row] }) => row.n),
      client.query("select 4 as n").then(({ rows: [row] }) => row.n)
    ])
    expect(answers).toEqual([1, "22012", 2, "42601", 3, 4])
    await client.end()
    await close()
  })

  it("lets timers and sockets have their turn between statements", async () => {
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    for (let i = 0; i < 500; i++) await rows("select pg_sleep(0.0005)")
    clearInterval(timer)
    expect(turns).toBeGreaterThan(50)
  })
})

describe("a new client of the embedded database", () => {
  it("finds a clean session after one that was destroyed in a transaction", async () => {
    await rows("create table if not exists kept (id int)")
    const client = await checkedOut()
    await client.query("set application_name = 'left'; create temp table mine (id int); listen somewhere")
    await client.query({ name: "left", text: "select 1" })
    await client.query("select pg_advisory_lock(7)")
    await client.query("begin; insert into kept values (1)")
    client.release(true)
    expect(await rows("select id from kept")).toEqual([])
    expect(
      await rows(`select current_setting('application_name') as name, to_regclass('mine') as mine,
        (select count(*)::int from pg_prepared_statements where name <> '') as statements,
        (select count(*)::int from pg_locks where locktype = 'advisory') as locks,
        (select count(*)::int from pg_listening_channels()) as channels`)
    ).toEqual([{ name: "", mine: null, statements: 0, locks: 0, channels: 0 }])
  })

  it("finds a clean session after one that was destroyed in the middle of a statement", async () => {
    for (const text of ["select pg_sleep(0.02)", "insert into kept select 1", "selec", "begin"]) {
      const client = await checkedOut()
      const under = codeOf(client.query(text))
      client.release(true)
      await under
      expect(await rows("select 1 as one")).toEqual([{ one: 1 }])
      const next = await checkedOut()
      expect(next.getTransactionStatus()).toBe("I")
      next.release()
    }
  })

  it("finds a clean session after one that left half a sequence of messages", async () => {
    const client = await checkedOut()
    const { connection } = client as unknown as { connection: pg.Connection & { _send: (bytes: Buffer) => void } }
    // an error after which everything up to a Sync is ignored, and no Sync; then half a message
    connection.parse({ name: "", text: "selec", types: [] }, true)
    connection._send(Buffer.from([0x51, 0, 0]))
    client.release(true)
    expect(await rows("select 1 as one")).toEqual([{ one: 1 }])
  })

  it("waits for the one before", async () => {
    const { pool, close } = await copy()
    const first = await pool.connect()
    const second = new pg.Client(pool.options)
    let connected = false
    const connecting = second.connect().then(() => {
      connected = true
    })
    await first.query("select pg_sleep(0.05)")
    expect(connected).toBe(false)
    first.release(true)
    await connecting
    expect((await second.query("select 1 as one")).rows).toEqual([{ one: 1 }])
    await second.end()
    await close()
  })
})

describe("the embedded engine", () => {
  it("survives an expression nested too deep, and a COPY without data", async () => {
    const recurse = "create function recurse(n int) returns int language plpgsql as 'begin return recurse(n + 1); end'"
    await rows(recurse)
    expect(await codeOf(rows("select recurse(1)"))).toBe("54001")
    expect(await codeOf(rows(`select '${"[".repeat(4_000)}${"]".repeat(4_000)}'::jsonb`))).toBe("54001")
    expect(await codeOf(rows("copy kept from stdin"))).toBe("57014")
    expect(await rows("select 1 as one")).toEqual([{ one: 1 }])
  })

  it("is never spoken to again when it has failed, and says so", async () => {
    const { pool, failure, close } = await copy()
    const failed = Effect.runPromise(failure)
    // prepared, it gets past the gate, waits for data, and ends the engine
    const fatal = pool.query({ name: "fatal", text: "copy kept from stdin" })
    await expect(fatal).rejects.toThrow("the embedded database has failed")
    expect((await failed).message).toMatch("the embedded database has failed")
    await expect(pool.query("select 1")).rejects.toThrow("the embedded database has failed")
    await close()
  })
})

describe("a fresh embedded database", () => {
  it("opens from a snapshot, apart from the one it was taken of", async () => {
    await rows("create table if not exists snapped (id int); delete from snapped; insert into snapped values (1)")
    const { pool, close } = await copy()
    await rows("insert into snapped values (2)")
    expect((await pool.query("select id from snapped")).rows).toEqual([{ id: 1 }])
    await close()
  })

  it("is had by emptying the tables of a schema", async () => {
    await rows(`
      create schema shop;
      create table shop.parents (id bigserial primary key);
      create table shop.children (id int primary key, parent bigint not null references shop.parents);
      create table shop.applied (id int);
      insert into shop.applied values (1)`)
    const fill = (count: number) =>
      rows(`with p as (insert into shop.parents select from generate_series(1, ${count}) returning id)
        insert into shop.children select id, id from p`)
    for (const count of [3, 20_000, 3]) {
      await fill(count)
      await Effect.runPromise(emptyTables(database.pool, { schema: "shop", except: ["applied"] }))
      expect(
        await rows(`select (select count(*)::int from shop.parents) as parents,
          (select count(*)::int from shop.children) as children, (select count(*)::int from shop.applied) as applied`)
      ).toEqual([{ parents: 0, children: 0, applied: 1 }])
    }
    expect(await rows("insert into shop.parents default values returning id")).toEqual([{ id: "1" }])
  })
})

describe("upkeep", () => {
  const redo = async () => (await rows("select (pg_control_checkpoint()).redo_lsn as at"))[0].at
  const dead = async () =>
    (await rows("select n_dead_tup::int as dead from pg_stat_user_tables where relname = 'worn'"))[0].dead

  it("makes a checkpoint and vacuums when there is enough of it, and not before", async () => {
    await rows("create table worn (id int)")
    await rows("insert into worn select generate_series(1, 500)")
    await rows("delete from worn")
    await rows("select pg_stat_force_next_flush()")
    const before = await redo()
    expect(await dead()).toBe(500)
    await Effect.runPromise(Upkeep.once(database.pool, { ...Upkeep.defaultUpkeep, walBytes: 1 << 30 }))
    expect([await redo(), await dead()]).toEqual([before, 500])
    await Effect.runPromise(Upkeep.once(database.pool, { every: "1 second", walBytes: 1_000, deadRows: 100 }))
    expect(await redo()).not.toBe(before)
    expect(await dead()).toBe(0)
  })
})
