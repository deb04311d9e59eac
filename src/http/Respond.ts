import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type ApiError, statusOf } from "./Errors.js"

/** An answer in the form its schema says; one that does not fit is a bug. */
export const answer = <A, I>(
  schema: Schema.Schema<A, I>,
  value: A,
  status = 200
): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.map(Effect.orDie(Schema.encode(schema)(value)), (body) => HttpServerResponse.unsafeJson(body, { status }))

/** The answer that tells of an error. */
export const refuse = (error: ApiError): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.unsafeJson(error, { status: statusOf(error) })
