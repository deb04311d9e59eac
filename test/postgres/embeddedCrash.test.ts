import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as EmbeddedDatabase from "../../src/postgres/embedded/EmbeddedDatabase.js"
import { embeddedChild, temporaryFolder } from "./children.js"

const query = (database: EmbeddedDatabase.EmbeddedDatabase, text: string) =>
  Effect.map(
    Effect.promise(() => database.pool.query(text)),
    (result) => result.rows
  )

const openIn = (dataDir: string) => EmbeddedDatabase.open({ dataDir })

/** Waits until a child has come so far that the folder shows it. */
const until = async (holds: () => boolean) => {
  while (!holds()) await delay(2)
}

const rounds = 3

/** A folder in which a first start has been, to be copied: a first start takes seconds. */
const started = { folder: "" }

beforeAll(() => {
  started.folder = mkdtempSync(join(tmpdir(), "perdure-test-"))
  return Effect.runPromise(Effect.scoped(Effect.asVoid(openIn(started.folder))))
})

afterAll(() => rmSync(started.folder, { recursive: true, force: true }))

const startedFolder = Effect.tap(temporaryFolder, (folder) =>
  Effect.sync(() => cpSync(started.folder, folder, { recursive: true }))
)

describe("a database in a folder", () => {
  it.scopedLive(
    "has every acknowledged commit after SIGKILL, again and again",
    () =>
      Effect.gen(function* () {
        const folder = yield* startedFolder
        const acknowledged = new Set<string>()
        for (let round = 1; round <= rounds; round++) {
          const child = yield* embeddedChild("write", folder)
          for (let row = 0; row < round * 60; row++) acknowledged.add(yield* Effect.promise(child.line))
          yield* Effect.promise(child.kill)
          for (const id of child.rest()) acknowledged.add(id)
          yield* Effect.scoped(
            Effect.gen(function* () {
              const database = yield* openIn(folder)
              const kept = yield* query(database, "select id from kept")
              const ids = new Set(kept.map((row) => row.id))
              expect([...acknowledged].filter((id) => !ids.has(id))).toEqual([])
              const pairs = "select id from kept_pairs group by id having count(*) = 2"
              const whole = new Set((yield* query(database, pairs)).map((row) => row.id))
              expect([...acknowledged].filter((id) => !whole.has(id))).toEqual([])
              const halves = yield* query(database, "select id from kept_pairs group by id having count(*) <> 2")
              expect(halves).toEqual([])
            })
          )
        }
        expect(acknowledged.size).toBeGreaterThanOrEqual((60 * rounds * (rounds + 1)) / 2)
      }),
    120_000
  )

  it.scopedLive(
    "opens after a first start that was killed at any stage (A6)",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const unfinished = () => readdirSync(folder).find((name) => name.startsWith("database.new-"))
        const has = (file: string) => existsSync(join(folder, unfinished() ?? "", file))
        const stages: ReadonlyArray<() => boolean> = [
          () => existsSync(join(folder, "lock")),
          () => unfinished() !== undefined,
          // It may be through already.
          () => has("PG_VERSION") || existsSync(join(folder, "database", "PG_VERSION")),
          () => existsSync(join(folder, "database", "PG_VERSION"))
        ]
        for (const reached of stages) {
          const child = yield* embeddedChild("hold", folder)
          yield* Effect.promise(() => until(reached))
          yield* Effect.promise(child.kill)
        }
        const database = yield* openIn(folder)
        expect(yield* query(database, "select 1 as one")).toEqual([{ one: 1 }])
        expect(readdirSync(folder).sort()).toEqual(["database", "lock"])
      }),
    120_000
  )

  it.scopedLive("is refused to a second process while the first lives, and given after its death (B11)", () =>
    Effect.gen(function* () {
      const folder = yield* startedFolder
      const child = yield* embeddedChild("hold", folder)
      expect(yield* Effect.promise(child.line)).toBe("open")
      const refused = yield* Effect.flip(Effect.scoped(openIn(folder)))
      expect(refused).toMatchObject({ _tag: "DataDirLocked", dataDir: folder, pid: child.process.pid })
      yield* Effect.promise(child.kill)
      const database = yield* openIn(folder)
      expect(yield* query(database, "select 1 as one")).toEqual([{ one: 1 }])
    })
  )

  it.scopedLive("is refused to a second opening in the same process, and given after the first has closed", () =>
    Effect.gen(function* () {
      const folder = yield* startedFolder
      yield* Effect.scoped(
        Effect.gen(function* () {
          const database = yield* openIn(folder)
          yield* query(database, "create table t (id int); insert into t values (1)")
          const refused = yield* Effect.flip(Effect.scoped(openIn(folder)))
          expect(refused).toMatchObject({ _tag: "DataDirLocked", pid: process.pid })
        })
      )
      const again = yield* openIn(folder)
      expect(yield* query(again, "select id from t")).toEqual([{ id: 1 }])
    })
  )

  it.scopedLive("closes with a transaction still open, and rolls it back", () =>
    Effect.gen(function* () {
      const folder = yield* startedFolder
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { pool } = yield* openIn(folder)
          yield* Effect.promise(() => pool.query("create table t (id int)"))
          const client = yield* Effect.promise(() => pool.connect())
          client.on("error", () => undefined)
          yield* Effect.promise(() => client.query("begin; insert into t values (1)"))
        })
      )
      const again = yield* openIn(folder)
      expect(yield* query(again, "select id from t")).toEqual([])
    })
  )

  it.scopedLive("makes checkpoints by itself, so that its log stays short", () =>
    Effect.gen(function* () {
      const dataDir = yield* startedFolder
      const database = yield* EmbeddedDatabase.open({ dataDir, upkeep: { every: "10 millis", walBytes: 1_000 } })
      const redo = "select (pg_control_checkpoint()).redo_lsn as at"
      const [before] = yield* query(database, redo)
      yield* query(database, "create table t (id int); insert into t select generate_series(1, 1000)")
      // it ends when upkeep has done its work, and with the time-out of the test when there is none
      yield* Effect.repeat(query(database, redo), { until: ([now]) => now.at !== before.at })
    })
  )

  it.scopedLive("says why it can't be used", () =>
    Effect.gen(function* () {
      const folder = yield* startedFolder
      const reasonIn = (dataDir: string) =>
        Effect.map(Effect.flip(Effect.scoped(openIn(dataDir))), (error) => {
          expect(error).toMatchObject({ _tag: "DataDirUnusable", dataDir })
          return error.message
        })
      const file = join(folder, "file")
      writeFileSync(file, "")
      expect(yield* reasonIn(file)).toMatch(/EEXIST|ENOTDIR/)
      writeFileSync(join(folder, "database", "PG_VERSION"), "17\n")
      expect(yield* reasonIn(folder)).toMatch(/initialized by PostgreSQL version 17/)
      writeFileSync(join(folder, "database", "PG_VERSION"), "18\n")
      rmSync(join(folder, "database", "global", "pg_control"))
      expect(yield* reasonIn(folder)).toMatch(/could not open file "global\/pg_control"/)
    })
  )
})

it.scopedLive("time-outs do nothing: a session they would end goes on", () =>
  Effect.gen(function* () {
    // in a process of its own: an engine that a time-out has ended never returns
    const child = yield* embeddedChild("timeOut", yield* startedFolder)
    expect(yield* Effect.promise(child.line)).toBe("20ms")
    expect(yield* Effect.promise(() => child.ended)).toBe(0)
  })
)
