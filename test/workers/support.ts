import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SettingsShape } from "../../src/runtime/Settings.js"
import type { EngineProcess } from "../engine/process.js"
import type { World } from "../engine/world.js"
import type { ChildOptions } from "./child.js"
import { Entry, type Kind, Task } from "./fixtures.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** How a worker process is started. */
export interface WorkerOptions {
  readonly name: string
  readonly url?: Redacted.Redacted
  readonly directUrl?: Redacted.Redacted
  readonly versions?: ReadonlyArray<number>
  readonly settings?: Partial<SettingsShape>
  /** How long its event loop may stand still; 0, the default: for ever. */
  readonly standstillMs?: number
  /** Megabytes of heap it may use. */
  readonly memory?: number
}

/** A worker that is a process of its own. */
export interface WorkerProcess {
  readonly name: string
  readonly pid: number
  readonly ready: Effect.Effect<void>
  /** Its exit code, or the signal that ended it. */
  readonly exit: Effect.Effect<number | NodeJS.Signals>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** What it has logged so far. */
  readonly log: () => string
}

/** Processes on one database, and the ledger they append to. */
export interface Yard {
  readonly worker: (options: WorkerOptions) => Effect.Effect<WorkerProcess, never, Scope.Scope>
  /** A worker that is started again whenever it ends, as by a supervisor; gives its lives. */
  readonly supervised: (options: WorkerOptions) => Effect.Effect<ReadonlyArray<WorkerProcess>, never, Scope.Scope>
  readonly entries: () => ReadonlyArray<Entry>
  /** Asks the ledger again and again, until what is asked for is in it. */
  readonly until: <A>(find: (entries: ReadonlyArray<Entry>) => A | undefined) => Effect.Effect<A>
  /** Starts runs of the task, by name, over an engine that executes nothing. */
  readonly start: (ids: ReadonlyArray<string>, kind?: Kind, ms?: number) => Effect.Effect<void, unknown>
  readonly client: EngineProcess
}

/** Times in which a test need not wait long. */
const quick: Partial<SettingsShape> = { leaseMs: 3_000, heartbeatMs: 600, pollMs: 300, idleMs: 200, graceMs: 2_000 }

const isEntry = Schema.decodeUnknownSync(Entry)

const launch = (command: ChildOptions, name: string, memory: number | undefined): WorkerProcess => {
  const flags = memory === undefined ? [] : [`--max-old-space-size=${memory}`]
  const child: ChildProcess = spawn(
    process.execPath,
    [...flags, "--import", "tsx", "test/workers/child.ts", JSON.stringify(command)],
    { cwd: root, stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env["PATH"] } }
  )
  const ready = Deferred.unsafeMake<void>(FiberId.none)
  const exit = Deferred.unsafeMake<number | NodeJS.Signals>(FiberId.none)
  let log = ""
  child.stdout?.on("data", () => Deferred.unsafeDone(ready, Effect.void))
  child.stderr?.on("data", (chunk: Buffer) => {
    log += chunk.toString()
  })
  child.once("exit", (code, signal) => {
    Deferred.unsafeDone(exit, Effect.succeed(signal ?? code ?? 0))
    Deferred.unsafeDone(ready, Effect.dieMessage(`${name} ended before it was ready: ${log}`))
  })
  return {
    name,
    pid: child.pid ?? 0,
    ready: Deferred.await(ready),
    exit: Deferred.await(exit),
    signal: (signal) => Effect.sync(() => child.kill(signal)),
    log: () => log
  }
}

/** Opens a yard on a world's database; its processes are killed with the scope. */
export const openYard = (world: World): Effect.Effect<Yard, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const folder = mkdtempSync(join(tmpdir(), "perdure-yard-"))
    yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
    const ledger = join(folder, "ledger")
    const client = yield* world.start({ workflows: Layer.empty, settings: { maxRuns: 0, pollMs: 60_000 } })
    writeFileSync(ledger, "")
    // A line that is being written is not there yet.
    const entries = () =>
      readFileSync(ledger, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => isEntry(JSON.parse(line)))
    const until: Yard["until"] = (find) =>
      Effect.suspend(() => {
        const found = find(entries())
        return found === undefined ? Effect.zipRight(Effect.sleep("10 millis"), until(find)) : Effect.succeed(found)
      })
    const worker: Yard["worker"] = (options) =>
      Effect.acquireRelease(
        Effect.sync(() =>
          launch(
            {
              url: Redacted.value(options.url ?? world.url),
              ledger,
              versions: options.versions ?? [1],
              standstillMs: options.standstillMs ?? 0,
              settings: { ...quick, ...options.settings, workerId: options.name },
              ...(options.directUrl === undefined ? {} : { directUrl: Redacted.value(options.directUrl) })
            },
            options.name,
            options.memory
          )
        ),
        (started) =>
          started.signal("SIGKILL").pipe(
            // One that is stopped can't die before it goes on.
            Effect.zipRight(started.signal("SIGCONT")),
            Effect.zipRight(started.exit)
          )
      )
    return {
      client,
      entries,
      until,
      start: (ids, kind = "ok", ms = 0) =>
        Effect.forEach(ids, (runId) => client.engine.start(Task, { order: { kind, ms } }, { runId }), {
          concurrency: "unbounded",
          discard: true
        }),
      worker,
      supervised: (options) =>
        Effect.gen(function* () {
          const lives: Array<WorkerProcess> = []
          const life = Effect.scoped(
            Effect.flatMap(worker(options), (started) => {
              lives.push(started)
              return started.exit
            })
          )
          yield* Effect.forkScoped(Effect.forever(life))
          return lives
        })
    }
  })

/** Names of runs. */
export const names = (count: number, prefix = "r"): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

/** Two workers and runs of which each has its first step at work; gives who holds the most of them first. */
export const startTwo = (
  world: World,
  yard: Yard,
  options: {
    readonly ids: ReadonlyArray<string>
    readonly kind?: Kind
    readonly ms: number
    readonly settings?: Partial<SettingsShape>
    readonly url?: Redacted.Redacted
  }
) =>
  Effect.gen(function* () {
    const common = { settings: options.settings ?? {}, ...(options.url === undefined ? {} : { url: options.url }) }
    const workers = [yield* yard.worker({ name: "one", ...common }), yield* yard.worker({ name: "two", ...common })]
    yield* Effect.forEach(workers, (worker) => worker.ready)
    yield* yard.start(options.ids, options.kind, options.ms)
    yield* yard.until((entries) => (entries.length >= options.ids.length ? true : undefined))
    const [most] = yield* world.sql(
      `select w.worker_id as name, string_agg(r.run_id, ' ') as runs from perdure.run_state r
       join perdure.workers w on w.incarnation = r.worker group by 1 order by count(*) desc limit 1`
    )
    const [holder] = workers.filter(({ name }) => name === most?.["name"])
    const [other] = workers.filter(({ name }) => name !== most?.["name"])
    return { holder: holder!, other: other!, runs: String(most?.["runs"]).split(" ") }
  })
