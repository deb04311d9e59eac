import { randomUUID } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { obstacleOf, Readiness, layer as readiness } from "../../src/http/Readiness.js"
import * as Perdure from "../../src/layers.js"
import { Operator } from "../../src/Operator.js"
import type { SettingsShape } from "../../src/runtime/Settings.js"
import type { DatabaseStanding } from "../../src/store/Overview.js"
import { Transactor } from "../../src/store/Transactor.js"
import { Workers, type WorkerView } from "../../src/store/Workers.js"
import { freshUrl, incarnation, query } from "../postgres/harness.js"
import { standing } from "./harness.js"

const database: DatabaseStanding = {
  ...{ version: "18", versionNumber: 180_000, fsync: "on", synchronousCommit: "on" },
  ...{ migration: "0002_b", packagedMigration: "0002_b" }
}
const worker: WorkerView = {
  ...{ incarnation: standing.incarnation, workerId: "server", alive: true },
  ...{ startedAt: new Date(0), heartbeatAt: new Date(0) }
}
const other = { ...worker, incarnation: incarnation(2) }

describe("An obstacle", () => {
  it.each([
    ["nothing", standing, database, [worker], undefined],
    [
      "nothing, where a proxy lets no hints through",
      { ...standing, listening: "unheard" },
      database,
      [worker],
      undefined
    ],
    [
      "nothing, where a newer version has migrated",
      standing,
      { ...database, migration: "0003_c" },
      [worker],
      undefined
    ],
    ["no migration", standing, { ...database, migration: "none" }, [worker], "migrations are missing"],
    ["an older migration", standing, { ...database, migration: "0001_a" }, [worker], "migrations are missing"],
    ["no worker", standing, database, [], "the worker is not registered"],
    ["another worker of this name", standing, database, [other], "the worker is not registered"],
    ["a dead worker", standing, database, [{ ...worker, alive: false }, other], "the worker is not registered"],
    ["no listener", { ...standing, listening: "broken" }, database, [worker], "the listener is not connected"],
    ["no sweep", { ...standing, sweptMsAgo: undefined }, database, [worker], "recovery has not been looked for yet"],
    ["an old sweep", { ...standing, sweptMsAgo: 10_001 }, database, [worker], "the sweep hangs or fails"]
  ] as const)("is %s", (_, condition, found, workers, obstacle) => {
    expect(obstacleOf(condition, found, workers)).toBe(obstacle)
  })
})

/** A process with its readiness; all of them go by the same name. */
const open = (url: Redacted.Redacted, settings: Partial<SettingsShape> = {}, directUrl = url) => {
  const engine = Layer.provideMerge(
    Perdure.layerEngine({ pollMs: 50, ...settings }),
    Layer.fresh(Perdure.layerPostgres({ url, directUrl }))
  )
  return Effect.map(
    Layer.build(Layer.provideMerge(readiness, Layer.provideMerge(Perdure.layerOperator, engine))),
    (context) => ({
      obstacle: Context.get(context, Readiness).obstacle,
      operator: Context.get(context, Operator),
      workers: Context.get(context, Workers),
      run: <A, E>(effect: Effect.Effect<A, E, Transactor>) =>
        Effect.provideService(effect, Transactor, Context.get(context, Transactor))
    })
  )
}

type Opened = Effect.Effect.Success<ReturnType<typeof open>>

/** Asks until the answer is this one. */
const until = ({ obstacle }: Opened, expected: string | undefined) =>
  Effect.repeat(obstacle, { until: (answer) => answer === expected })

/** What a diagnosis finds of one thing. */
const check = ({ operator }: Opened, name: string) =>
  Effect.map(operator.diagnose, (findings) => findings.find((finding) => finding.check === name))

const onDatabase = <E>(test: (url: Redacted.Redacted) => Effect.Effect<void, E, Scope.Scope>) =>
  Effect.scoped(Effect.flatMap(freshUrl, test)).pipe(Effect.provide(Logger.minimumLogLevel(LogLevel.None)))

