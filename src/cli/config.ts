import * as Either from "effect/Either"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { isLoopback } from "../http/Loopback.js"
import { parseOrigin } from "../http/Origins.js"
import { defaultHttpSettings } from "../http/Settings.js"
import { parseToken } from "../http/Tokens.js"
import { parseWebhookKey } from "../http/WebhookKeys.js"
import { Name } from "../model/Ids.js"
import { defaultSchema, SchemaName } from "../postgres/Statement.js"
import { defaultSettings, policyOf, type RetentionPolicy } from "../runtime/Settings.js"

/** One environment variable: its name, what it means, and how its text is read. */
export interface Setting<A> {
  readonly name: string
  /** The default as it would be written, or what holds without it. */
  readonly shownDefault: string
  readonly meaning: string
  /** What holds where the variable is missing or empty. */
  readonly absent: A
  /** A value, or what was expected instead. */
  readonly parse: (text: string) => Either.Either<A, string>
}

const text = (name: string, absent: string, meaning: string): Setting<string> => ({
  name,
  shownDefault: absent,
  meaning,
  absent,
  parse: Either.right
})

const optional = <A>(name: string, without: string, meaning: string, parse: Setting<A>["parse"]) =>
  ({
    name,
    shownDefault: without,
    meaning,
    absent: undefined,
    parse
  }) satisfies Setting<A | undefined>

const integer = (
  name: string,
  absent: number,
  [low, high]: readonly [number, number],
  meaning: string
): Setting<number> => ({
  name,
  shownDefault: String(absent),
  meaning,
  absent,
  parse: (given) => {
    const value = Number(given)
    return /^\d{1,15}$/.test(given) && value >= low && value <= high
      ? Either.right(value)
      : Either.left(`expected an integer from ${low} to ${high}`)
  }
})

const choice = <const A extends string>(
  name: string,
  absent: A,
  choices: ReadonlyArray<A>,
  meaning: string
): Setting<A> => ({
  name,
  shownDefault: absent,
  meaning,
  absent,
  parse: (given) => {
    const found = choices.find((one) => one === given.toLowerCase())
    return found === undefined ? Either.left(`expected one of ${choices.join(", ")}`) : Either.right(found)
  }
})

const databaseUrl = (given: string): Either.Either<Redacted.Redacted, string> => {
  const url = URL.canParse(given) ? new URL(given) : undefined
  return url !== undefined && ["postgres:", "postgresql:"].includes(url.protocol)
    ? Either.right(Redacted.make(given))
    : Either.left("expected a URL like postgres://user:password@host:5432/database")
}

/** A secret that is not easily guessed, fit for a header. */
const secret = (given: string): Either.Either<Redacted.Redacted, string> =>
  /^[\u0021-\u007e]{8,500}$/.test(given)
    ? Either.right(Redacted.make(given))
    : Either.left("expected 8 to 500 visible ASCII characters")

const hostName = (given: string): Either.Either<string, string> =>
  /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?$/.test(given)
    ? Either.right(given)
    : Either.left("expected names like perdure.example:4400, with commas between them")

/** Several of a kind with commas between them, or `none`; the first that is wrong is told. */
const list = <A>(
  name: string,
  meaning: string,
  parseOne: (text: string) => Either.Either<A, string>
): Setting<ReadonlyArray<A>> => ({
  name,
  shownDefault: "none",
  meaning,
  absent: [],
  parse: (given) =>
    given === "none" ? Either.right([]) : Either.all(given.split(",").map((each) => parseOne(each.trim())))
})

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

const keepFor = (text: string): number | undefined => {
  if (text === "forever") return Number.POSITIVE_INFINITY
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  return unit === undefined ? undefined : Number(count) * units[unit]!
}

const kept = { data: "retentionMs", runs: "runRetentionMs", audit: "auditRetentionMs" } as const

type Kept = readonly [workflow: string, policy: Partial<RetentionPolicy>]

