import { join } from "node:path"
import type { Arguments } from "./arguments.js"
import { type Counters, readCounters } from "./counters.js"
import { createDatabase, databaseUrl, onServer } from "./databases.js"
import { EngineProcess } from "./EngineProcess.js"
import { type EngineEntry, nodeOf } from "./engines.js"
import { makeFolder, removeFolder } from "./folder.js"
import { RestateServer } from "./RestateServer.js"
import type { OpenOptions } from "./session.js"

const closeWithinMs = 30_000

let databases = 0

/** A fresh database, or a fresh store, for one engine; and the processes that work on it. */
export class Site {
  readonly #children = new Set<EngineProcess>()

  private constructor(
    readonly engine: EngineEntry,
    private readonly given: Arguments,
    private readonly server: string,
    private readonly database: string,
    private readonly folder: string | undefined,
    private readonly restate: RestateServer | undefined
  ) {}

  static async create(engine: EngineEntry, given: Arguments, server: string): Promise<Site> {
    const database = `bench_${++databases}`
    await createDatabase(server, database)
    // what the work before has left to write must not be written during this one
    await onServer(server, "checkpoint")
    const folder = engine.store === "embedded" ? makeFolder() : undefined
    const restate = engine.store === "restate" ? await RestateServer.start() : undefined
    return new Site(engine, given, server, database, folder, restate)
  }

  get url(): string {
    return databaseUrl(this.server, this.database)
  }

  /** A new process with the engine open in it. */
  async spawn(options: Partial<OpenOptions> = {}): Promise<EngineProcess> {
    const child = new EngineProcess(nodeOf(this.engine, this.given)!)
    this.#children.add(child)
    const { absurdSql } = this.given
    await child.call("open", {
      module: this.engine.module,
      options: {
        url: this.url,
        execution: "running",
        history: 0,
        hold: false,
        ...(this.folder === undefined ? {} : { dataDir: join(this.folder, "data") }),
        ...(this.restate === undefined ? {} : { restate: this.restate.ports }),
        ...(absurdSql === undefined ? {} : { absurdSql }),
        ...options
      }
    })
    return child
  }

  async close(child: EngineProcess): Promise<void> {
    this.#children.delete(child)
    await child.close(closeWithinMs)
  }

  async kill(child: EngineProcess): Promise<void> {
    this.#children.delete(child)
    await child.kill()
  }

  /** What PostgreSQL has counted; undefined for an engine with a store of its own. */
  counters(): Promise<Counters> | undefined {
    return this.engine.store === "postgres" ? readCounters(this.url) : undefined
  }

  /** Processor time of the engine's own server so far; undefined where there is none. */
  serverCpuMs(): number | undefined {
    return this.restate?.cpuMs()
  }

  /** As if autovacuum had come by: after many rows were written at once. */
  async settle(): Promise<void> {
    if (this.engine.store === "postgres") await onServer(this.url, "vacuum analyze")
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.#children].map((child) => child.kill()))
    await this.restate?.stop()
    if (this.folder !== undefined) removeFolder(this.folder)
    await onServer(this.server, `drop database ${this.database} with (force)`)
  }
}
