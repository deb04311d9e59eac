import { pathToFileURL } from "node:url"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { readConfiguration } from "../config.js"
import { json } from "../Printing.js"
import { CommandFailed, remote, usageExit } from "../Remote.js"
import type { Workflows } from "../Server.js"
import { layerIn } from "../WorkflowModule.js"

const configured = Effect.suspend(() =>
  Either.match(readConfiguration(process.env), {
    onLeft: (problems) => Effect.fail(new CommandFailed({ exitCode: usageExit, message: problems.join("; ") })),
    onRight: Effect.succeed
  })
)

const load = (path: string): Effect.Effect<Workflows, CommandFailed> =>
  Effect.tryPromise({
    try: (): Promise<unknown> => import(pathToFileURL(path).href),
    catch: (error) => new CommandFailed({ exitCode: usageExit, message: `can't load ${path}: ${String(error)}` })
  }).pipe(
    Effect.flatMap((module) =>
      Either.mapLeft(
        layerIn(Predicate.isObject(module) ? module : {}),
        (problem) => new CommandFailed({ exitCode: usageExit, message: `${path} ${problem}` })
      )
    )
  )

const workflows = Options.text("workflows").pipe(
  Options.withDescription("A JavaScript module that exports a layer of workflows; the bundled example unless given"),
  Options.optional
)

// Most commands only talk to a server: what makes one takes a second to load, and is loaded when it is needed.
const loaded = {
  process: Effect.promise(() => import("../Process.js")),
  server: Effect.promise(() => import("../Server.js")),
  migration: Effect.promise(() => import("../Migration.js"))
}

/** What the process turns into once the command line has been read. */
export type Afterwards = (then: () => void) => Effect.Effect<void>

/** Commands that become a process of their own. */
export const processes = (afterwards: Afterwards) => {
  const becomes = (which: "runServer" | "runWorker") => (options: { workflows: Option.Option<string> }) =>
    Effect.gen(function* () {
      const reading = yield* configured
      const served = Option.isNone(options.workflows)
        ? (yield* loaded.server).example(reading.configuration)
        : yield* load(options.workflows.value)
      const { [which]: run } = yield* loaded.process
      yield* afterwards(() => run(reading, served))
    })
  return {
    serve: Command.make("serve", { workflows }, becomes("runServer")).pipe(
      Command.withDescription("Serves workflows over HTTP and executes them; settings are environment variables")
    ),
    worker: Command.make("worker", { workflows }, becomes("runWorker")).pipe(
      Command.withDescription("Executes workflows without a server")
    ),
    migrate: Command.make("migrate", { json: remote.json }, (options) =>
      Effect.gen(function* () {
        const { configuration } = yield* configured
        const url = configuration.databaseDirectUrl ?? configuration.databaseUrl
        if (url === undefined) {
          return yield* new CommandFailed({
            exitCode: usageExit,
            message: "DATABASE_URL: expected a database to migrate"
          })
        }
        const { migration } = yield* loaded.migration
        const done = yield* Effect.mapError(
          migration({ url, schema: configuration.schema }),
          ({ message }) => new CommandFailed({ exitCode: 1, message })
        )
        if (options.json) return yield* json({ applied: done })
        yield* Console.log(done.length === 0 ? "up to date" : done.map((name) => `applied ${name}`).join("\n"))
      })
    ).pipe(Command.withDescription("Brings the schema in DATABASE_URL to the present version"))
  }
}
