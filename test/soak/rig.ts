import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import pg from "pg"
import { Engine } from "../../src/Engine.js"
import * as Perdure from "../../src/layers.js"
import type { SettingsShape } from "../../src/runtime/Settings.js"
import { watchStatements } from "../../src/testing/invariants/Watch.js"
import { type PostgresServer, startServer } from "../support/postgresServer.js"
import { Outside } from "./outside.js"
import { TcpProxy } from "./proxy.js"
import { Nursery, Worker } from "./workers.js"
import { layer as workload } from "./workload.js"

/** Something that must not be. */
export interface Violation {
  readonly name: string
  readonly detail: string
}

export interface RigOptions {
  readonly leaseMs: number
  readonly workers: number
}

/** How long each half of a step takes at most. */
const stepMs = 30

/** Asks again while the database is away: it may be in the middle of a fault. */
const adminTries = 600
const adminPauseMs = 100

/** Everything of a soak: the server, the ways to it, the worker processes, the client's engine, the files. */
export class Rig {
  readonly folder = mkdtempSync(join(tmpdir(), "perdure-soak-"))
  readonly ledger = join(this.folder, "ledger")
  readonly acknowledged = join(this.folder, "acknowledged")
  readonly violations: Array<Violation> = []
  readonly proxies: Array<TcpProxy> = []
  readonly workers: Array<Worker> = []
  readonly begun = performance.now()
  /** Numbers of processes that were killed. */
  readonly killed = new Set<number>()
  private databaseTurn: Promise<unknown> = Promise.resolve()
  private nursery: Nursery | undefined
  private runtime: ManagedRuntime.ManagedRuntime<Engine, unknown> | undefined

  private constructor(
    readonly server: PostgresServer,
    readonly admin: pg.Pool,
    readonly settings: Partial<SettingsShape>
  ) {
    mkdirSync(this.folder, { recursive: true })
    for (const file of [this.ledger, this.acknowledged]) writeFileSync(file, "")
  }

  static async open({ leaseMs, workers }: RigOptions): Promise<Rig> {
    const server = await startServer()
    const admin = new pg.Pool({ connectionString: server.url, max: 8, application_name: "soak" })
    admin.on("error", () => undefined)
    admin.on("connect", (client) => client.on("error", () => undefined))
    const rig = new Rig(server, admin, {
      leaseMs,
      heartbeatMs: Math.round(leaseMs / 5),
      pollMs: 300,
      idleMs: 200,
      graceMs: 1_500,
      slots: 60,
      maxRuns: 300
    })
    await rig.populate(workers)
    return rig
  }

  /** Migrates, begins to watch the rows, and starts the client's engine and the workers. */
  private async populate(workers: number): Promise<void> {
    for (let index = 0; index <= workers; index++) this.proxies.push(await TcpProxy.open(this.server.port))
    await Effect.runPromise(Effect.scoped(Layer.build(Perdure.layerPostgres({ url: Redacted.make(this.server.url) }))))
    for (const statement of watchStatements) await this.admin.query(statement)
    this.runtime = this.client(this.proxies[workers]!)
    this.nursery = new Nursery(this.folder, 2)
    for (let index = 0; index < workers; index++) {
      const proxy = this.proxies[index]!
      const { ledger, nursery, settings } = this
      const url = this.urlThrough(proxy)
      const unexpected = (detail: string) => this.report("worker_ended", detail)
      const killed = (pid: number) => this.killed.add(pid)
      this.workers.push(new Worker({ index, nursery, proxy, url, ledger, settings, stepMs, unexpected, killed }))
    }
    await Promise.all(this.workers.map((worker) => worker.start("same")))
    await this.untilReady()
  }

  /** An engine that executes nothing. */
  private client(proxy: TcpProxy): ManagedRuntime.ManagedRuntime<Engine, unknown> {
    const stores = Perdure.layerPostgres({ url: Redacted.make(this.urlThrough(proxy)), migrate: false })
    const settings = { ...this.settings, maxRuns: 0, workerId: "client" }
    const silent = Layer.succeed(Outside, { step: (result) => result })
    const all = workload.pipe(
      Layer.provide(silent),
      Layer.provideMerge(Perdure.layerEngine(settings)),
      Layer.provide(stores),
      Layer.provide(Logger.remove(Logger.defaultLogger))
    )
    return ManagedRuntime.make(all)
  }

  private urlThrough(proxy: TcpProxy): string {
    const url = new URL(this.server.url)
    url.port = String(proxy.port)
    return url.href
  }

  /** Uses the client's engine. */
  use<A>(call: (engine: Context.Tag.Service<Engine>) => Effect.Effect<A>): Promise<A> {
    return this.runtime!.runPromise(Effect.flatMap(Engine, call))
  }

  /** One fault of the database at a time. */
  database<A>(use: () => Promise<A>): Promise<A> {
    const mine = this.databaseTurn.then(use)
    this.databaseTurn = mine.catch(() => undefined)
    return mine
  }

  /** Asks the database directly, again while it is away. */
  async sql(text: string, values: Array<unknown> = []): Promise<ReadonlyArray<Record<string, unknown>>> {
    for (let tries = 1; ; tries++) {
      try {
        return (await this.admin.query(text, values)).rows
      } catch (error) {
        const spoken = error instanceof pg.DatabaseError && !error.code?.startsWith("57P")
        if (spoken || tries === adminTries) throw error
        await delay(adminPauseMs)
      }
    }
  }

  /** Waits until every worker is at work. */
  async untilReady(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.untilReady()))
  }

  report(name: string, detail: string): void {
    this.violations.push({ name, detail })
    this.say(`VIOLATION ${name}: ${detail}`)
  }

  say(text: string): void {
    process.stderr.write(`${((performance.now() - this.begun) / 1_000).toFixed(1).padStart(7)} ${text}\n`)
  }

  /** Ends everything that was started. */
  async close(): Promise<void> {
    for (const worker of this.workers) {
      worker.signal("SIGKILL")
      await worker.gone
    }
    this.nursery?.close()
    await Promise.race([this.runtime?.dispose(), delay(5_000)])
    for (const proxy of this.proxies) proxy.close()
    await Promise.race([this.admin.end(), delay(2_000)])
    await this.server.dispose()
  }
}
