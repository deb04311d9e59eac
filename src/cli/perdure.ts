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
import { plain } from "./Printing.js"
import { complain } from "./Process.js"
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

const main = Effect.runFork(Effect.provide(cli(process.argv), NodeContext.layer))
const stop = () => Effect.runFork(Fiber.interruptFork(main))
process.once("SIGINT", stop).once("SIGTERM", stop)
main.addObserver((exit) => {
  process.off("SIGINT", stop).off("SIGTERM", stop)
  if (Exit.isSuccess(exit) && becomes !== undefined) return becomes()
  process.exitCode = exitCodeOf(exit)
})
