import { describe, expect, it } from "@effect/vitest"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Connection, QueryError } from "../../src/postgres/Connection.js"
import { write } from "../../src/postgres/Execution.js"
import * as PgTransactor from "../../src/postgres/PgTransactor.js"
import * as Pool from "../../src/postgres/Pool.js"
import { Transactor, type Write } from "../../src/store/Transactor.js"
import { both, onFreshDatabase, query } from "./harness.js"

// The embedded database is one for all tests.
const table = Effect.zipRight(
  query("drop table if exists public.t"),
  query("create table public.t (x int primary key deferrable initially deferred, y text)")
)
const rows = Effect.map(query("select x, y from public.t order by x"), (found) => found)

const insert = (x: number, y: string | null = null): Write =>
  write({ name: "insert", text: "insert into public.t values ($1, $2)" }, [x, y])
const raise = (code: string): Write => write({ name: `raise${code}`, text: `select public.raise('${code}')` }, [])

const raising = query(`create or replace function public.raise(code text) returns int language plpgsql as
  $$ begin raise exception 'planted' using errcode = code; end $$`)

const atOnce = (...writes: ReadonlyArray<Write>) =>
  Effect.flatMap(Transactor, (transactor) => transactor.writeAtOnce("test", writes))

type OfPool = Context.Tag.Service<Pool.PgPool>

/** A pool that has only connections: no short way of its own. */
const onlyConnections =
  (wrap: (connection: Connection) => Connection) =>
  ({ acquire, preamble }: OfPool): OfPool => ({ acquire: Effect.map(acquire, wrap), preamble })

const transactorOver = (over: (pool: OfPool) => OfPool) =>
  Effect.map(Pool.PgPool, (pool) => Layer.provide(PgTransactor.layer, Layer.succeed(Pool.PgPool, over(pool))))

const onePerRoundTrip = ({ destroy, execute }: Connection): Connection => ({ destroy, execute })

/** The pool's own way, a connection that takes several statements at once, and one that doesn't: to the caller all are the same. */
const ways: Readonly<Record<string, (pool: OfPool) => OfPool>> = {
  "by the pool's own way": (pool) => pool,
  "in one round trip": onlyConnections((connection) => connection),
  "one after the other": onlyConnections(onePerRoundTrip)
}

