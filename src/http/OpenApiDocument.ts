import type * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { routesOf } from "./Routes.js"

/** What `OpenApi` adds of its own, and what this server answers in another form. */
const foreign = new Set(["HttpApiDecodeError", "Issue", "PropertyKey"])

type Document = OpenApi.OpenAPISpec

const isForeign = (schema: unknown): boolean =>
  typeof schema === "object" &&
  schema !== null &&
  "$ref" in schema &&
  [...foreign].some((name) => schema.$ref === `#/components/schemas/${name}`)

/** The schema without its foreign part; a choice between one is that one. */
const withoutForeign = (schema: object): object => {
  if (!("anyOf" in schema) || !Array.isArray(schema.anyOf)) return schema
  const kept = schema.anyOf.filter((each) => !isForeign(each))
  return kept.length === 1 ? kept[0] : { ...schema, anyOf: kept }
}

/** Changes every schema of a response. */
const mapResponses = (operation: OpenApi.OpenAPISpecOperation): OpenApi.OpenAPISpecOperation["responses"] =>
  Object.fromEntries(
    Object.entries(operation.responses ?? {}).map(([status, response]) => [
      status,
      {
        ...response,
        ...(response.content === undefined
          ? {}
          : {
              content: Object.fromEntries(
                Object.entries(response.content).map(([type, media]) => [
                  type,
                  { ...media, schema: withoutForeign(media?.schema ?? {}) }
                ])
              )
            })
      }
    ])
  ) as OpenApi.OpenAPISpecOperation["responses"]

/** `/api/runs/{runId}`, as the route table writes it. */
const routePath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ":$1")

/**
 * The OpenAPI document of an API, derived from the very schemas that requests are read and answers are written with.
 *
 * **Details** Each operation says in `x-access` who may call it: `public`, `signed`, or a token's scope.
 */
export const documentOf = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>
): Document => {
  const spec = OpenApi.fromApi(api)
  const access = new Map(routesOf(api).map((route) => [`${route.method} ${route.path}`, route.access]))
  const paths = Object.entries(spec.paths).map(([path, item]) => [
    path,
    Object.fromEntries(
      Object.entries(item).map(([method, operation]: [string, OpenApi.OpenAPISpecOperation]) => {
        const who = access.get(`${method.toUpperCase()} ${routePath(path)}`) ?? "admin"
        return [
          method,
          {
            ...operation,
            responses: mapResponses(operation),
            security: who === "public" || who === "signed" ? [] : [{ token: [] }],
            "x-access": who
          }
        ]
      })
    )
  ])
  const schemas = Object.entries(spec.components.schemas).filter(([name]) => !foreign.has(name))
  return {
    ...spec,
    paths: Object.fromEntries(paths),
    components: {
      ...spec.components,
      schemas: Object.fromEntries(schemas),
      securitySchemes: { token: { type: "http", scheme: "bearer", description: "needed where tokens are set" } }
    }
  }
}