/** `order:runs=90d:data=7d`; `*` stands for all workflows that are not named. */
const retentionOf = (given: string): Either.Either<Kept, string> => {
  const [workflow = "", ...parts] = given.split(":")
  const policy = parts.map((part) => {
    const [what, time] = part.split("=")
    const key = what === "data" || what === "runs" || what === "audit" ? kept[what] : undefined
    const ms = keepFor(time ?? "")
    return key === undefined || ms === undefined ? undefined : ([key, ms] as const)
  })
  const isFit = policy.every((part) => part !== undefined) && policy.length > 0
  return isFit && (workflow === "*" || isName(workflow))
    ? Either.right([workflow, Object.fromEntries(policy)])
    : Either.left("expected policies like *:data=7d:runs=30d:audit=30d,order:runs=forever, with s, m, h or d")
}

const isName = Schema.is(Name)

const isSchemaName = Schema.is(SchemaName)

const day = 86_400_000

/** The one table of settings. */
export const settings = {
  databaseUrl: optional("DATABASE_URL", "embedded", "PostgreSQL to use instead of the embedded database", databaseUrl),
  databaseDirectUrl: optional(
    "DATABASE_DIRECT_URL",
    "none",
    "beside a pooling proxy in `DATABASE_URL`: the same database without it",
    databaseUrl
  ),
  maxConnections: integer("PERDURE_MAX_CONNECTIONS", 10, [1, 1_000], "connections to PostgreSQL at most"),
  schema: {
    name: "PERDURE_SCHEMA",
    shownDefault: defaultSchema,
    meaning: "database schema of the engine's tables",
    absent: defaultSchema,
    parse: (given) =>
      isSchemaName(given)
        ? Either.right(given)
        : Either.left("expected at most 40 lower case letters, digits or _, not beginning with a digit or pg_")
  } satisfies Setting<SchemaName> as Setting<SchemaName>,
  url: {
    name: "PERDURE_URL",
    shownDefault: "http://127.0.0.1:4400",
    meaning: "where the commands of `perdure` find the server",
    absent: "http://127.0.0.1:4400",
    parse: (given) =>
      /^https?:$/.test(URL.canParse(given) ? new URL(given).protocol : "")
        ? Either.right(given.replace(/\/+$/, ""))
        : Either.left("expected a URL like http://127.0.0.1:4400")
  } satisfies Setting<string> as Setting<string>,
  dataDir: text("PERDURE_DATA_DIR", ".perdure", "folder of the embedded database"),
  host: {
    name: "PERDURE_HOST",
    shownDefault: "127.0.0.1",
    meaning: "address to listen on; any but a loopback address wants a token",
    absent: "127.0.0.1",
    parse: (given) =>
      /^[A-Za-z0-9._:-]{1,255}$/.test(given) ? Either.right(given) : Either.left("expected an address or a name")
  } satisfies Setting<string> as Setting<string>,
  port: integer("PERDURE_PORT", 4400, [0, 65_535], "port to listen on; 0 takes a free one"),
  token: optional("PERDURE_TOKEN", "none", "a token of scope admin; with one, every call wants a token", secret),
  tokens: list(
    "PERDURE_TOKENS",
    "further tokens as `name:scope:SHA-256`, scopes `read`, `write`, `admin`; `perdure token` makes one",
    parseToken
  ),
  hosts: list(
    "PERDURE_HOSTS",
    "names that calls may be sent to, as `Host` has them, beside those of a loopback address",
    hostName
  ),
  origins: list(
    "PERDURE_ORIGINS",
    "sites whose pages may call this server from a browser, as `https://app.example`",
    parseOrigin
  ),
  callsPerSecond: integer(
    "PERDURE_CALLS_PER_SECOND",
    defaultHttpSettings.callsPerSecond,
    [0, 1_000_000],
    "calls of one address, ten seconds' worth at once; 0: any number"
  ),
  maxClients: integer(
    "PERDURE_MAX_CLIENTS",
    defaultHttpSettings.maxConnections,
    [1, 100_000],
    "connections of clients at once"
  ),
  maxStreams: integer("PERDURE_MAX_STREAMS", defaultHttpSettings.maxStreams, [0, 100_000], "streams of events at once"),
  webhooks: list(
    "PERDURE_WEBHOOKS",
    "who may send signed events, as `name:key`, or `name@workflow:key` or `name@workflow/node:key` for nothing else",
    parseWebhookKey
  ),
  readConnections: integer(
    "PERDURE_READ_CONNECTIONS",
    2,
    [1, 100],
    "connections to PostgreSQL beside the others, for what people look at"
  ),
  bodyLimitBytes: integer(
    "PERDURE_BODY_LIMIT_BYTES",
    1_048_576,
    [1_024, 64 * 1_048_576],
    "larger request bodies are refused"
  ),
  workerId: {
    name: "PERDURE_WORKER_ID",
    shownDefault: "server",
    meaning: "name of this process, for people",
    absent: "server",
    parse: (given) =>
      /^[A-Za-z0-9._:-]{1,100}$/.test(given)
        ? Either.right(given)
        : Either.left("expected 1 to 100 characters out of letters, digits and . _ : -")
  } satisfies Setting<string> as Setting<string>,
  slots: integer("PERDURE_SLOTS", defaultSettings.slots, [1, 100_000], "firings that run at once"),
  maxRuns: integer("PERDURE_MAX_RUNS", defaultSettings.maxRuns, [1, 1_000_000], "runs in memory at once"),
  leaseMs: integer(
    "PERDURE_LEASE_MS",
    defaultSettings.leaseMs,
    [1_000, day],
    "without a sign of life for this long a process's runs are taken over"
  ),
  pollMs: integer("PERDURE_POLL_MS", defaultSettings.pollMs, [10, day], "time between two looks for work"),
  idleMs: integer(
    "PERDURE_IDLE_MS",
    defaultSettings.idleMs,
    [0, day],
    "how long a waiting run stays in memory at most"
  ),
  graceMs: integer("PERDURE_GRACE_MS", defaultSettings.graceMs, [0, day], "how long a stop waits for firings that run"),
  standstillMs: integer(
    "PERDURE_STANDSTILL_MS",
    30_000,
    [0, day],
    "the process ends itself when its event loop stands still for so long; 0: never"
  ),
  unknownAfterMs: integer(
    "PERDURE_UNKNOWN_AFTER_MS",
    defaultSettings.unknownAfterMs,
    [1_000, day],
    "how long nobody may know a workflow before its runs are parked"
  ),
  childDepth: integer(
    "PERDURE_CHILD_DEPTH",
    defaultSettings.childDepth,
    [0, 1_000],
    "how deep children may have children"
  ),
  childFanOut: integer(
    "PERDURE_CHILD_FAN_OUT",
    defaultSettings.childFanOut,
    [1, 1_000_000],
    "children that an attempt of a handler may start, and that live at once of a child node in a run"
  ),
  retention: {
    ...list(
      "PERDURE_RETENTION",
      "how long what is kept: `data` of ended runs (messages, steps, inputs), `runs`, `audit`; as `*:runs=30d,order:runs=1d`",
      retentionOf
    ),
    ...{ shownDefault: "*:data=7d:runs=30d:audit=30d", absent: [["*", policyOf(defaultSettings)]] }
  } satisfies Setting<ReadonlyArray<Kept>> as Setting<ReadonlyArray<Kept>>,
  tracesUrl: optional(
    "PERDURE_TRACES_URL",
    "none",
    "where spans are sent by OTLP over HTTP, as `http://127.0.0.1:4318/v1/traces`; wants the package `@effect/opentelemetry`",
    (given) =>
      /^https?:$/.test(URL.canParse(given) ? new URL(given).protocol : "")
        ? Either.right(Redacted.make(given))
        : Either.left("expected a URL like http://127.0.0.1:4318/v1/traces")
  ),
  logLevel: choice(
    "PERDURE_LOG_LEVEL",
    "info",
    ["debug", "info", "warning", "error", "none"],
    "what is logged at least"
  ),
  logFormat: choice("PERDURE_LOG_FORMAT", "logfmt", ["logfmt", "json", "pretty"], "form of the log on standard error"),
  exampleLedger: optional(
    "PERDURE_EXAMPLE_LEDGER",
    "log",
    "file that the bundled example appends its outside effects to",
    Either.right<string>
  ),
  exampleDelayMs: integer("PERDURE_EXAMPLE_DELAY_MS", 0, [0, day], "how long an outside effect of the example takes")
} as const

