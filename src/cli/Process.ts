import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { HttpAddress } from "../http/server.js"
import type { Configuration, Reading } from "./config.js"
import { complain } from "./Printing.js"
import { keepHeapSmall } from "./Rest.js"
import { logging, server, traces, type Workflows, worker } from "./Server.js"
import { watchEventLoop } from "./Watchdog.js"

/** How long a second signal is taken for an echo of the first: npm passes on what its whole group was sent anyway. */
const echoMs = 1_000

/** How often a server that npm started looks whether it still has its parent. */
const orphanLookMs = 250

/** What a stop may take beyond the grace time before the process ends itself. */
const stopSlackMs = 20_000

/** The embedded database has failed; a new start continues where it was. */
class DatabaseStopped extends Data.TaggedError("DatabaseStopped")<{ readonly message: string }> {}

/** Runs until it is stopped; `announce` builds what runs and says that it does. */
const program = <E, R>(
  { configuration, warnings }: Reading,
  announce: (onStopped: Effect.Effect<void>) => Effect.Effect<string, E, R>
) =>
  Effect.gen(function* () {
    yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning))
    const stopped = yield* Deferred.make<never, DatabaseStopped>()
    const onStopped = Deferred.fail(
      stopped,
      new DatabaseStopped({ message: "the embedded database has stopped; what was acknowledged is safe, start again" })
    )
    process.stdout.write(`${yield* announce(onStopped)}\n`)
    return yield* Deferred.await(stopped)
  }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(traces(configuration), logging(configuration))))

const messageOf = (error: unknown): { readonly tag: string; readonly message: string } =>
  error instanceof Error
    ? { tag: "_tag" in error ? String(error._tag) : error.name, message: error.message }
    : { tag: "", message: String(error) }

/** A failure in one line where it is one of the foreseen, in full where it is a bug. */
const explain = (cause: Cause.Cause<unknown>): string => {
  const errors = [...Cause.failures(cause)]
  if (errors.length === 0) return Cause.pretty(cause, { renderErrorCause: true })
  const { message, tag } = messageOf(errors[0])
  const [line] = message.split("\n")
  return tag === "DatabaseError" ? `the database can't be used: ${line}` : String(line)
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

const run = (configuration: Configuration, main: Effect.Effect<never, unknown>): void => {
  watchEventLoop(configuration.standstillMs)
  keepHeapSmall()
  const fiber = Effect.runFork(main)
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

/** Serves workflows until a signal comes. */
export const runServer = <E>(reading: Reading, workflows: Workflows<E>): void =>
  run(
    reading.configuration,
    program(reading, (onStopped) =>
      Effect.map(
        Layer.build(server(reading.configuration, workflows, onStopped)),
        (context) => `perdure is ready at ${Context.get(context, HttpAddress).url}`
      )
    )
  )

/** Executes workflows without a server until a signal comes. */
export const runWorker = <E>(reading: Reading, workflows: Workflows<E>): void =>
  run(
    reading.configuration,
    program(reading, (onStopped) =>
      Effect.as(
        Layer.build(worker(reading.configuration, workflows, onStopped)),
        `perdure worker ${reading.configuration.workerId} is at work`
      )
    )
  )
