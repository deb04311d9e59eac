#!/usr/bin/env node
import { readFileSync } from "node:fs"
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { doctor, query, signal, stuck, token, trigger, workers, workflows } from "./commands/operations.js"
import { processes } from "./commands/processes.js"
import { runs } from "./commands/runs.js"
import { commandsOf, overview } from "./Help.js"
import { complain, plain, withFitColours } from "./Printing.js"
import { CommandFailed, usageExit } from "./Remote.js"

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))

let becomes: (() => void) | undefined

const { migrate, serve, worker } = processes((then) =>
  Effect.sync(() => {
    becomes = then
  })
)

const perdure = Command.make("perdure").pipe(
  Command.withDescription("Typed dataflow workflows that survive any crash"),
  Command.withSubcommands([
    serve,
    worker,
    migrate,
    workflows,
    runs,
    trigger,
    signal,
    query,
    workers,
    stuck,
    doctor,
    token
  ])
)

const cli = Command.run(perdure, { name: "perdure", version })

/** How the process ends: 1 for a refusal, 2 for a wrong command line, 3 where no server answers, 4 where nothing is found. */
const exitCodeOf = (exit: Exit.Exit<void, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
  if (error instanceof CommandFailed) {
    complain(plain(error.message))
    return error.exitCode
  }
  // What is wrong with a command line has been said by its parser.
  if (ValidationError.isValidationError(error)) return usageExit
  if (Cause.isInterruptedOnly(exit.cause)) return 130
  complain(Cause.pretty(exit.cause))
  return 1
}

/** What is answered without a command: what there is; and whether it was asked for. */
const answered = (args: ReadonlyArray<string>): string | undefined => {
  const asks = (rest: ReadonlyArray<string>) => rest.length === 0 || ["--help", "-h"].includes(rest.join(" "))
  if (asks(args)) return overview("perdure", "Typed dataflow workflows that survive any crash", commandsOf(perdure))
  return args[0] === "runs" && asks(args.slice(1))
    ? overview("perdure runs", "Runs: list, look at, start, steer and follow them", commandsOf(runs))
    : undefined
}

/** The parser would tell of the commands above. */
const unknownOf = ([first, second = "-", ...rest]: ReadonlyArray<string>): string | undefined => {
  // It would tell its own version, and start nothing.
  if (first === "runs" && second === "start" && rest.includes("--version")) {
    return "runs start has no option --version: the workflow's is --workflow-version"
  }
  const names = commandsOf(runs).map(([name]) => name)
  return first !== "runs" || second.startsWith("-") || names.includes(second)
    ? undefined
    : `runs has no command ${second}: one of ${names.join(", ")}`
}

const execute = (): void => {
  const main = Effect.runFork(withFitColours(Effect.provide(cli(process.argv), NodeContext.layer)))
  const stop = () => Effect.runFork(Fiber.interruptFork(main))
  process.once("SIGINT", stop).once("SIGTERM", stop)
  main.addObserver((exit) => {
    process.off("SIGINT", stop).off("SIGTERM", stop)
    if (Exit.isSuccess(exit) && becomes !== undefined) return becomes()
    process.exitCode = exitCodeOf(exit)
  })
}

const begin = (args: ReadonlyArray<string>): void => {
  const [text, unknown] = [answered(args), unknownOf(args)]
  if (text !== undefined) process.stdout.write(text)
  else if (unknown === undefined) execute()
  else {
    complain(plain(unknown))
    process.exitCode = usageExit
  }
}

begin(process.argv.slice(2))
