import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { Limits } from "./Limits.js"

/** What {@link Plain} gives for a value that it leaves to the schema itself. */
export const unsettled: unique symbol = Symbol("perdure/Plain/unsettled")

/**
 * Gives what decoding a value by a schema gives, and encoding it too, or {@link unsettled}.
 *
 * **Details** Objects and arrays are copies, without properties that the schema does not know.
 */
export type Plain = (value: unknown) => unknown

/**
 * The short way through a schema whose values are JSON as they are, or nothing, if they aren't or it can't be told.
 *
 * **Details** Structs, records, arrays, tuples and unions of strings, numbers, booleans, literals and null, with filters and brands. Whatever
 * it does not take, refused values among them, is left to the schema itself, which also words the refusal. Through `ParseResult` each property
 * of each value makes several objects: a fifth of what a woken run allocated, while the collector took a sixth of the time. See
 * `bench/PROFILE.md`.
 */
export const plainOf = (schema: Schema.Schema.AnyNoContext): Plain | undefined => {
  const read = compile(schema.ast, 0)
  if (read === undefined) return undefined
  return (value) => {
    try {
      return read(value)
    } catch {
      // A filter is code of others: the schema meets what it threw again, where that is told.
      return unsettled
    }
  }
}

const compile = (ast: AST.AST, depth: number): Plain | undefined => {
  if (depth > Limits.plainDepth || hasOwnWays(ast)) return undefined
  switch (ast._tag) {
    case "StringKeyword":
      return string
    case "NumberKeyword":
      return number
    case "BooleanKeyword":
      return boolean
    case "Literal":
      return literal(ast.literal)
    case "Refinement":
      return refinement(ast, depth)
    case "TypeLiteral":
      return ast.indexSignatures.length === 0 ? struct(ast, depth) : record(ast, depth)
    case "TupleType":
      return tuple(ast, depth)
    case "Union":
      return union(ast.types, depth)
    default:
      return undefined
  }
}

/** Whether an annotation changes how values are read. */
const hasOwnWays = (ast: AST.AST): boolean =>
  Option.isSome(AST.getParseOptionsAnnotation(ast)) || Option.isSome(AST.getDecodingFallbackAnnotation(ast))

const string: Plain = (value) => (typeof value === "string" ? value : unsettled)
const boolean: Plain = (value) => (typeof value === "boolean" ? value : unsettled)

/** Negative zero has to be written in a way of its own. */
const isPlainNumber = (value: unknown): boolean => Number.isFinite(value) && !Object.is(value, -0)

const number: Plain = (value) => (isPlainNumber(value) ? value : unsettled)

const literal = (expected: AST.LiteralValue): Plain | undefined => {
  if (typeof expected === "bigint" || (typeof expected === "number" && !isPlainNumber(expected))) return undefined
  return (value) => (value === expected && !Object.is(value, -0) ? value : unsettled)
}

