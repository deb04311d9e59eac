import type { IncomingMessage } from "node:http"
import type { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import { fromJsonText, isStorable, type Json, toColumnText } from "../model/Json.js"
import { Limits } from "../model/Limits.js"
import type { BodyTooLarge, InvalidInput, InvalidJson, UnsupportedMediaType } from "./Errors.js"
import { invalid } from "./Errors.js"
import { HttpSettings } from "./Settings.js"

const tooLarge = (limitBytes: number): BodyTooLarge => ({
  _tag: "BodyTooLarge",
  message: `the body is larger than ${limitBytes} bytes`,
  limitBytes
})

const invalidJson = (reason: string): InvalidJson => ({
  _tag: "InvalidJson",
  message: `the body is not JSON: ${reason}`
})

const unsupported = (message: string): UnsupportedMediaType => ({ _tag: "UnsupportedMediaType", message })

/** Reads a body as long as it stays within the limit; beyond it nothing more is kept. */
const collect = (source: IncomingMessage, limitBytes: number): Effect.Effect<Buffer, BodyTooLarge> =>
  Effect.async((resume) => {
    if (Number(source.headers["content-length"] ?? 0) > limitBytes) return resume(Effect.fail(tooLarge(limitBytes)))
    const chunks: Array<Buffer> = []
    let size = 0
    const detach = () => {
      source.off("data", onData).off("end", onEnd).off("error", onLost).off("close", onLost)
    }
    const settle = (result: Effect.Effect<Buffer, BodyTooLarge>) => {
      detach()
      resume(result)
    }
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > limitBytes) return settle(Effect.fail(tooLarge(limitBytes)))
      chunks.push(chunk)
    }
    const onEnd = () => settle(Effect.succeed(Buffer.concat(chunks)))
    // Nobody is there any more to be answered.
    const onLost = () => settle(Effect.interrupt)
    source.on("data", onData).on("end", onEnd).on("error", onLost).on("close", onLost)
    return Effect.sync(detach)
  })

const jsonType = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

const checkType = (headers: IncomingMessage["headers"]): Effect.Effect<void, UnsupportedMediaType> => {
  const type = headers["content-type"]
  if (type === undefined) return Effect.fail(unsupported("a body wants the header content-type: application/json"))
  if (!jsonType.test(type.trim())) return Effect.fail(unsupported("expected content-type: application/json in UTF-8"))
  if (!["identity", undefined].includes(headers["content-encoding"])) {
    return Effect.fail(unsupported("compressed bodies are not taken"))
  }
  return Effect.void
}

/** A path as an error names it: long ones are cut, and no character of it can disturb a log. */
const fieldOf = (path: ReadonlyArray<PropertyKey>): string => {
  const shown = path.length > 12 ? [...path.slice(0, 12), "…"] : path
  const field = shown.map(String).join(".")
  return toColumnText(field.length > 400 ? `${field.slice(0, 400)}…` : field)
}

/** Whether a value has more keys than these. */
const exceeds = (value: Json, most: number): boolean => {
  let count = 0
  const waiting: Array<Json> = [value]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (typeof next !== "object" || next === null) continue
    const items = Object.values(next)
    if (!Array.isArray(next)) count += items.length
    if (count > most) return true
    for (const item of items) if (typeof item === "object" && item !== null) waiting.push(item)
  }
  return false
}

/** The place of a string or key with a NUL or a lone surrogate: other systems could not keep it as it is. */
const unstorable = (value: Json): ReadonlyArray<string | number> | undefined => {
  if (typeof value === "string") return isStorable(value) ? undefined : []
  if (typeof value !== "object" || value === null) return undefined
  for (const [key, item] of Object.entries(value)) {
    const inside = isStorable(key) ? unstorable(item) : []
    if (inside !== undefined) return [key, ...inside]
  }
  return undefined
}

const parse = (bytes: Buffer): Either.Either<Json, InvalidJson | InvalidInput> => {
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return Either.left(invalidJson("it is not UTF-8"))
  }
  const value = fromJsonText(text)
  if (Either.isLeft(value)) {
    const { message, path } = value.left
    return Either.left(path.length === 0 ? invalidJson(message) : invalid(fieldOf(path), message))
  }
  if (exceeds(value.right, Limits.bodyKeys))
    return Either.left(invalid("body", `has more than ${Limits.bodyKeys} keys`))
  const place = unstorable(value.right)
  return place === undefined
    ? Either.right(value.right)
    : Either.left(invalid(fieldOf(place.length === 0 ? ["body"] : place), "holds a NUL or a lone surrogate"))
}

const decode = <A, I>(schema: Schema.Schema<A, I>, value: Json): Either.Either<A, InvalidInput> => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return Either.left(invalid("body", "expected an object"))
  }
  return Either.mapLeft(ParseResult.decodeUnknownEither(schema)(value), (issue) => {
    const [first] = ParseResult.ArrayFormatter.formatIssueSync(issue)
    return invalid(fieldOf(first?.path ?? []), first?.message ?? "does not fit")
  })
}

type BodyError = BodyTooLarge | InvalidInput | InvalidJson | UnsupportedMediaType

/** A body as it came: its bytes, for whoever has to check them, and the JSON they are. */
export const readSigned = (
  request: HttpServerRequest
): Effect.Effect<
  { readonly bytes: Buffer; readonly json: () => Either.Either<Json, InvalidInput | InvalidJson> },
  BodyError
> =>
  Effect.gen(function* () {
    const source = NodeHttpServerRequest.toIncomingMessage(request)
    yield* checkType(source.headers)
    const { bodyLimitBytes } = yield* HttpSettings
    const bytes = yield* collect(source, bodyLimitBytes)
    return { bytes, json: () => parse(bytes) }
  })

/** Reads a JSON body: type, size, syntax, values, shape; the first that is wrong is the answer. */
export const readBody = <A, I>(request: HttpServerRequest, schema: Schema.Schema<A, I>): Effect.Effect<A, BodyError> =>
  Effect.gen(function* () {
    const source = NodeHttpServerRequest.toIncomingMessage(request)
    yield* checkType(source.headers)
    const { bodyLimitBytes } = yield* HttpSettings
    const value = yield* parse(yield* collect(source, bodyLimitBytes))
    return yield* decode(schema, value)
  })

/** The same where a body may be missing altogether. */
export const readOptionalBody = <A, I>(
  request: HttpServerRequest,
  schema: Schema.Schema<A, I>
): Effect.Effect<A | undefined, BodyError> => {
  const { headers } = NodeHttpServerRequest.toIncomingMessage(request)
  const isEmpty = Number(headers["content-length"] ?? 0) === 0 && headers["transfer-encoding"] === undefined
  return isEmpty ? Effect.succeed(undefined) : readBody(request, schema)
}
