import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import pg from "pg"
import { type Connection, QueryError } from "../../src/postgres/Connection.js"
import * as PgTransactor from "../../src/postgres/PgTransactor.js"
import * as Pool from "../../src/postgres/Pool.js"
import { Transaction, Transactor } from "../../src/store/Transactor.js"
import { freshUrl, holding, one, onFreshDatabase, query, sql, transact } from "./harness.js"

const table = query("create table public.t (x int primary key)")
const insert = sql("insert into public.t values (1)")
const rows = Effect.map(query("select x from public.t"), (found) => found.length)

const raise = (code: string) => sql(`do $$ begin raise exception 'planted' using errcode = '${code}'; end $$`)

/** A transactor whose connections are wrapped. */
const wrapped = (wrap: (connection: Connection) => Connection) =>
  Effect.map(Pool.PgPool, (pool) =>
    PgTransactor.layer.pipe(
      Layer.provide(Layer.succeed(Pool.PgPool, { acquire: Effect.map(pool.acquire, wrap), preamble: pool.preamble }))
    )
  )

describe("a transaction", () => {
  it.live("commits what was written and gives the value", () =>
    Effect.gen(function* () {
      yield* table
      expect(yield* transact(Effect.as(insert, "value"))).toBe("value")
      expect(yield* rows).toBe(1)
    }).pipe(onFreshDatabase())
  )

  it.live("rolls back when the effect fails or dies, and gives its own error", () =>
    Effect.gen(function* () {
      yield* table
      expect(yield* Effect.flip(transact(Effect.zipRight(insert, Effect.fail("mine"))))).toBe("mine")
      const exit = yield* Effect.exit(transact(Effect.zipRight(insert, Effect.dieMessage("bug"))))
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
      expect(yield* rows).toBe(0)
      expect(
        yield* one(
          "select count(*)::int4 as open from pg_stat_activity where datname = current_database() and state like 'idle in tr%'"
        )
      ).toEqual({
        open: 0
      })
    }).pipe(onFreshDatabase({ maxConnections: 1 }))
  )

  it.live("that the database refuses for now is retryable", () =>
    Effect.gen(function* () {
      for (const code of ["40001", "40P01", "55P03", "57014", "53100", "53300", "58030", "26000", "42P05"]) {
        const error = yield* Effect.flip(transact(raise(code)))
        expect(error, code).toMatchObject({ _tag: "DatabaseError", outcome: "retryable", sqlState: code })
      }
    }).pipe(onFreshDatabase())
  )

  it.live("that the database refuses for good is fatal, with the reason and the statement", () =>
    Effect.gen(function* () {
      yield* table
      const error = yield* Effect.flip(transact(Effect.zipRight(insert, insert)))
      expect(error).toMatchObject({ _tag: "DatabaseError", outcome: "fatal", sqlState: "23505" })
      expect(error.message).toContain("test: insert into")
      expect(yield* rows).toBe(0)
    }).pipe(onFreshDatabase())
  )

  it.live("refused at COMMIT has not happened, and says whether to try again", () =>
    Effect.gen(function* () {
      yield* table
      yield* query(`create function public.refuse() returns trigger language plpgsql as
        $$ begin raise exception 'planted' using errcode = tg_argv[0]; end $$`)
      const refuse = (code: string) =>
        query(`create constraint trigger "${code}" after insert on public.t deferrable initially deferred
          for each row execute function public.refuse('${code}')`)
      yield* refuse("23514")
      expect(yield* Effect.flip(transact(insert))).toMatchObject({ outcome: "fatal", sqlState: "23514" })
      yield* query(`drop trigger "23514" on public.t`)
      yield* refuse("40001")
      expect(yield* Effect.flip(transact(insert))).toMatchObject({ outcome: "retryable", sqlState: "40001" })
      expect(yield* rows).toBe(0)
    }).pipe(onFreshDatabase())
  )

  it.live("in which a failed statement was passed over does not pretend to have committed", () =>
    Effect.gen(function* () {
      yield* table
      const careless = insert.pipe(Effect.zipRight(Effect.ignore(raise("40001"))))
      expect(yield* Effect.flip(transact(careless))).toMatchObject({ outcome: "retryable", sqlState: "40001" })
      expect(yield* rows).toBe(0)
    }).pipe(onFreshDatabase())
  )

  it.live("whose COMMIT was done but not acknowledged is unknown, and its connection is not used again", () =>
    Effect.gen(function* () {
      yield* table
      const { pid } = yield* one("select pg_backend_pid() as pid")
      const lost = new QueryError({ sqlState: undefined, reason: "planted", broken: true })
      const transactor = yield* wrapped((connection) => ({
        ...connection,
        execute: (statement) =>
          statement.name === "commit"
            ? Effect.zipRight(connection.execute(statement), Effect.fail(lost))
            : connection.execute(statement)
      }))
      const error = yield* Effect.flip(transact(insert).pipe(Effect.provide(transactor)))
      expect(error).toMatchObject({ _tag: "DatabaseError", outcome: "unknown", reason: "planted" })
      expect(yield* rows).toBe(1)
      expect((yield* one("select pg_backend_pid() as pid"))["pid"]).not.toBe(pid)
    }).pipe(onFreshDatabase({ maxConnections: 1 }))
  )

  it.live("that went on over a broken connection did not happen, and is not left in doubt", () =>
    Effect.gen(function* () {
      yield* table
      const terminate = Effect.ignore(sql("select pg_terminate_backend(pg_backend_pid())"))
      const error = yield* Effect.flip(transact(Effect.zipRight(insert, terminate)))
      expect(error).toMatchObject({ outcome: "retryable", sqlState: "57P01" })
      expect(yield* rows).toBe(0)
    }).pipe(onFreshDatabase())
  )

  it.live("whose BEGIN fails half way leaves nothing behind", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.PgPool
      const broken = Layer.provide(
        PgTransactor.layer,
        Layer.succeed(Pool.PgPool, { acquire: pool.acquire, preamble: "; set local no_such_setting = 1" })
      )
      expect(yield* query("select 1").pipe(Effect.provide(broken), Effect.flip)).toMatchObject({ sqlState: "42704" })
      expect(yield* one("select 1 as one")).toEqual({ one: 1 })
    }).pipe(onFreshDatabase({ maxConnections: 1 }))
  )

  it.live("whose session is terminated has not happened, and the next one gets another session", () =>
    Effect.gen(function* () {
      yield* table
      const terminate = sql("select pg_terminate_backend(pg_backend_pid())")
      const error = yield* Effect.flip(transact(Effect.zipRight(insert, terminate)))
      expect(error).toMatchObject({ outcome: "retryable", sqlState: "57P01" })
      expect(yield* rows).toBe(0)
    }).pipe(onFreshDatabase({ maxConnections: 1 }))
  )

  it.live("waits no longer for a lock, and for a statement, than it was told", () =>
    Effect.gen(function* () {
      yield* table
      const { transact } = yield* Transactor
      yield* holding("lock table public.t")
      const locked = transact("locked", insert, { lockTimeout: "20 millis" })
      expect(yield* Effect.flip(locked)).toMatchObject({ outcome: "retryable", sqlState: "55P03" })
      const slow = transact("slow", sql("select pg_sleep(30)"), { statementTimeout: "20 millis" })
      expect(yield* Effect.flip(slow)).toMatchObject({ outcome: "retryable", sqlState: "57014" })
      // bounds end with their transaction
      expect(yield* one("select current_setting('statement_timeout') as bound")).toEqual({ bound: "30s" })
    }).pipe(onFreshDatabase())
  )

  it.live("is not cancelled half way", () =>
    Effect.gen(function* () {
      yield* table
      const begun = yield* Deferred.make<void>()
      const work = Deferred.succeed(begun, undefined).pipe(
        Effect.zipRight(sql("select pg_sleep(0.1)")),
        Effect.zipRight(insert)
      )
      const fiber = yield* Effect.fork(transact(work))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      expect(yield* rows).toBe(1)
    }).pipe(onFreshDatabase())
  )

  it.live("can be interrupted while it waits for a connection, and loses none", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.PgPool
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* pool.acquire
          const fiber = yield* Effect.fork(query("select 1"))
          yield* Effect.yieldNow()
          yield* Fiber.interrupt(fiber)
        })
      )
      expect(yield* one("select 1 as one")).toEqual({ one: 1 })
    }).pipe(onFreshDatabase({ maxConnections: 1 }))
  )

  it.live("inside another one is a bug that is told", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(transact(query("select 1")))
      expect(String(exit)).toContain("a transaction was begun inside another one")
    }).pipe(onFreshDatabase())
  )

  it.live("can't be used after its end", () =>
    Effect.gen(function* () {
      const leaked = yield* transact(Transaction)
      const exit = yield* Effect.exit(leaked.run({ name: "late", text: "select 1" }, []))
      expect(String(exit)).toContain("late was run after the end of its transaction")
    }).pipe(onFreshDatabase())
  )

  it.live("to a server that is not there is retryable", () =>
    Effect.gen(function* () {
      const url = Redacted.make("postgres://postgres@127.0.0.1:1/none")
      const error = yield* Effect.flip(query("select 1")).pipe(
        Effect.provide(Layer.provide(PgTransactor.layer, Pool.layer({ url })))
      )
      expect(error).toMatchObject({ _tag: "DatabaseError", outcome: "retryable" })
      expect(error.message).toContain("ECONNREFUSED")
    })
  )
})

