import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { type Configuration, logLevelOf, readConfiguration, settingsHelp } from "./cli/config.js"
import { watchEventLoop } from "./cli/Watchdog.js"
import * as Effects from "./example/Effects.js"
import * as OrderExample from "./example/order.js"
import * as Readiness from "./http/Readiness.js"
import { HttpSettings } from "./http/Settings.js"
import * as HttpServer from "./http/server.js"
import * as Perdure from "./layers.js"

/** How long a second signal is taken for an echo of the first: npm passes on what its whole group was sent anyway. */
const echoMs = 1_000

/** How often a server that npm started looks whether it still has its parent. */
const orphanLookMs = 250

/** What a stop may take beyond the grace time before the process ends itself. */
const stopSlackMs = 20_000

const usage = `Runs the Perdure server with the bundled example workflow.

Usage: npm start

Settings are environment variables (default in parentheses):
${settingsHelp()}
`

/** The embedded database has failed; a new start continues where it was. */
class DatabaseStopped extends Data.TaggedError("DatabaseStopped")<{ readonly message: string }> {}

const database = (configuration: Configuration, onStopped: Effect.Effect<void>) => {
  const { databaseDirectUrl, databaseUrl, dataDir, maxConnections, schema } = configuration
  return databaseUrl === undefined
    ? Perdure.layerEmbedded({ dataDir, schema, onStopped })
    : Perdure.layerPostgres({
        url: databaseUrl,
        maxConnections,
        schema,
        ...(databaseDirectUrl === undefined ? {} : { directUrl: databaseDirectUrl })
      })
}

const engine = (configuration: Configuration) => {
  const { graceMs, idleMs, leaseMs, maxRuns, pollMs, slots, unknownAfterMs, workerId } = configuration
  return Perdure.layerEngine({
    ...{ graceMs, idleMs, leaseMs, maxRuns, pollMs, slots, unknownAfterMs, workerId },
    heartbeatMs: Math.floor(leaseMs / 5)
  })
}

const example = ({ exampleDelayMs, exampleLedger }: Configuration) =>
  OrderExample.Order.layer.pipe(
    Layer.provide(OrderExample.handlers),
    Layer.provide(
      Effects.layer({ delayMs: exampleDelayMs, ...(exampleLedger === undefined ? {} : { ledger: exampleLedger }) })
    )
  )

/** Everything the server is made of; closed from the top: HTTP, the example, the engine, the database. */
const server = (configuration: Configuration, onStopped: Effect.Effect<void>) =>
  HttpServer.layer({ host: configuration.host, port: configuration.port }).pipe(
    Layer.provide(Readiness.layer(configuration.workerId)),
    Layer.provide(
      Layer.effect(
        HttpSettings,
        Effect.map(HttpSettings, (defaults) => ({ ...defaults, bodyLimitBytes: configuration.bodyLimitBytes }))
      )
    ),
    Layer.provideMerge(example(configuration)),
    Layer.provideMerge(engine(configuration)),
    Layer.provideMerge(database(configuration, onStopped))
  )

/** The log goes to standard error: standard output has one line, the one that says where the server is. */
const logging = ({ logFormat, logLevel }: Configuration) =>
  Layer.merge(
    Logger.replace(
      Logger.defaultLogger,
      Logger.withConsoleError(
        { logfmt: Logger.logfmtLogger, json: Logger.jsonLogger, pretty: Logger.stringLogger }[logFormat]
      )
    ),
    Logger.minimumLogLevel(logLevelOf(logLevel))
  )

const program = (configuration: Configuration, warnings: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning))
    const stopped = yield* Deferred.make<never, DatabaseStopped>()
    const onStopped = Deferred.fail(
      stopped,
      new DatabaseStopped({ message: "the embedded database has stopped; what was acknowledged is safe, start again" })
    )
    const { url } = Context.get(yield* Layer.build(server(configuration, onStopped)), HttpServer.HttpAddress)
    process.stdout.write(`perdure is ready at ${url}\n`)
    return yield* Deferred.await(stopped)
  }).pipe(Effect.scoped, Effect.provide(logging(configuration)))

const complain = (line: string): void => {
  process.stderr.write(`perdure: ${line}\n`)
}

/** A failure in one line where it is one of the foreseen, in full where it is a bug. */
const explain = (cause: Cause.Cause<{ readonly _tag: string; readonly message: string }>): string => {
  const [error] = Cause.failures(cause)
  if (error === undefined) return Cause.pretty(cause, { renderErrorCause: true })
  const [line] = error.message.split("\n")
  return error._tag === "DatabaseError" ? `the database can't be used: ${line}` : String(line)
}

/** Who starts a server through npm and then ends npm has ended it: the shell between them keeps signals to itself. */
const whenOrphaned = (stop: () => void): void => {
  if (process.env["npm_lifecycle_event"] === undefined) return
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    stop()
  }, orphanLookMs)
  watch.unref()
}

const run = (configuration: Configuration, warnings: ReadonlyArray<string>): void => {
  watchEventLoop(configuration.standstillMs)
  const fiber = Effect.runFork(program(configuration, warnings))
  let stoppingSince: number | undefined
  const stop = () => {
    if (stoppingSince !== undefined) return
    stoppingSince = performance.now()
    Effect.runFork(Fiber.interruptFork(fiber))
    setTimeout(() => {
      complain("the stop took too long")
      process.exit(1)
    }, configuration.graceMs + stopSlackMs).unref()
  }
  const onSignal = (signal: NodeJS.Signals) => {
    if (stoppingSince === undefined) return stop()
    if (performance.now() - stoppingSince > echoMs) process.exit(signal === "SIGINT" ? 130 : 143)
  }
  process.on("SIGTERM", onSignal)
  process.on("SIGINT", onSignal)
  whenOrphaned(stop)
  fiber.addObserver((exit) => {
    if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) process.exit(0)
    complain(explain(exit.cause))
    process.exit(1)
  })
}

const main = (): void => {
  if (process.argv.includes("--help")) {
    process.stdout.write(usage)
    return
  }
  Either.match(readConfiguration(process.env), {
    onLeft: (problems) => {
      problems.forEach(complain)
      process.exitCode = 1
    },
    onRight: ({ configuration, warnings }) => run(configuration, warnings)
  })
}

main()
