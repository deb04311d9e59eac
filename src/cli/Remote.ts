import * as Options from "@effect/cli/Options"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { connect, type Http } from "../client/Connect.js"
import type { ClientOptions } from "../client/Options.js"
import { readConfiguration } from "./config.js"

/** A command ends with this status and, where there is something to say, a line on standard error. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly exitCode: number
  readonly message: string
}> {}

/** Status of a command that was given what it does not take. */
export const usageExit = 2
const unreachableExit = 3
/** Status of a command that asked for something that is not there. */
export const notFoundExit = 4

/** What all commands that ask a server take. */
export const remote = {
  url: Options.text("url").pipe(
    Options.withDescription("Where the server is; PERDURE_URL, or http://127.0.0.1:4400. Its token is PERDURE_TOKEN"),
    Options.optional
  ),
  json: Options.boolean("json").pipe(Options.withDescription("Print JSON, for programs"))
}

/** Where the server is, from the command line or the environment. */
export const serverOf = (url: Option.Option<string>): Effect.Effect<ClientOptions, CommandFailed> =>
  Effect.suspend(() => {
    const environment = { PERDURE_URL: Option.getOrUndefined(url) ?? process.env["PERDURE_URL"] }
    const { PERDURE_TOKEN } = process.env
    return Either.match(
      readConfiguration(PERDURE_TOKEN === undefined ? environment : { ...environment, PERDURE_TOKEN }),
      {
        onLeft: (problems) => Effect.fail(new CommandFailed({ exitCode: usageExit, message: problems.join("; ") })),
        onRight: ({ configuration: { token, url } }) => Effect.succeed(token === undefined ? { url } : { url, token })
      }
    )
  })

const exitOf = (tag: string): number => {
  if (tag === "Unreachable") return unreachableExit
  if (["RunNotFound", "WorkflowNotFound", "NodeNotFound", "SignalNotFound"].includes(tag)) return notFoundExit
  return tag === "InvalidInput" ? usageExit : 1
}

/** Ends a command with the message of an error. */
export const orFail = <A, E extends { readonly _tag: string; readonly message: string }, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, CommandFailed, R> =>
  Effect.mapError(effect, (error) =>
    error instanceof CommandFailed ? error : new CommandFailed({ exitCode: exitOf(error._tag), message: error.message })
  )

/** Runs a command against a server. */
export const withServer = <A, E extends { readonly _tag: string; readonly message: string }>(
  url: Option.Option<string>,
  use: (http: Http, options: ClientOptions, client: HttpClient.HttpClient) => Effect.Effect<A, E>
): Effect.Effect<A, CommandFailed> =>
  Effect.gen(function* () {
    const options = yield* serverOf(url)
    const http = yield* connect(options)
    const client = yield* HttpClient.HttpClient
    return yield* orFail(use(http, options, client)).pipe(
      Effect.mapError((error) =>
        error.exitCode === unreachableExit
          ? new CommandFailed({
              exitCode: unreachableExit,
              message: `${error.message} (asked at ${new URL(options.url).origin}; start it with perdure serve, or see PERDURE_URL and --url)`
            })
          : error
      )
    )
  }).pipe(Effect.provide(FetchHttpClient.layer))
