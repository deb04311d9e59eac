import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { runIdFrom } from "../engine/Requests.js"
import * as Errors from "../http/Errors.js"
import * as Shapes from "../http/Shapes.js"
import { RunStatus } from "../model/Status.js"
import type { ClientApi, RunNews } from "./Client.js"
import { UnexpectedAnswer } from "./Errors.js"
import type { ClientOptions } from "./Options.js"
import { persistently } from "./Patience.js"
import { type ServerEvent, serverEvents } from "./ServerEvents.js"
import { locally } from "./Trouble.js"

const Standing = Schema.parseJson(
  Schema.Struct({ status: RunStatus, reason: Schema.optionalWith(Schema.String, { exact: true }) })
)

const decodeStanding = Schema.decode(Standing)
const decodeEvent = Schema.decode(Schema.parseJson(Shapes.Events.fields.events.value))

const decodeRefusal = Schema.decodeUnknown(
  Schema.Union(
    Errors.RunNotFound,
    Errors.InvalidInput,
    Errors.Unauthorized,
    Errors.Forbidden,
    Errors.ForbiddenHost,
    Errors.TooManyRequests,
    Errors.TooManyStreams,
    Errors.DatabaseUnavailable,
    Errors.InternalError
  )
)

const newsOf = ({ data, event }: ServerEvent) => {
  switch (event) {
    case "event":
      return Effect.map(decodeEvent(data), (told): ReadonlyArray<RunNews> => [{ _tag: "Event", event: told }])
    case "status":
      return Effect.map(decodeStanding(data), (told): ReadonlyArray<RunNews> => [{ _tag: "Status", ...told }])
    case "end":
      return Effect.map(decodeStanding(data), (told): ReadonlyArray<RunNews> => [{ _tag: "End", ...told }])
    default:
      return Effect.succeed([])
  }
}

/** A refusal, as the error it tells. */
const refusalOf = (response: HttpClientResponse.HttpClientResponse) =>
  response.json.pipe(
    Effect.flatMap(decodeRefusal),
    Effect.flatMap((error) => Effect.fail(error)),
    locally
  )

/** How long it is waited before a stream that broke is opened again. */
const pause = Duration.millis(500)

/** Where a reader is. */
interface Place {
  last: string | undefined
  hasEnded: boolean
}

const request = ({ token, url }: ClientOptions, runId: string, { last }: Place) => {
  const plain = HttpClientRequest.get(`${url.replace(/\/$/, "")}/api/runs/${encodeURIComponent(runId)}/stream`)
  const authorized = token === undefined ? plain : HttpClientRequest.bearerToken(plain, token)
  return last === undefined ? authorized : HttpClientRequest.setHeader(authorized, "last-event-id", last)
}

const newsIn = (
  response: HttpClientResponse.HttpClientResponse,
  place: Place
): Stream.Stream<RunNews, UnexpectedAnswer> =>
  serverEvents(response.stream).pipe(
    // A connection that breaks is a stream that ends early: it is opened again.
    Stream.catchAll(() => Stream.empty),
    Stream.mapEffect((event) => {
      place.last = event.id ?? place.last
      place.hasEnded ||= event.event === "end"
      return Effect.mapError(newsOf(event), (error) => new UnexpectedAnswer({ reason: error.message }))
    }),
    Stream.flattenIterables
  )

/** Follows runs over server-sent events; a connection that breaks is opened again where it was. */
export const follow =
  (client: HttpClient.HttpClient, options: ClientOptions): ClientApi["follow"] =>
  (id) =>
    Stream.suspend(() => {
      const place: Place = { last: undefined, hasEnded: false }
      const open = Effect.gen(function* () {
        const runId = yield* runIdFrom(id)
        const response = yield* persistently(locally(client.execute(request(options, runId, place))))
        return response.status === 200 ? newsIn(response, place) : yield* refusalOf(response)
      })
      const once = Stream.unwrap(open)
      const more = Stream.suspend(() =>
        place.hasEnded ? Stream.empty : Stream.concat(Stream.fromEffectOption(wait), again)
      )
      const again: typeof once = Stream.concat(once, more)
      return again
    })

/** A pause that gives nothing. */
const wait = Effect.zipRight(Effect.sleep(pause), Effect.fail(Option.none()))