describe("a session", () => {
  const settings =
    one(`select current_setting('enable_seqscan') as seqscan, current_setting('plan_cache_mode') as plans,
    current_setting('jit') as jit, current_setting('transaction_isolation') as isolation`)

  it.live("has the engine's settings from its first statement on", () =>
    Effect.gen(function* () {
      expect(yield* settings).toEqual({
        seqscan: "off",
        plans: "force_generic_plan",
        jit: "off",
        isolation: "read committed"
      })
      yield* transact(Effect.flatMap(Transaction, (one) => one.run({ name: "named", text: "select $1::int4" }, [1])))
      expect(yield* query("select name from pg_prepared_statements where name = 'named'")).toEqual([{ name: "named" }])
    }).pipe(onFreshDatabase({ maxConnections: 1 }))
  )

  it.live("behind a pooling proxy gets them with each transaction, and no prepared statements", () =>
    Effect.gen(function* () {
      expect(yield* settings).toMatchObject({ seqscan: "off", plans: "force_generic_plan", jit: "off" })
      const pool = yield* Pool.PgPool
      const outside = Effect.scoped(
        Effect.flatMap(pool.acquire, (connection) =>
          connection.execute({ name: "outside", text: "select current_setting('jit') as jit" })
        )
      )
      expect((yield* outside).rows).toEqual([{ jit: "on" }])
      yield* transact(Effect.flatMap(Transaction, (one) => one.run({ name: "named", text: "select $1::int4" }, [1])))
      expect(yield* query("select name from pg_prepared_statements")).toEqual([])
    }).pipe(onFreshDatabase({ maxConnections: 1, pooled: true }))
  )

  it.live("whose prepared statements are gone is replaced, and from then on does without", () =>
    Effect.gen(function* () {
      const named = transact(Effect.flatMap(Transaction, (one) => one.run({ name: "n", text: "select $1::int4" }, [1])))
      yield* named
      yield* query("deallocate all")
      expect(yield* Effect.flip(named)).toMatchObject({ outcome: "retryable", sqlState: "26000" })
      yield* named
      expect(yield* query("select name from pg_prepared_statements")).toEqual([])
    }).pipe(onFreshDatabase({ maxConnections: 1 }))
  )

  it.live("that breaks while idle, or between two statements, is no crash", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.PgPool
      const pid = Effect.map(query("select pg_backend_pid() as pid"), ([row]) => row?.["pid"])
      const idle = yield* pid
      yield* Effect.scoped(
        Effect.gen(function* () {
          const other = yield* pool.acquire
          const { rows } = yield* other.execute({ name: "pid", text: "select pg_backend_pid() as pid" })
          yield* Effect.retry(query("select pg_terminate_backend($1::int4)", [rows[0]?.["pid"]]), { times: 3 })
          const error = yield* other
            .execute({ name: "x", text: "select 1" })
            .pipe(Effect.repeat({ until: () => false }), Effect.flip)
          expect(error.broken).toBe(true)
          yield* Effect.ignore(query("select pg_terminate_backend($1::int4)", [idle]))
        })
      )
      yield* Effect.retry(pid, { times: 3 })
    }).pipe(onFreshDatabase({ maxConnections: 2 }))
  )

  it.live("that breaks in the moment it is handed out is no crash", () =>
    Effect.gen(function* () {
      const pool = new pg.Pool({ connectionString: Redacted.value(yield* freshUrl), max: 1 })
      yield* Effect.addFinalizer(() => Effect.promise(() => pool.end()))
      const handOut = pool.connect.bind(pool) as (given: Parameters<pg.Pool["connect"]>[0]) => void
      const breaking = Object.assign(pool, {
        connect: (given: Parameters<pg.Pool["connect"]>[0]) =>
          handOut((cause, client, done) => {
            given(cause, client, done)
            client?.emit("error", new Error("terminating connection due to administrator command"))
          })
      })
      const { acquire } = Context.get(yield* Layer.build(Pool.layerFromPool(breaking)), Pool.PgPool)
      yield* Effect.scoped(Effect.flatMap(acquire, (connection) => connection.destroy))
    }).pipe(Effect.scoped)
  )

  it.live("that does not answer in time is given up", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.PgPool
      const error = yield* Effect.scoped(
        Effect.flatMap(pool.acquire, (connection) =>
          Effect.zipLeft(
            Effect.flip(connection.execute({ name: "slow", text: "select pg_sleep(30)", deadlineMs: 50 })),
            connection.destroy
          )
        )
      )
      expect(error).toMatchObject({ broken: true, sqlState: undefined })
      expect(yield* one("select 1 as one")).toEqual({ one: 1 })
    }).pipe(onFreshDatabase({ maxConnections: 1 }))
  )

  it.live("reads rows in its own way, whatever the application does to the driver", () =>
    Effect.gen(function* () {
      expect(
        yield* one(`select 1::int2 as i2, 2::int4 as i4, 3::int8 as i8, 0.5::float8 as f8, true as b, '{"a":1}'::jsonb as j,
          'x' as t, now() is null as n, null as nothing`)
      ).toEqual({ i2: 1, i4: 2, i8: "3", f8: 0.5, b: true, j: { a: 1 }, t: "x", n: false, nothing: null })
    }).pipe(onFreshDatabase())
  )
})