type Settings = typeof settings

/** The settings of a process. */
export type Configuration = { readonly [K in keyof Settings]: Settings[K] extends Setting<infer A> ? A : never }

/** What came of reading the environment. */
export interface Reading {
  readonly configuration: Configuration
  /** Variables that look like ours and are not. */
  readonly warnings: ReadonlyArray<string>
}

type Environment = { readonly [name: string]: string | undefined }

const readOne = <A>(setting: Setting<A>, environment: Environment): Either.Either<A, string> => {
  const given = environment[setting.name]
  if (given === undefined || given === "") return Either.right(setting.absent)
  return Either.mapLeft(setting.parse(given), (expected) => `${setting.name}: ${expected}`)
}

/**
 * Reads the settings from an environment; every problem is a line that names its variable and shows no value.
 *
 * @example
 * const reading = readConfiguration(process.env)
 */
export const readConfiguration = (environment: Environment): Either.Either<Reading, ReadonlyArray<string>> => {
  const problems: Array<string> = []
  const values: Record<string, unknown> = {}
  for (const [key, setting] of Object.entries(settings)) {
    const value = readOne<unknown>(setting, environment)
    if (Either.isLeft(value)) problems.push(value.left)
    else values[key] = value.right
  }
  // Each key of the table was read by its own setting.
  const configuration = values as unknown as Configuration
  if (configuration.databaseDirectUrl !== undefined && configuration.databaseUrl === undefined) {
    problems.push("DATABASE_DIRECT_URL: expected DATABASE_URL beside it")
  }
  if (
    !isLoopback(configuration.host ?? "localhost") &&
    configuration.token === undefined &&
    !configuration.tokens?.length
  ) {
    problems.push("PERDURE_HOST: expected PERDURE_TOKEN or PERDURE_TOKENS beside an address that others can reach")
  }
  if (problems.length > 0) return Either.left(problems)
  const known = new Set(all.map(({ name }) => name))
  const warnings = Object.keys(environment)
    .filter((name) => name.startsWith("PERDURE_") && !known.has(name))
    .map((name) => `${name} is not a setting`)
  return Either.right({ configuration, warnings })
}

const all: ReadonlyArray<Setting<unknown>> = Object.values(settings)

/** The table of settings as it stands in the README. */
export const settingsTable = (): string =>
  [
    "| variable | default | meaning |",
    "| --- | --- | --- |",
    ...all.map(({ meaning, name, shownDefault }) => `| \`${name}\` | ${shownDefault} | ${meaning} |`)
  ].join("\n")

/** The table of settings for a terminal. */
export const settingsHelp = (): string => {
  const width = Math.max(...all.map(({ name }) => name.length))
  return all
    .map(
      ({ meaning, name, shownDefault }) => `  ${name.padEnd(width)}  ${meaning.replaceAll("`", "")} (${shownDefault})`
    )
    .join("\n")
}

/** The level below which nothing is logged. */
export const logLevelOf = (level: Configuration["logLevel"]): LogLevel.LogLevel =>
  ({
    debug: LogLevel.Debug,
    info: LogLevel.Info,
    warning: LogLevel.Warning,
    error: LogLevel.Error,
    none: LogLevel.None
  })[level]
