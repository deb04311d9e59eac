// What a test does in a process that it may kill. Usage: embeddedChild.ts <what> <folder>
import { once } from "node:events"
import { closeSync, openSync, readdirSync, renameSync, unlinkSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as EmbeddedDatabase from "../../src/postgres/embedded/EmbeddedDatabase.js"
import * as FolderLock from "../../src/postgres/embedded/FolderLock.js"

const [what, folder = ""] = process.argv.slice(2)

const say = (line: string) => process.stdout.write(`${line}\n`)

const run = (pool: EmbeddedDatabase.EmbeddedDatabase["pool"], text: string, values?: Array<unknown>) =>
  Effect.promise(() => pool.query(text, values))

/** Commits rows for ever, and says each one that was acknowledged. */
const write = Effect.gen(function* () {
  const { pool } = yield* EmbeddedDatabase.open({ dataDir: folder })
  yield* run(pool, "create table if not exists kept (id bigserial primary key, filler text)")
  yield* run(pool, "create table if not exists kept_pairs (id bigint, half int)")
  for (;;) {
    const { rows } = yield* run(pool, "insert into kept (filler) values ($1) returning id", ["x".repeat(500)])
    // a transaction of two rows: both or none
    yield* run(pool, "begin")
    yield* run(pool, "insert into kept_pairs values ($1, 1)", [rows[0].id])
    yield* run(pool, "insert into kept_pairs values ($1, 2)", [rows[0].id])
    yield* run(pool, "commit")
    say(rows[0].id)
  }
})

/** Opens the database and keeps it until the input ends. */
const hold = Effect.gen(function* () {
  yield* EmbeddedDatabase.open({ dataDir: folder })
  say("open")
  yield* Effect.promise(() => once(process.stdin.resume(), "end"))
})

/** Lets time-outs pass that end a session on a server. */
const timeOut = Effect.gen(function* () {
  const { pool } = yield* EmbeddedDatabase.open({ dataDir: folder })
  for (const setting of ["idle_in_transaction_session_timeout", "idle_session_timeout", "transaction_timeout"]) {
    yield* run(pool, `set ${setting} = 20`)
  }
  yield* run(pool, "set statement_timeout = 20; set lock_timeout = 20")
  yield* run(pool, "begin")
  yield* run(pool, "select pg_sleep(0.1)")
  yield* Effect.sleep("100 millis")
  yield* run(pool, "select count(*) from generate_series(1, 100000)")
  yield* run(pool, "commit")
  yield* Effect.sleep("100 millis")
  const { rows } = yield* run(pool, "select current_setting('statement_timeout') as shown")
  say(rows[0].shown)
})

/** Goes in and out of a lock, dying in it now and then as far as others can tell, and counts who else was inside. */
const contend = Effect.gen(function* () {
  let violations = 0
  let turns = 0
  const inside = join(folder, "inside")
  const turn = Effect.scoped(
    Effect.gen(function* () {
      yield* FolderLock.acquire(folder)
      turns++
      try {
        closeSync(openSync(inside, "wx"))
        unlinkSync(inside)
      } catch {
        violations++
      }
      if (turns % 3 === 0) {
        const [owner] = readdirSync(join(folder, "lock"))
        // the name of a process that never was: pids end below this one
        renameSync(join(folder, "lock", owner!), join(folder, "lock", `99999999---${turns}${process.pid}`))
      }
    })
  )
  say("ready")
  yield* Effect.promise(() => once(process.stdin.resume(), "data"))
  let refused = 0
  while (turns < 100) {
    yield* Effect.catchTag(turn, "DataDirLocked", () =>
      Effect.sync(() => {
        refused++
      })
    )
  }
  say(JSON.stringify({ turns, violations, refused }))
})

const programs = new Map<string | undefined, Effect.Effect<void, unknown, Scope.Scope>>([
  ["write", write],
  ["hold", hold],
  ["timeOut", timeOut],
  ["contend", contend]
])

await Effect.runPromise(Effect.scoped(programs.get(what) ?? Effect.die(`unknown: ${what}`)))
process.stdin.destroy()
