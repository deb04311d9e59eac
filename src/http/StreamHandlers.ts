import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { Engine } from "../Engine.js"
import { Api } from "./Contract.js"
import { invalid, type TooManyStreams } from "./Errors.js"
import { onTheWire } from "./Failures.js"
import { Feed, type Frame } from "./Feed.js"
import { HttpSettings } from "./Settings.js"

const eventType = "text/event-stream"

/** Where a reader was when its connection broke. */
const lastEventId = Effect.flatMap(HttpServerRequest, ({ headers }) => {
  const given = headers["last-event-id"]
  if (given === undefined || given === "") return Effect.succeed(undefined)
  return /^\d{1,18}$/.test(given)
    ? Effect.succeed(given)
    : Effect.fail(invalid("last-event-id", "expected the id of an event of this stream"))
})

const tooMany = (limit: number): TooManyStreams => ({
  _tag: "TooManyStreams",
  message: `${limit} streams are open, as many as this server serves; try again later`,
  limit
})

const isBytes = (frame: Frame): frame is Uint8Array => frame !== undefined

/** The calls that follow runs. */
export const layer = HttpApiBuilder.group(Api, "streams", (handlers) =>
  Effect.gen(function* () {
    const engine = yield* Engine
    const feed = yield* Feed
    const { maxStreams } = yield* HttpSettings
    let open = 0

    /** A place for as long as the request lasts. */
    const place = Effect.suspend(() => {
      if (open >= maxStreams) return Effect.fail(tooMany(maxStreams))
      open++
      return Effect.addFinalizer(() => Effect.sync(() => open--))
    })

    const respond = (frames: Queue.Dequeue<Frame>) =>
      HttpServerResponse.stream(Stream.takeWhile(Stream.fromQueue(frames), isBytes), { contentType: eventType })

    const isHead = Effect.map(HttpServerRequest, ({ method }) => method === "HEAD")
    const headers = HttpServerResponse.empty({ status: 200, headers: { "content-type": eventType } })

    return handlers
      .handleRaw("stream", ({ path }) =>
        Effect.gen(function* () {
          const after = yield* lastEventId
          yield* onTheWire(engine.resumability(path.runId))
          if (yield* isHead) return headers
          yield* place
          return respond(yield* feed.run(path.runId, after ?? "0"))
        })
      )
      .handleRaw("streamAll", () =>
        Effect.gen(function* () {
          const after = Option.fromNullable(yield* lastEventId)
          if (yield* isHead) return headers
          yield* place
          return respond(yield* feed.all(Option.getOrUndefined(Option.map(after, BigInt))))
        })
      )
  })
)
