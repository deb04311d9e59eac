import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as ParseResult from "effect/ParseResult"
import { Api } from "../http/Contract.js"
import { UnexpectedAnswer } from "./Errors.js"
import type { ClientOptions } from "./Options.js"

/** An answer that can't be read is another matter than a call that can't be written, which fails with a `ParseError`, too. */
const readable = (answer: Effect.Effect<unknown, unknown>): Effect.Effect<unknown, unknown> =>
  Effect.mapError(answer, (error) =>
    ParseResult.isParseError(error) ? new UnexpectedAnswer({ reason: error.message }) : error
  )

/** The client of the whole contract, with the token and where the server is. */
export const connect = ({ token, url }: ClientOptions) =>
  HttpApiClient.make(Api, {
    baseUrl: url,
    transformResponse: readable,
    transformClient: HttpClient.mapRequest((request) =>
      token === undefined ? request : HttpClientRequest.bearerToken(request, token)
    )
  })

/** Every call of the contract. */
export type Http = Effect.Effect.Success<ReturnType<typeof connect>>
