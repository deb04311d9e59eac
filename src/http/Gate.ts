import type * as Headers from "@effect/platform/Headers"
import type * as HttpApp from "@effect/platform/HttpApp"
import { isServerError } from "@effect/platform/HttpServerError"
import { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { includes } from "./Access.js"
import type { ApiError } from "./Errors.js"
import { invalid } from "./Errors.js"
import { internalError } from "./Failures.js"
import { admitted, headersFor, isPreflight, type Origins, preflight } from "./Origins.js"
import { refuse } from "./Respond.js"
import { allowed, type Route, routesAt } from "./Routes.js"
import { findToken, type Token } from "./Tokens.js"

/** What the gate knows of the server. */
export interface GateOptions {
  readonly routes: ReadonlyArray<Route>
  /** Names and ports the server goes by, as `Host` spells them; `undefined` lets every name through. */
  readonly hosts: ReadonlySet<string> | undefined
  readonly origins: Origins
  /** Who may call; with none, everybody may. */
  readonly tokens: ReadonlyArray<Token>
  /** Says how many seconds a caller has to wait, at a time in milliseconds. */
  readonly limit: (caller: string, now: number) => number
}

/** Neither a browser nor a proxy may keep an answer, or take it for something else than data. */
const headers = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff"
} as const

/** What is common to all requests: who is asked, what for, by whom. */
const check = (request: HttpServerRequest, options: GateOptions): Either.Either<Route, ApiError> =>
  Either.gen(function* () {
    yield* checkHost(request, options.hosts)
    const { path, query } = yield* splitUrl(request.url)
    const routes = routesAt(options.routes, path)
    const token = yield* checkToken(request, routes, options.tokens)
    if (routes.length === 0) {
      return yield* Either.left<ApiError>({ _tag: "RouteNotFound", message: `no such path: ${path}`, path })
    }
    const route = routes.find(
      ({ method }) => method === request.method || (method === "GET" && request.method === "HEAD")
    )
    if (route === undefined) {
      const allow = allowed(routes)
      const message = `${request.method} is not allowed here, only ${allow.join(", ")}`
      return yield* Either.left<ApiError>({ _tag: "MethodNotAllowed", message, allow: [...allow] })
    }
    yield* checkScope(token, route, options.tokens)
    yield* checkOrigin(request, route, options)
    yield* checkQuery(query, route)
    return route
  })

const checkHost = ({ headers }: HttpServerRequest, hosts: GateOptions["hosts"]): Either.Either<void, ApiError> => {
  const host = headers["host"]?.toLowerCase() ?? ""
  return hosts === undefined || hosts.has(host)
    ? Either.void
    : Either.left({ _tag: "ForbiddenHost", message: "this server does not go by that name" })
}

const unauthorized = Either.left<ApiError>({
  _tag: "Unauthorized",
  message: "this call wants a token of this server: authorization: Bearer …"
})

const isOpen = ({ access }: Route): boolean => access === "public" || access === "signed"

/**
 * Without a token of ours only what is open to all is answered: not even which paths there are is told.
 *
 * **Details** A path may have an open method beside a closed one; then the method has to be the open one.
 */
const checkToken = (
  request: HttpServerRequest,
  routes: ReadonlyArray<Route>,
  tokens: ReadonlyArray<Token>
): Either.Either<Token | undefined, ApiError> => {
  if (tokens.length === 0) return Either.right(undefined)
  const method = request.method === "HEAD" ? "GET" : request.method
  if (routes.some((route) => route.method === method && isOpen(route))) return Either.right(undefined)
  const token = findToken(tokens, request.headers["authorization"])
  return token === undefined ? unauthorized : Either.right(token)
}

const checkScope = (
  token: Token | undefined,
  { access }: Route,
  tokens: ReadonlyArray<Token>
): Either.Either<void, ApiError> => {
  if (tokens.length === 0 || access === "public" || access === "signed") return Either.void
  if (token === undefined) return unauthorized
  return includes(token.scope, access)
    ? Either.void
    : Either.left({ _tag: "Forbidden", message: `this call wants a token of scope ${access}`, scope: access })
}

/** A browser says where a request that changes something comes from. */
const checkOrigin = (
  request: HttpServerRequest,
  route: Route,
  { origins, tokens }: GateOptions
): Either.Either<void, ApiError> => {
  const origin = request.headers["origin"]?.toLowerCase()
  const host = request.headers["host"]?.toLowerCase()
  // With tokens a proxy may stand before this server that speaks TLS.
  const isOwn = origin === `http://${host}` || (tokens.length > 0 && origin === `https://${host}`)
  return route.method === "GET" || origin === undefined || isOwn || admitted(origins, request) !== undefined
    ? Either.void
    : Either.left({ _tag: "ForbiddenOrigin", message: "pages of other sites may not call this" })
}

