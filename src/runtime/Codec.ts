import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import type { NodeDefinition } from "../definition/NodeDefinition.js"
import { discreet, holdsSecrets } from "../definition/Secrets.js"
import type { EncodedValue } from "../model/Firing.js"
import { fromJsonText, type Json, type NotJson, toJsonText } from "../model/Json.js"
import { Limits } from "../model/Limits.js"
import { type Plain, plainOf, unsettled } from "../model/Plain.js"

type AnySchema = Schema.Schema.AnyNoContext

/** Why a value was refused, with the path to the place. */
export interface Refusal {
  readonly path: ReadonlyArray<string | number>
  readonly message: string
}

/** A schema compiled once, between values and their stored form. */
export interface ValueCodec {
  /** Encodes, makes the JSON round trip and decodes again, so that what is stored is known to be readable. */
  readonly encode: (value: unknown) => Either.Either<EncodedValue, Refusal>
  /** Decodes the JSON of a message or of a request. */
  readonly decode: (value: unknown) => Either.Either<unknown, Refusal>
}

const compiled = new WeakMap<AnySchema, ValueCodec>()

/** The codec of a schema. */
export const codecOf = (schema: AnySchema): ValueCodec => {
  const known = compiled.get(schema)
  if (known !== undefined) return known
  const encodeSchema = ParseResult.encodeUnknownEither(schema)
  const decodeSchema = ParseResult.decodeUnknownEither(schema)
  const refusal = holdsSecrets(schema) ? toDiscreetRefusal : toRefusal
  const plain = plainOf(schema) ?? leave
  const decode: ValueCodec["decode"] = (value) => {
    const read = plain(value)
    return read === unsettled ? Either.mapLeft(guarded(decodeSchema, value), refusal) : Either.right(read)
  }
  const codec: ValueCodec = {
    decode,
    encode: (value) => {
      // What is plain is JSON, and what JSON gives back: it makes no round trip.
      const copy = plain(value)
      const text = copy === unsettled ? undefined : JSON.stringify(copy)
      if (text !== undefined && text.length <= Limits.payloadBytes) return Either.right({ text, value: copy as Json })
      const encoded = guarded(encodeSchema, value)
      if (Either.isLeft(encoded)) return Either.left(refusal(encoded.left))
      const json = toJsonText(encoded.right)
      if (Either.isLeft(json)) return Either.left(json.left)
      if (json.right.text.length > Limits.payloadBytes) {
        return Either.left({ path: [], message: `larger than ${Limits.payloadBytes} bytes` })
      }
      const back = decode(json.right.value)
      return Either.isLeft(back) ? Either.left(back.left) : Either.right(json.right)
    }
  }
  compiled.set(schema, codec)
  return codec
}

/** Leaves every value to its schema. */
const leave: Plain = () => unsettled

/** Parses text from outside or from a row, without its schema. */
export const parseJson = (text: string): Either.Either<Json, NotJson> => fromJsonText(text)

/** A schema is code of others and may throw: a recursive one does, on a value deeper than the stack. */
const guarded = <A>(
  run: (value: unknown) => Either.Either<A, ParseResult.ParseIssue>,
  value: unknown
): Either.Either<A, ParseResult.ParseIssue | Refusal> => {
  try {
    return run(value)
  } catch (defect) {
    const message = defect instanceof RangeError ? "nested too deeply" : `its schema failed: ${String(defect)}`
    return Either.left({ path: [], message })
  }
}

const toRefusal = (issue: ParseResult.ParseIssue | Refusal): Refusal => {
  if (!("_tag" in issue)) return issue
  const [first] = ParseResult.ArrayFormatter.formatIssueSync(issue)
  return first === undefined
    ? { path: [], message: "does not fit its schema" }
    : { path: first.path.map((part) => (typeof part === "number" ? part : String(part))), message: first.message }
}

/** The same where a value may hold a secret: its schema may have thrown with it in its hands. */
const toDiscreetRefusal = (issue: ParseResult.ParseIssue | Refusal): Refusal =>
  "_tag" in issue ? toRefusal(discreet(issue)) : { path: [], message: "its schema failed" }

/** `input.order.amount`, as errors name a field. */
export const fieldName = (root: string, path: ReadonlyArray<string | number>): string => [root, ...path].join(".")

/** The codecs of one node. */
export interface NodeCodec {
  readonly definition: NodeDefinition
  readonly inputs: ReadonlyMap<string, ValueCodec>
  readonly outputs: ReadonlyMap<string, ValueCodec>
  readonly error: ValueCodec | undefined
  readonly payload: ValueCodec | undefined
  readonly state: ValueCodec | undefined
  /** Whether it has an output that may be a stream. */
  readonly givesStreams: boolean
}

/** Compiles every schema of a node. */
export const compileNode = (definition: NodeDefinition): NodeCodec => {
  const all = (record: { readonly [name: string]: { readonly schema: AnySchema } }) =>
    new Map(Object.entries(record).map(([name, { schema }]) => [name, codecOf(schema)]))
  const maybe = (schema: AnySchema | undefined) => (schema === undefined ? undefined : codecOf(schema))
  return {
    definition,
    inputs: all(definition.inputs),
    outputs: all(definition.outputs),
    error: maybe(definition.error),
    payload: maybe(definition.payload),
    state: maybe(definition.state),
    givesStreams: Object.values(definition.outputs).some(({ mode }) => mode === "many")
  }
}
