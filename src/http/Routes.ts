import * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import * as SchemaAST from "effect/SchemaAST"
import { type Access, AccessOf } from "./Access.js"

/** One route, as data: what guards and generated tests go by. */
export interface Route {
  readonly name: string
  readonly method: string
  readonly path: string
  /** The path between its slashes; `undefined` stands for a parameter. */
  readonly segments: ReadonlyArray<string | undefined>
  /** Names of the query fields it knows. */
  readonly query: ReadonlySet<string>
  readonly access: Access
}

const segmentsOf = (path: string): ReadonlyArray<string> => path.split("/").slice(1)

/** The route table of an API. */
export const routesOf = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>
): ReadonlyArray<Route> => {
  const routes: Array<Route> = []
  HttpApi.reflect(api, {
    onGroup: () => undefined,
    onEndpoint: ({ endpoint, mergedAnnotations }) => {
      const fields = Option.map(endpoint.urlParamsSchema, ({ ast }) => SchemaAST.getPropertySignatures(ast))
      routes.push({
        name: endpoint.name,
        method: endpoint.method,
        path: endpoint.path,
        segments: segmentsOf(endpoint.path).map((segment) => (segment.startsWith(":") ? undefined : segment)),
        query: new Set(Option.getOrElse(fields, () => []).map((field) => String(field.name))),
        // Closed by default: who may call is said, or only an operator may.
        access: Option.getOrElse(Context.getOption(mergedAnnotations, AccessOf), (): Access => "admin")
      })
    }
  })
  return routes
}

/** The routes that share a path. */
export const routesAt = (routes: ReadonlyArray<Route>, path: string): ReadonlyArray<Route> => {
  const segments = segmentsOf(path)
  return routes.filter(
    (route) =>
      route.segments.length === segments.length &&
      route.segments.every((segment, i) => (segment === undefined ? segments[i] !== "" : segment === segments[i]))
  )
}

/** The methods of routes as the header `Allow` lists them; where GET works, HEAD works. */
export const allowed = (routes: ReadonlyArray<Route>): ReadonlyArray<string> =>
  routes.flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method])).sort()
