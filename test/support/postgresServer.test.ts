import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import pg from "pg"
import { inject } from "vitest"
import { isAlive } from "../../src/store/ProcessIdentity.js"
import { freshDatabase } from "./database.js"
import { server } from "./postgresServer.js"
import { databaseOn } from "./serverDatabase.js"

const ask = (url: string, text: string) =>
  Effect.promise(async () => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const { rows } = await client.query(text)
    await client.end()
    return rows
  })

/** What another process does to the outside is seen by looking; this bounds how long. */
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await delay(20)
}

const isRunning = (pid: number) => isAlive({ pid, boot: "", start: "" })

describe("a test server", () => {
  it.scopedLive("keeps what was committed over a crash, at the same address", () =>
    Effect.gen(function* () {
      const { url, restart, pid } = yield* server()
      const before = pid()
      yield* ask(url, "create table kept (id int); insert into kept values (1)")
      yield* Effect.promise(() => restart("immediate"))
      expect(yield* ask(url, "select id from kept")).toEqual([{ id: 1 }])
      expect(pid()).not.toBe(before)
    })
  )

  it.scopedLive("flushes to disk only when told to be durable", () =>
    Effect.gen(function* () {
      const fsync = "select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit"
      const { url } = yield* server({ durable: true })
      expect(yield* ask(url, fsync)).toEqual([{ fsync: "on", commit: "on" }])
      expect(yield* ask(inject("postgresUrl"), fsync)).toEqual([{ fsync: "off", commit: "on" }])
    })
  )

  it("ends with the process that started it, and leaves no folder", async () => {
    const script = fileURLToPath(new URL("serverChild.ts", import.meta.url))
    const child = spawn(process.execPath, ["--import", "tsx", script], { stdio: ["ignore", "pipe", "inherit"] })
    const [line] = await once(createInterface(child.stdout), "line")
    const { pid, home } = JSON.parse(String(line))
    expect(isRunning(pid)).toBe(true)
    expect(existsSync(home)).toBe(true)
    child.kill("SIGKILL")
    await until(() => !isRunning(pid) && !existsSync(home))
  })
})

describe("a fresh database", () => {
  it.scopedLive("has the present schema, and is gone afterwards", () =>
    Effect.gen(function* () {
      const tables = "select count(*)::int as tables from pg_tables where schemaname = 'perdure'"
      const { name, pool } = yield* Effect.scoped(
        Effect.tap(freshDatabase(), ({ url }) =>
          Effect.map(ask(url, tables), ([row]) => expect(row.tables).toBeGreaterThan(5))
        )
      )
      const found = `select from pg_database where datname = '${name}'`
      expect(yield* ask(inject("postgresUrl"), found)).toEqual([])
      expect(pool.ended).toBe(true)
    })
  )

  it.scopedLive("is made from a template that concurrent callers make once", () =>
    Effect.gen(function* () {
      const { url } = yield* server()
      let prepared = 0
      const template = {
        key: Effect.succeed("counted"),
        prepare: (database: Redacted.Redacted) => {
          prepared++
          return Effect.asVoid(ask(Redacted.value(database), "create table t (id int); insert into t values (7)"))
        }
      }
      const all = yield* Effect.all(
        Array.from({ length: 6 }, () => databaseOn(url, template)),
        { concurrency: "unbounded" }
      )
      expect(prepared).toBe(1)
      expect(new Set(all.map(({ name }) => name)).size).toBe(6)
      for (const one of all) expect(yield* ask(one.url, "select id from t")).toEqual([{ id: 7 }])
    })
  )

  it.scopedLive("is made anew when a template was left half made", () =>
    Effect.gen(function* () {
      const { url } = yield* server()
      let attempts = 0
      const template = {
        key: Effect.succeed("breaks"),
        prepare: (database: Redacted.Redacted) => {
          attempts++
          const half = ask(Redacted.value(database), "create table half (id int)")
          return attempts === 1 ? Effect.zipRight(half, Effect.dieMessage("killed")) : Effect.asVoid(half)
        }
      }
      expect((yield* Effect.exit(databaseOn(url, template)))._tag).toBe("Failure")
      const { pool } = yield* databaseOn(url, template)
      expect((yield* Effect.promise(() => pool.query("select from half"))).rowCount).toBe(0)
    })
  )
})
