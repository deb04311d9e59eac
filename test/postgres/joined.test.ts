import * as PgClient from "@effect/sql-pg/PgClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Str from "effect/String"
import type pg from "pg"
import { Inbox } from "../../src/store/Inbox.js"
import { StateStore } from "../../src/store/StateStore.js"
import { Transaction, Transactor, writeAll } from "../../src/store/Transactor.js"
import { TriggerStore } from "../../src/store/TriggerStore.js"
import { delivery, firing, freshUrl, message, onFreshUrl, query, runId, start, transact } from "./harness.js"

/** An application's client that changes every name and reads every type in its own way. */
const application = (url: Parameters<typeof onFreshUrl>[0]) =>
  PgClient.layer({
    url,
    transformQueryNames: Str.camelToSnake,
    transformResultNames: (name) => `theirs_${name}`,
    types: {
      getTypeParser: (oid: number) => (value: string) => (oid === 25 ? value : { parsed: value })
    } as pg.CustomTypesConfig
  })

/** Runs a test with the stores and an application's client on one database. */
const besideApplication = <A, E>(
  test: Effect.Effect<A, E, StateStore | Inbox | TriggerStore | Transactor | PgClient.PgClient>
) =>
  Effect.scoped(
    Effect.flatMap(freshUrl, (url) => test.pipe(Effect.provide(Layer.orDie(application(url))), onFreshUrl(url)))
  )

const joined = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const client = yield* PgClient.PgClient
    const { join } = yield* Transactor
    const service = yield* join(client)
    return yield* Effect.provideService(effect, Transaction, service)
  })

const startJoined = Effect.gen(function* () {
  const states = yield* StateStore
  const inbox = yield* Inbox
  const first = start(
    "a",
    {},
    { firings: [firing("n", 1, { status: "scheduled" })], messages: [message("n", [0, 0], 1)] }
  )
  const outcomes = yield* states.start([first, start("a", { input: "other" }), start("a", { workflowVersion: 2 })])
  yield* writeAll(states.writeFirings([first.first]))
  yield* writeAll(inbox.append([first.first]))
  return outcomes
})

const addresseeJoined = Effect.flatMap(TriggerStore, ({ addressee }) =>
  Effect.all([addressee(runId("a")), addressee(runId("nobody"))])
)

const deliverJoined = Effect.flatMap(TriggerStore, (triggers) =>
  triggers.deliver([delivery("a", "1"), delivery("a", "1"), delivery("nobody", "1")])
)

const withTransaction = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(PgClient.PgClient, (client) => client.withTransaction(effect))

const count = Effect.map(query("select count(*)::int4 as count from perdure.run_state"), ([row]) => row?.["count"])

describe("a transaction of the application's own client", () => {
  it.live("starts a run and delivers to it, whatever the client does to names and types", () =>
    Effect.gen(function* () {
      expect(yield* withTransaction(joined(startJoined))).toEqual([
        { _tag: "Started" },
        { _tag: "Differs", field: "input" },
        { _tag: "Differs", field: "version" }
      ])
      expect(yield* withTransaction(joined(startJoined))).toMatchObject([{ _tag: "Exists", status: "pending" }, {}, {}])
      expect(yield* withTransaction(joined(addresseeJoined))).toEqual([
        { workflow: "order", workflowVersion: 1 },
        undefined
      ])
      expect(yield* withTransaction(joined(deliverJoined))).toEqual([
        { _tag: "Delivered" },
        { _tag: "Duplicate" },
        { _tag: "RunNotFound" }
      ])
      const states = yield* StateStore
      expect(yield* transact(states.get(runId("a")))).toMatchObject({ status: "pending", input: "{}" })
    }).pipe(besideApplication)
  )

  it.live("that is rolled back has started nothing", () =>
    Effect.gen(function* () {
      const rolledBack = withTransaction(Effect.zipRight(joined(startJoined), Effect.fail("no")))
      expect(yield* Effect.flip(rolledBack)).toBe("no")
      expect(yield* count).toBe(0)
    }).pipe(besideApplication)
  )

  it.live("shows nothing to others before its commit", () =>
    Effect.gen(function* () {
      yield* withTransaction(
        Effect.gen(function* () {
          yield* joined(startJoined)
          expect(yield* count).toBe(0)
        })
      )
      expect(yield* count).toBe(1)
    }).pipe(besideApplication)
  )

  it.live("has to be open", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(joined(startJoined))).toMatchObject({
        _tag: "DatabaseError",
        outcome: "fatal",
        sqlState: "25P01"
      })
      expect(yield* count).toBe(0)
    }).pipe(besideApplication)
  )

  it.live("gets the database's refusal as a typed error", () =>
    Effect.gen(function* () {
      const broken = joined(Effect.flatMap(Transaction, ({ run }) => run({ name: "broken", text: "select 1 / 0" }, [])))
      expect(yield* Effect.flip(withTransaction(broken))).toMatchObject({
        _tag: "DatabaseError",
        outcome: "fatal",
        sqlState: "22012"
      })
    }).pipe(besideApplication)
  )
})