describe("A process on PostgreSQL", () => {
  it.live("is ready, and not any more when it is dead to others, though one of its name lives", () =>
    onDatabase((url) =>
      Effect.gen(function* () {
        // Too seldom a heartbeat to notice it.
        const calm = { leaseMs: 600_000, heartbeatMs: 300_000 }
        const [one, two] = [yield* open(url, calm), yield* open(url, calm)]
        yield* until(one, undefined)
        yield* until(two, undefined)
        const { incarnation } = yield* one.operator.condition
        const leave = one.workers.leave(incarnation)
        yield* one.run(Effect.flatMap(Transactor, ({ transact }) => transact("leave", leave)))
        expect(yield* one.obstacle).toBe("the worker is not registered")
        expect(yield* two.obstacle).toBeUndefined()
      })
    )
  )

  it.live("is not ready, and told so by the doctor, without its session for hints", () =>
    onDatabase((url) =>
      Effect.gen(function* () {
        const role = `listener_${randomUUID().replaceAll("-", "")}`
        const direct = new URL(Redacted.value(url))
        direct.username = role
        direct.password = role
        const owner = yield* open(url)
        yield* owner.run(query(`create role ${role} superuser login password '${role}'`))
        yield* Effect.addFinalizer(() => Effect.orDie(owner.run(query(`drop role ${role}`))))
        yield* Effect.scoped(
          Effect.gen(function* () {
            const one = yield* open(url, {}, Redacted.make(direct.href))
            yield* until(one, undefined)
            expect(yield* check(one, "listener")).toMatchObject({ ok: true })
            yield* owner.run(query(`alter role ${role} nologin`))
            const mine = `usename = '${role}' and application_name = 'perdure wake-ups'`
            yield* owner.run(query(`select pg_terminate_backend(pid) from pg_stat_activity where ${mine}`))
            yield* until(one, "the listener is not connected")
            expect(yield* check(one, "listener")).toMatchObject({ ok: false, remedy: expect.any(String) })
            yield* owner.run(query(`alter role ${role} login`))
            yield* until(one, undefined)
          })
        )
      })
    )
  )

  it.live("is not ready, and told so by the doctor, while its sweeps fail", () =>
    onDatabase((url) =>
      Effect.gen(function* () {
        const one = yield* open(url)
        yield* until(one, undefined)
        expect(yield* check(one, "sweep")).toMatchObject({ ok: true })
        yield* one.run(query("alter table perdure.trigger_inputs rename to gone"))
        yield* until(one, "the sweep hangs or fails")
        expect(yield* check(one, "sweep")).toMatchObject({ ok: false, remedy: expect.any(String) })
        yield* one.run(query("alter table perdure.gone rename to trigger_inputs"))
        yield* until(one, undefined)
      })
    )
  )

  it.live("is not ready without its migrations; the doctor sees those of a newer version, too", () =>
    onDatabase((url) =>
      Effect.gen(function* () {
        const one = yield* open(url)
        yield* until(one, undefined)
        expect(yield* check(one, "migrations")).toMatchObject({ ok: true })
        const record = "insert into perdure.schema_migrations (id, name, checksum) values (9999, '9999_later', '')"
        yield* one.run(query(record))
        expect(yield* one.obstacle).toBeUndefined()
        expect(yield* check(one, "migrations")).toMatchObject({ ok: false, remedy: expect.stringContaining("newer") })
        const last = "id >= (select max(id) from perdure.schema_migrations where id < 9999)"
        yield* one.run(query(`delete from perdure.schema_migrations where ${last}`))
        expect(yield* one.obstacle).toBe("migrations are missing")
        expect(yield* check(one, "migrations")).toMatchObject({ ok: false, remedy: "run perdure migrate" })
      })
    )
  )
})
