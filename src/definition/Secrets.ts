import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import { UntoldTypeId } from "../model/Failure.js"
import type { AnySchema } from "./Input.js"
import type { WorkflowDefinition } from "./WorkflowDefinition.js"

type AST = SchemaAST.AST

/** What stands where a secret is. */
export const hidden = "<redacted>"

/** What is said of a value that was refused and may hold a secret. */
const untold = "does not fit its schema (what was given is not shown: it may hold a secret)"

/** How `Schema.Redacted` describes what it makes. */
const redactedDescription = "Redacted(<redacted>)"

const isRedacted = (ast: AST): boolean =>
  (ast._tag === "Declaration" && Option.contains(SchemaAST.getDescriptionAnnotation(ast), redactedDescription)) ||
  UntoldTypeId in ast.annotations

const counts = new WeakMap<AST, number>()

/** How many places of a schema are marked as secret. */
const secretsIn = (ast: AST): number => {
  const known = counts.get(ast)
  if (known !== undefined) return known
  if (UntoldTypeId in ast.annotations) return 1
  // A schema that refers to itself comes by here again: what it holds is counted already.
  counts.set(ast, 0)
  const count = countOf(ast)
  counts.set(ast, count)
  return count
}

const sum = (all: ReadonlyArray<AST>): number => all.reduce((count, ast) => count + secretsIn(ast), 0)

const countOf = (ast: AST): number => {
  switch (ast._tag) {
    case "Declaration":
      return isRedacted(ast) ? 1 : sum(ast.typeParameters)
    case "Refinement":
      return secretsIn(ast.from)
    case "Transformation":
      return Math.max(secretsIn(ast.from), secretsIn(ast.to))
    case "Suspend":
      return secretsIn(ast.f())
    case "Union":
      return sum(ast.types)
    case "TupleType":
      return sum([...ast.elements, ...ast.rest].map(({ type }) => type))
    case "TypeLiteral":
      return sum([...ast.propertySignatures, ...ast.indexSignatures].map(({ type }) => type))
    default:
      return 0
  }
}

/** Whether all of an encoded value is secret: it becomes one, or holds some in a form that can't be looked into. */
const isSecret = (ast: AST): boolean =>
  ast._tag === "Declaration" || UntoldTypeId in ast.annotations
    ? secretsIn(ast) > 0
    : ast._tag === "Transformation" && (isRedacted(ast.to) || secretsIn(ast.to) > secretsIn(ast.from))

/** Whether an encoded value is of this kind; what throws may be. */
const fits = (ast: AST, value: unknown): boolean => {
  try {
    return ParseResult.is(Schema.make(SchemaAST.encodedAST(ast)))(value)
  } catch {
    return true
  }
}

const maskUnion = ({ types }: SchemaAST.Union, value: unknown): unknown => {
  const candidates = types.filter((member) => fits(member, value))
  // Of a value that is none of these nothing is known.
  if (candidates.length === 0) return hidden
  return candidates.reduce((masked, member) => mask(member, masked), value)
}

const maskTuple = ({ elements, rest }: SchemaAST.TupleType, value: unknown): unknown =>
  Array.isArray(value)
    ? value.map((item: unknown, index) => {
        const place = elements[index] ?? (rest.length === 1 ? rest[0] : undefined)
        return place === undefined ? hidden : mask(place.type, item)
      })
    : hidden

const maskRecord = ({ indexSignatures, propertySignatures }: SchemaAST.TypeLiteral, value: unknown): unknown => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return hidden
  const types = new Map(propertySignatures.map(({ name, type }) => [name, type]))
  const entries = Object.entries(value).map(([key, item]) => {
    const type = types.get(key) ?? indexSignatures.find(({ parameter }) => fits(parameter, key))?.type
    return [key, type === undefined ? hidden : mask(type, item)]
  })
  return Object.fromEntries(entries)
}

const mask = (ast: AST, value: unknown): unknown => {
  if (secretsIn(ast) === 0) return value
  if (isSecret(ast)) return hidden
  switch (ast._tag) {
    case "Refinement":
    case "Transformation":
      return mask(ast.from, value)
    case "Suspend":
      return mask(ast.f(), value)
    case "Union":
      return maskUnion(ast, value)
    case "TupleType":
      return maskTuple(ast, value)
    case "TypeLiteral":
      return maskRecord(ast, value)
    default:
      return hidden
  }
}

/** Whether a part of such values is marked as secret, by `Schema.Redacted`. */
export const holdsSecrets = (schema: AnySchema): boolean => secretsIn(schema.ast) > 0

/**
 * An encoded value, fit to be shown: what its schema marks as secret is hidden.
 *
 * **Details** In doubt more is hidden: a property that the schema does not know beside one that is secret, a value of no member
 * of a union, a transformation that finds secrets in what looks like none.
 */
const withoutSecrets = (schema: AnySchema, value: unknown): unknown => mask(schema.ast, value)

/** What is wrong with a value, without the value where it may hold a secret. */
export const discreet = (issue: ParseResult.ParseIssue): ParseResult.ParseIssue => {
  switch (issue._tag) {
    case "Pointer":
      return new ParseResult.Pointer(issue.path, undefined, discreet(issue.issue))
    case "Composite": {
      const { ast, issues } = issue
      if (isSecret(ast)) return new ParseResult.Type(ast, undefined, untold)
      const [first, ...others] = "_tag" in issues ? [issues] : issues
      return new ParseResult.Composite(ast, undefined, [discreet(first), ...others.map(discreet)])
    }
    case "Refinement":
    case "Transformation":
      return isSecret(issue.ast) ? new ParseResult.Type(issue.ast, undefined, untold) : discreet(issue.issue)
    case "Type":
    case "Forbidden":
      return secretsIn(issue.ast) > 0 ? new ParseResult.Type(issue.ast, undefined, untold) : issue
    default:
      return issue
  }
}

/** A failure as it is stored. */
interface StoredFailure {
  readonly nodeId: string
  readonly error?: unknown
}

/** A failure, fit to be shown; of a node that is not known here the error is hidden altogether. */
export const failureWithoutSecrets = <F extends StoredFailure>(
  definition: WorkflowDefinition | undefined,
  failure: F
): F => {
  if (failure.error === undefined) return failure
  const schema = definition?.nodes.get(failure.nodeId)?.error
  return { ...failure, error: schema === undefined ? hidden : withoutSecrets(schema, failure.error) }
}

/** A run's input, fit to be shown. */
export const inputWithoutSecrets = (definition: WorkflowDefinition | undefined, input: unknown): unknown => {
  if (definition === undefined || typeof input !== "object" || input === null) return hidden
  return Object.fromEntries(
    Object.entries(input).map(([port, value]) => {
      const schema = definition.input[port]
      return [port, schema === undefined ? hidden : withoutSecrets(schema, value)]
    })
  )
}

/** A run's output, fit to be shown. */
export const outputWithoutSecrets = (definition: WorkflowDefinition | undefined, output: unknown): unknown => {
  if (definition === undefined || typeof output !== "object" || output === null) return hidden
  return Object.fromEntries(
    Object.entries(output).map(([name, value]) => {
      const found = definition.outputs[name]
      if (found === undefined) return [name, hidden]
      const { mode, schema } = found
      return [
        name,
        mode === "array" && Array.isArray(value)
          ? value.map((item) => withoutSecrets(schema, item))
          : withoutSecrets(schema, value)
      ]
    })
  )
}