/** What RFC 3986 allows in a path, but `;`, which some routers read as the start of a query. */
const pathSyntax = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,=:@/]|%[0-9A-Fa-f]{2})*$/
const querySyntax = /^(?:[A-Za-z0-9\-._~!$&'()*+,=:@/?]|%[0-9A-Fa-f]{2})*$/

const splitUrl = (url: string): Either.Either<{ readonly path: string; readonly query: string }, ApiError> => {
  const mark = url.indexOf("?")
  const [path, query] = mark === -1 ? [url, ""] : [url.slice(0, mark), url.slice(mark + 1)]
  if (!pathSyntax.test(path) || decoded(path) === undefined) {
    return Either.left(invalid("path", "is not a well-formed path"))
  }
  return querySyntax.test(query)
    ? Either.right({ path, query })
    : Either.left(invalid("query", "is not a well-formed query"))
}

/** The text behind the percent signs, if it is UTF-8. */
const decoded = (encoded: string): string | undefined => {
  try {
    return decodeURIComponent(encoded)
  } catch {
    return undefined
  }
}

/** Every field once, known to the route and free of what no value may hold. */
const checkQuery = (query: string, route: Route): Either.Either<void, ApiError> => {
  const seen = new Set<string>()
  for (const pair of query.split("&").filter((part) => part !== "")) {
    const [name, ...value] = pair.split("=")
    const key = decoded(name ?? "")
    if (key === undefined || !route.query.has(key)) {
      return Either.left(invalid(key || "query", "is not a field of this query"))
    }
    const text = decoded(value.join("="))
    if (text === undefined || text.includes("\u0000")) return Either.left(invalid(key, "is not well-formed text"))
    if (seen.has(key)) return Either.left(invalid(key, "is given twice"))
    seen.add(key)
  }
  return Either.void
}

/** What the application could not answer itself: an id for us, and nothing more for the client. */
const rescue = (cause: Cause.Cause<unknown>, url: string) => {
  const error = Option.getOrUndefined(Cause.failureOption(cause))
  return isServerError(error) && error._tag === "RouteNotFound"
    ? Effect.succeed(refuse({ _tag: "RouteNotFound", message: "no such path", path: url }))
    : Effect.map(internalError(cause), refuse)
}

/** Stands before the application: refuses what no handler has to see, and answers where a handler failed. */
export const guarded =
  (options: GateOptions) =>
  <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<never, R> =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest
      const now = yield* Clock.currentTimeMillis
      const wait = options.limit(
        Option.getOrElse(request.remoteAddress, () => ""),
        now
      )
      const site = admitted(options.origins, request)
      if (wait > 0) return withHeaders(refuse(tooMany(wait)), site, tooMany(wait))
      if (site !== undefined && isPreflight(request)) {
        const host = checkHost(request, options.hosts)
        return Either.isLeft(host)
          ? withHeaders(refuse(host.left), site, host.left)
          : withHeaders(preflight(site), site)
      }
      const route = check(request, options)
      if (Either.isLeft(route)) return withHeaders(refuse(route.left), site, route.left)
      const response = yield* Effect.catchAllCause(app, (cause) =>
        Cause.isInterruptedOnly(cause) ? Effect.failCause(cause as Cause.Cause<never>) : rescue(cause, request.url)
      )
      return withHeaders(response, site)
    })

const tooMany = (wait: number): ApiError => ({
  _tag: "TooManyRequests",
  message: `too many calls from one address; the next in ${wait} s`,
  retryAfterSeconds: wait
})

/** Headers that belong to an error. */
const headersOf = (error: ApiError | undefined): Headers.Input => {
  switch (error?._tag) {
    case "MethodNotAllowed":
      return { allow: error.allow.join(", ") }
    case "Unauthorized":
      return { "www-authenticate": "Bearer" }
    case "TooManyRequests":
      return { "retry-after": String(error.retryAfterSeconds) }
    default:
      return {}
  }
}

const withHeaders = (response: HttpServerResponse.HttpServerResponse, site: string | undefined, error?: ApiError) => {
  // A page or a stream may say more exactly how it is to be treated.
  return HttpServerResponse.setHeaders(response, {
    ...headers,
    ...response.headers,
    ...headersFor(site),
    ...headersOf(error)
  })
}
