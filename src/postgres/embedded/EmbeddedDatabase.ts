import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import pg from "pg"
import * as Engine from "./Engine.js"
import * as FolderLock from "./FolderLock.js"
import { DataDirUnusable } from "./FolderLock.js"
import { type EmbeddedDatabaseStopped, SessionGate } from "./SessionGate.js"
import { SessionSocket } from "./SessionSocket.js"
import * as Upkeep from "./Upkeep.js"

/** All of a database, to open others in memory from. */
export interface Snapshot {
  readonly files: Blob
}

/** A PostgreSQL inside this process, which everything else reaches through an ordinary pool. */
export interface EmbeddedDatabase {
  /** It has exactly one connection. */
  readonly pool: pg.Pool
  /** The absolute path of its folder; undefined for a database in memory. */
  readonly dataDir: string | undefined
  /** Copies a database in memory. A transaction that is open meanwhile is not in the copy. */
  readonly snapshot: Effect.Effect<Snapshot>
  /** Comes when the engine has failed and nothing but a new start helps; what was committed is safe. */
  readonly failure: Effect.Effect<EmbeddedDatabaseStopped>
}

/** How a database is opened. */
export interface OpenOptions {
  /** The folder to keep it in, made when it is missing; undefined for a database in memory. */
  readonly dataDir: string | undefined
  /** What a database in memory starts from: five to ten times quicker than an empty one. */
  readonly from?: Snapshot
  /** Overrides of when the engine cleans up after itself. */
  readonly upkeep?: Partial<Upkeep.UpkeepLimits>
}

const closePatienceMs = 2_000

/** Work in progress of a first start; `folder` is the finished one. */
const names = { folder: "database", unfinished: "database.new-" } as const

const unusable =
  (dataDir: string) =>
  (cause: unknown): DataDirUnusable =>
    new DataDirUnusable({ dataDir, reason: cause instanceof Error ? cause.message : String(cause) })

/**
 * Makes the database of a folder that has none.
 *
 * **Details** It is made under another name and then renamed, so a death in the middle leaves rubbish, which the next start
 * removes. The caller holds the lock of the folder.
 */
const initialise = async (dataDir: string): Promise<string> => {
  const path = join(dataDir, names.folder)
  for (const name of readdirSync(dataDir)) {
    if (name.startsWith(names.unfinished)) rmSync(join(dataDir, name), { recursive: true, force: true })
  }
  if (existsSync(path)) return path
  const unfinished = join(dataDir, names.unfinished + randomBytes(4).toString("hex"))
  const engine = await Engine.start({ kind: "folder", path: unfinished })
  await engine.close()
  renameSync(unfinished, path)
  return path
}

/** Locks a folder and starts an engine in it. */
const startInFolder = (
  dataDir: string
): Effect.Effect<Engine.Engine, FolderLock.DataDirLocked | DataDirUnusable, Scope.Scope> =>
  Effect.gen(function* () {
    const attempt = <A>(step: () => A | Promise<A>) =>
      Effect.tryPromise({ try: async () => step(), catch: unusable(dataDir) })
    yield* attempt(() => mkdirSync(dataDir, { recursive: true, mode: 0o700 }))
    yield* FolderLock.acquire(dataDir)
    // an engine half started can't be stopped, and must not go on writing without the lock
    return yield* Effect.uninterruptible(
      attempt(async () => Engine.start({ kind: "folder", path: await initialise(dataDir) }))
    )
  })

const startInMemory = (from: Snapshot | undefined): Effect.Effect<Engine.Engine> =>
  Effect.promise(() => Engine.start({ kind: "memory", dump: from?.files }))

/** Nothing of the environment (`PGHOST`, `PGSSLMODE` …) has a say in it. */
const poolOver = (gate: SessionGate): pg.Pool => {
  const pool = new pg.Pool({
    stream: () => new SessionSocket(gate),
    host: "embedded",
    port: 5432,
    user: "postgres",
    database: "postgres",
    password: "",
    ssl: false,
    max: 1,
    idleTimeoutMillis: 0
  })
  // an idle connection breaks only when the engine has failed or was closed, and `failure` tells
  pool.on("error", () => undefined)
  return pool
}

/** Ends the pool; clients that are still out are given a moment, in real time, then the gate cuts them off. */
const end = (pool: pg.Pool): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const done = () => resume(Effect.void)
    const timer = setTimeout(done, closePatienceMs)
    pool.end(() => {
      clearTimeout(timer)
      done()
    })
  })

/**
 * Opens a database inside this process: PGlite, PostgreSQL compiled to WebAssembly.
 *
 * **When to use** Where nothing may need installing: one process, no other program. Statements run on the event loop, one
 * at a time; there are no parallel sessions, so nobody ever waits for a lock.
 *
 * **Details**
 * - *What survives*: the end of the process at any time, SIGKILL included, with every commit that was acknowledged. Not a
 *   loss of power or a crash of the operating system: nothing is flushed to the disk (there is no fsync), so these may lose
 *   commits or damage the folder. Use a PostgreSQL server where that matters.
 * - *One process*: the folder is locked until the scope closes, see {@link FolderLock.acquire}.
 * - *Time-outs*: `statement_timeout`, `lock_timeout`, `idle_in_transaction_session_timeout` and the like can be set and
 *   shown, and do nothing, nor does `pg_cancel_backend`: a statement blocks the event loop until it is done, and what
 *   should bound an idle transaction must be a timer of the caller that destroys the client.
 * - *One session*: a second client, also one that would `listen`, waits 10 s for the first and is refused then.
 * - *A client that goes away*, destroyed in the middle of whatever, is rolled back, and the next one finds a clean session.
 * - *Upkeep*: the engine has no background processes; see {@link Upkeep.forever}, which a folder gets.
 * - *Times*, on two slow cores: 5 s for the first start in a folder, 0.4 s for later ones; 1.5 s in memory, 0.2 to 0.5 s
 *   from a snapshot, and {@link emptyTables} in milliseconds.
 *
 * **Errors** `DataDirLocked` when a live process has the folder, `DataDirUnusable` when it can't be read, written or
 * understood. A database in memory has no expected error.
 *
 * **Example**
 * ```ts
 * const { pool } = yield* EmbeddedDatabase.open({ dataDir: ".perdure" })
 * ```
 */
export const open = (
  options: OpenOptions
): Effect.Effect<EmbeddedDatabase, FolderLock.DataDirLocked | DataDirUnusable, Scope.Scope> =>
  Effect.gen(function* () {
    const dataDir = options.dataDir === undefined ? undefined : resolve(options.dataDir)
    const failure = yield* Deferred.make<EmbeddedDatabaseStopped>()
    const gate = yield* Effect.acquireRelease(
      Effect.map(
        dataDir === undefined ? startInMemory(options.from) : startInFolder(dataDir),
        (engine) => new SessionGate(engine, (reason) => Deferred.unsafeDone(failure, Effect.succeed(reason)))
      ),
      (gate) => Effect.promise(() => gate.close())
    )
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() => poolOver(gate)),
      end
    )
    if (dataDir !== undefined) {
      yield* Effect.forkScoped(Upkeep.forever(pool, { ...Upkeep.defaultUpkeep, ...options.upkeep }))
    }
    return {
      pool,
      dataDir,
      snapshot: Effect.map(
        Effect.promise(() => gate.dump()),
        (files) => ({ files })
      ),
      failure: Deferred.await(failure)
    }
  })
