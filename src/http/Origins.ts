import type { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Either from "effect/Either"
import { left, right } from "effect/Either"

/** Sites whose pages may call this server from a browser, as `Origin` spells them: scheme, name and port. */
export type Origins = ReadonlySet<string>

const syntax = /^https?:\/\/(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/

/** Reads one origin of a setting; there is no `*`: each site is named. */
export const parseOrigin = (text: string): Either.Either<string, string> => {
  const origin = text.toLowerCase()
  return syntax.test(origin) ? right(origin) : left("expected an origin such as https://app.example")
}

/** The site whose page asks, if it may. */
export const admitted = (origins: Origins, { headers }: HttpServerRequest): string | undefined => {
  const origin = headers["origin"]?.toLowerCase()
  return origin !== undefined && origins.has(origin) ? origin : undefined
}

/** Whether a browser only asks whether its page may make a call. */
export const isPreflight = ({ headers, method }: HttpServerRequest): boolean =>
  method === "OPTIONS" && headers["access-control-request-method"] !== undefined

const sent = "authorization, content-type, last-event-id, traceparent, tracestate, b3"

/** The answer to such a question: it says nothing of what there is, the call itself is checked like every other. */
export const preflight = (origin: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.empty({
    status: 204,
    headers: {
      ...headersFor(origin),
      "access-control-allow-methods": "GET, POST",
      "access-control-allow-headers": sent,
      "access-control-max-age": "600"
    }
  })

/** What lets a page of that site read an answer. */
export const headersFor = (origin: string | undefined): Readonly<Record<string, string>> =>
  origin === undefined
    ? {}
    : { "access-control-allow-origin": origin, "access-control-expose-headers": "retry-after", vary: "origin" }