for (const [how, over] of Object.entries(ways)) {
  describe(`several writes, ${how},`, () => {
    const withTransactor = <A, E>(effect: Effect.Effect<A, E, Transactor>) =>
      Effect.flatMap(transactorOver(over), (transactor) => Effect.provide(effect, transactor))

    both(
      "are all there or none of them",
      Effect.gen(function* () {
        yield* Effect.all([table, raising])
        yield* withTransactor(atOnce(insert(1, "a"), insert(2), insert(3, "")))
        const kept = [
          { x: 1, y: "a" },
          { x: 2, y: null },
          { x: 3, y: "" }
        ]
        expect(yield* rows).toEqual(kept)
        const failing = [
          [raise("23514"), insert(4)],
          [insert(4), raise("23514")],
          [insert(4), raise("23514"), insert(5)]
        ]
        for (const writes of failing) {
          const error = yield* Effect.flip(withTransactor(atOnce(...writes)))
          expect(error).toMatchObject({ outcome: "fatal", sqlState: "23514" })
          expect(error.message).toContain("raise23514")
          expect(yield* rows).toEqual(kept)
        }
        yield* withTransactor(atOnce())
        expect(yield* rows).toEqual(kept)
      })
    )

    both(
      "carry any text and any bytes, whatever went before",
      Effect.gen(function* () {
        yield* table
        const lengths = [0, 1, 340, 341, 342, 1_023, 1_024, 1_025, 21_900, 65_536, 400_000]
        const texts = ["x", "ö", "€", "😀"].flatMap((letter) => lengths.map((length) => letter.repeat(length)))
        const bytes = Buffer.from(Uint8Array.from({ length: 70_000 }, (_, index) => index % 256))
        const insertBytes = write(
          { name: "bytes", text: "insert into public.t values ($1, encode($2::bytea, 'hex'))" },
          [-1, bytes]
        )
        const inserts = texts.map((text, x) => insert(x, text))
        yield* withTransactor(atOnce(insertBytes, ...inserts, insert(texts.length)))
        for (const [index, text] of texts.entries()) yield* withTransactor(atOnce(insert(1_000 + index, text)))
        expect(yield* rows).toEqual([
          { x: -1, y: bytes.toString("hex") },
          ...texts.map((y, x) => ({ x, y })),
          { x: texts.length, y: null },
          ...texts.map((y, x) => ({ x: 1_000 + x, y }))
        ])
      })
    )

    both(
      "go on after a failure on the same session, statements prepared or not",
      Effect.gen(function* () {
        yield* Effect.all([table, raising])
        for (let x = 0; x < 20; x++) {
          // Never prepared before, in front of and behind what fails.
          const fresh = (place: string) =>
            write({ name: `${place}${x % 10}`, text: "insert into public.t values ($1, $2)" }, [x, place])
          yield* Effect.flip(withTransactor(atOnce(fresh("a"), raise("40001"), fresh("b"))))
          yield* withTransactor(atOnce(fresh("b")))
        }
        expect(yield* rows).toHaveLength(20)
      })
    )

    both(
      "refused for now are retryable, also at COMMIT",
      Effect.gen(function* () {
        yield* Effect.all([table, raising])
        for (const code of ["40001", "40P01", "55P03", "53100"]) {
          const error = yield* Effect.flip(withTransactor(atOnce(insert(1), raise(code))))
          expect(error, code).toMatchObject({ outcome: "retryable", sqlState: code })
        }
        // The key is checked at COMMIT.
        const error = yield* Effect.flip(withTransactor(atOnce(insert(1), insert(1))))
        expect(error).toMatchObject({ outcome: "fatal", sqlState: "23505" })
        expect(yield* rows).toEqual([])
      })
    )
  })
}

describe("several writes in one round trip", () => {
  it.live("whose session is terminated are in doubt, and the session is not used again", () =>
    Effect.gen(function* () {
      yield* table
      const terminate = write({ name: "end", text: "select pg_terminate_backend(pg_backend_pid())" }, [])
      const error = yield* Effect.flip(atOnce(insert(1), terminate))
      expect(error).toMatchObject({ outcome: "unknown", sqlState: "57P01" })
      expect(yield* rows).toEqual([])
      yield* atOnce(insert(2))
      expect(yield* rows).toEqual([{ x: 2, y: null }])
    }).pipe(onFreshDatabase({ maxConnections: 1 }))
  )

  it.live("of which one can't be sent are not sent, none of them", () =>
    Effect.gen(function* () {
      yield* table
      const unsendable = write({ name: "insert", text: "insert into public.t values ($1, $2)" }, [2, Symbol("y")])
      const error = yield* Effect.flip(atOnce(insert(1), unsendable))
      expect(error.message).toContain("no parameter of a statement: symbol")
      yield* atOnce(insert(3))
      expect(yield* rows).toEqual([{ x: 3, y: null }])
    }).pipe(onFreshDatabase({ maxConnections: 1 }))
  )

  it.live("that were done but not acknowledged are in doubt", () =>
    Effect.gen(function* () {
      yield* table
      const lost = new QueryError({ sqlState: undefined, reason: "planted", broken: true })
      const transactor = yield* transactorOver(
        onlyConnections((connection) => ({
          ...connection,
          writeAtOnce: (queries) => Effect.zipRight(connection.writeAtOnce!(queries), Effect.fail(lost))
        }))
      )
      const error = yield* Effect.flip(atOnce(insert(1)).pipe(Effect.provide(transactor)))
      expect(error).toMatchObject({ outcome: "unknown", reason: "planted" })
      expect(yield* rows).toHaveLength(1)
    }).pipe(onFreshDatabase({ maxConnections: 1 }))
  )
})
