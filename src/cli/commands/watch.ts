import type * as HttpClient from "@effect/platform/HttpClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { RunNews } from "../../client/Client.js"
import { follow } from "../../client/Follow.js"
import type { ClientOptions } from "../../client/Options.js"
import type { RunStatus } from "../../model/Status.js"
import { line, plain } from "../Printing.js"
import { CommandFailed, orFail } from "../Remote.js"

const shown = (news: RunNews): string => {
  if (news._tag !== "Event") return `${news.status}${news.reason === undefined ? "" : `: ${news.reason}`}`
  const { at, attempt, detail, firing, kind, nodeId } = news.event
  const place = nodeId === undefined ? "" : ` ${nodeId}/${firing}${(attempt ?? 1) > 1 ? ` attempt ${attempt}` : ""}`
  return `${at.toISOString()} ${kind}${place}${detail === undefined ? "" : ` ${detail}`}`
}

/** Follows a run to its end; fails unless it has completed. */
export const watch = (
  client: HttpClient.HttpClient,
  options: ClientOptions,
  runId: string,
  asJson: boolean
): Effect.Effect<void, CommandFailed> =>
  Effect.gen(function* () {
    const seen: { status: RunStatus } = { status: "pending" }
    const print = (news: RunNews) => {
      if (news._tag !== "Event") seen.status = news.status
      if (asJson) return Console.log(plain(JSON.stringify(news)))
      // The status stands above already.
      return news._tag === "End" ? Effect.void : line(shown(news))
    }
    yield* orFail(Stream.runForEach(follow(client, options)(runId), print))
    if (seen.status !== "completed") {
      return yield* new CommandFailed({ exitCode: 1, message: `the run is ${seen.status}` })
    }
  })