const refinement = (ast: AST.Refinement, depth: number): Plain | undefined => {
  const from = compile(ast.from, depth)
  if (from === undefined) return undefined
  return (value) => {
    const read = from(value)
    return read === unsettled || Option.isSome(ast.filter(read, AST.defaultParseOption, ast)) ? unsettled : read
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Assigned, it would change what the object inherits. */
const prototypeKey = "__proto__"

const struct = ({ propertySignatures }: AST.TypeLiteral, depth: number): Plain | undefined => {
  // Without a property it takes all values but null.
  if (propertySignatures.length === 0) return undefined
  const properties: Array<{ readonly name: string; readonly isOptional: boolean; readonly read: Plain }> = []
  for (const { isOptional, name, type } of propertySignatures) {
    const read = isOptional ? optional(type, depth + 1) : compile(type, depth + 1)
    if (read === undefined || typeof name !== "string" || name === prototypeKey) return undefined
    properties.push({ name, isOptional, read })
  }
  return (value) => {
    if (!isRecord(value)) return unsettled
    const copy: Record<string, unknown> = {}
    for (const { isOptional, name, read } of properties) {
      if (isOptional && !Object.hasOwn(value, name)) continue
      const property = read(value[name])
      if (property === unsettled) return unsettled
      copy[name] = property
    }
    return copy
  }
}

/** An optional property that is there but undefined is left to the schema. */
const optional = (type: AST.AST, depth: number): Plain | undefined =>
  type._tag === "Union" && !hasOwnWays(type)
    ? union(
        type.types.filter((member) => !AST.isUndefinedKeyword(member)),
        depth
      )
    : compile(type, depth)

const record = ({ indexSignatures, propertySignatures }: AST.TypeLiteral, depth: number): Plain | undefined => {
  const [only, ...more] = indexSignatures
  if (only === undefined || more.length > 0 || propertySignatures.length > 0) return undefined
  if (only.parameter._tag !== "StringKeyword" || hasOwnWays(only.parameter)) return undefined
  const read = compile(only.type, depth + 1)
  if (read === undefined) return undefined
  return (value) => {
    if (!isRecord(value)) return unsettled
    const copy: Record<string, unknown> = {}
    for (const key of Object.keys(value)) {
      const property = key === prototypeKey ? unsettled : read(value[key])
      if (property === unsettled) return unsettled
      copy[key] = property
    }
    return copy
  }
}

const tuple = ({ elements, rest }: AST.TupleType, depth: number): Plain | undefined => {
  if (rest.length > 1 || elements.some(({ isOptional }) => isOptional)) return undefined
  const first = elements.map(({ type }) => compile(type, depth + 1))
  const others = rest[0] === undefined ? undefined : compile(rest[0].type, depth + 1)
  if (first.includes(undefined) || (rest.length > 0 && others === undefined)) return undefined
  return (value) => {
    if (!Array.isArray(value) || value.length < first.length) return unsettled
    if (others === undefined && value.length > first.length) return unsettled
    const copy: Array<unknown> = []
    for (let index = 0; index < value.length; index++) {
      const element = (first[index] ?? others!)(value[index])
      if (element === unsettled) return unsettled
      copy.push(element)
    }
    return copy
  }
}

const union = (types: ReadonlyArray<AST.AST>, depth: number): Plain | undefined => {
  if (!isDecided(types)) return undefined
  const members: Array<Plain> = []
  for (const type of types) {
    const member = compile(type, depth)
    if (member === undefined) return undefined
    members.push(member)
  }
  return (value) => {
    for (const member of members) {
      const read = member(value)
      if (read !== unsettled) return read
    }
    return unsettled
  }
}

/**
 * Whether the members of a union can be tried in their order: the library tries those first whose literals fit, which only matters where
 * several could take a value and would copy different parts of it.
 */
const isDecided = (types: ReadonlyArray<AST.AST>): boolean => {
  const bare = types.map(unrefined)
  const tuples = bare.filter(AST.isTupleType)
  const structs = bare.filter(AST.isTypeLiteral)
  // Of a union of leaves it makes no difference which one took a value.
  if (tuples.length > 1 || bare.some((type) => AST.isUnion(type) && !type.types.every(isLeaf))) return false
  if (structs.length <= 1) return true
  const literals = structs.map(literalsOf)
  if (literals.every(({ size }) => size === 0)) return true
  return [...literals[0]!.keys()].some((name) => {
    const values = literals.map((literal) => literal.get(name))
    return !values.includes(undefined) && new Set(values).size === structs.length
  })
}

const isLeaf = (ast: AST.AST): boolean => {
  const bare = unrefined(ast)
  return AST.isUnion(bare) ? bare.types.every(isLeaf) : !AST.isTupleType(bare) && !AST.isTypeLiteral(bare)
}

const unrefined = (ast: AST.AST): AST.AST => (AST.isRefinement(ast) ? unrefined(ast.from) : ast)

/** The required properties of a struct that are one literal, as text. */
const literalsOf = ({ propertySignatures }: AST.TypeLiteral): ReadonlyMap<PropertyKey, string> =>
  new Map(
    propertySignatures.flatMap(({ isOptional, name, type }) => (isOptional ? [] : literalOf(name, unrefined(type))))
  )

const literalOf = (name: PropertyKey, type: AST.AST): ReadonlyArray<readonly [PropertyKey, string]> =>
  AST.isLiteral(type) ? [[name, String(type.literal)]] : []
