import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Effect from "effect/Effect"
import { Api } from "../http/Contract.js"
import type { ClientOptions } from "./Options.js"

/** The client of the whole contract, with the token and where the server is. */
export const connect = ({ token, url }: ClientOptions) =>
  HttpApiClient.make(Api, {
    baseUrl: url,
    transformClient: HttpClient.mapRequest((request) =>
      token === undefined ? request : HttpClientRequest.bearerToken(request, token)
    )
  })

/** Every call of the contract. */
export type Http = Effect.Effect.Success<ReturnType<typeof connect>>
