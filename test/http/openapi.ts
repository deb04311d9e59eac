import type * as OpenApi from "@effect/platform/OpenApi"

type Schema = { readonly [key: string]: unknown }

const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isType: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: (value) => Number.isInteger(value),
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
  array: Array.isArray,
  object: isObject
}

/** Words of a schema that say nothing about a value. */
const silent = new Set(["description", "title", "$id", "$comment", "format", "default", "examples"])

const known = new Set([
  ...silent,
  ...["$ref", "anyOf", "oneOf", "type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum"],
  ...[
    "exclusiveMinimum",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "patternProperties"
  ]
])

/** What of a value does not fit a schema, a line each; a word that this reader does not know is a line too. */
export const misfits = (
  document: OpenApi.OpenAPISpec,
  schema: Schema,
  value: unknown,
  path = "$"
): ReadonlyArray<string> => {
  const inside = (part: unknown, item: unknown, where: string) => misfits(document, part as Schema, item, where)
  const unknown = Object.keys(schema).filter((word) => !known.has(word))
  if (unknown.length > 0) return [`${path}: the schema says ${unknown.join(", ")}`]
  if (typeof schema["$ref"] === "string") {
    const name = schema["$ref"].split("/").at(-1)!
    const found = document.components.schemas[name]
    return found === undefined ? [`${path}: no schema ${name}`] : inside(found, value, path)
  }
  const choices = (schema["anyOf"] ?? schema["oneOf"]) as ReadonlyArray<Schema> | undefined
  if (choices !== undefined) {
    const all = choices.map((choice) => inside(choice, value, path))
    return all.some((lines) => lines.length === 0)
      ? []
      : [`${path}: fits none of ${choices.length}: ${all.flat().join("; ")}`]
  }
  const type = schema["type"]
  if (typeof type === "string" && isType[type]?.(value) !== true)
    return [`${path}: ${JSON.stringify(value)} is no ${type}`]
  if (Array.isArray(schema["enum"]) && !schema["enum"].includes(value))
    return [`${path}: ${String(value)} is not in the list`]
  if (
    typeof value === "string" &&
    typeof schema["pattern"] === "string" &&
    !new RegExp(schema["pattern"]).test(value)
  ) {
    return [`${path}: ${value} does not fit ${schema["pattern"]}`]
  }
  if (Array.isArray(value))
    return value.flatMap((item, index) => inside(schema["items"] ?? {}, item, `${path}[${index}]`))
  return isObject(value) ? fieldsOf(document, schema, value, path) : []
}

const fieldsOf = (
  document: OpenApi.OpenAPISpec,
  schema: Schema,
  value: { readonly [key: string]: unknown },
  path: string
): ReadonlyArray<string> => {
  const properties = (schema["properties"] ?? {}) as { readonly [name: string]: Schema }
  const required = (schema["required"] ?? []) as ReadonlyArray<string>
  const extra = schema["additionalProperties"]
  const missing = required.filter((name) => !Object.hasOwn(value, name)).map((name) => `${path}: ${name} is missing`)
  const misfitting = Object.entries(value).flatMap(([name, item]) => {
    if (Object.hasOwn(properties, name)) return misfits(document, properties[name]!, item, `${path}.${name}`)
    if (extra === false) return [`${path}: ${name} is not expected`]
    return isObject(extra) ? misfits(document, extra, item, `${path}.${name}`) : []
  })
  return [...missing, ...misfitting]
}

/** What of an answer the document does not foresee. */
export const unforeseen = (
  document: OpenApi.OpenAPISpec,
  operation: OpenApi.OpenAPISpecOperation,
  answer: { readonly status: number; readonly contentType: string; readonly body: unknown }
): ReadonlyArray<string> => {
  const response = operation.responses?.[answer.status as 200]
  if (response === undefined) return [`${operation.operationId}: no status ${answer.status}`]
  const content = (response.content ?? {}) as Readonly<Record<string, { readonly schema: Schema }>>
  const media = Object.entries(content).find(([type]) => answer.contentType.startsWith(type.split(";")[0]!))
  if (media === undefined) return [`${operation.operationId}: no ${answer.contentType} at ${answer.status}`]
  return answer.contentType.startsWith("application/json") ? misfits(document, media[1].schema, answer.body) : []
}
