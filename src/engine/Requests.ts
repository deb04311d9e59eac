import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import type { Signal } from "../definition/Signal.js"
import { isSameSignal, listedSignal } from "../definition/SignalCheck.js"
import type { WorkflowDefinition } from "../definition/WorkflowDefinition.js"
import { Attributes } from "../model/Attributes.js"
import { InvalidInput } from "../model/Errors.js"
import type { EncodedValue } from "../model/Firing.js"
import { InputId, RunId, SignalName } from "../model/Ids.js"
import { codecOf, fieldName, type Refusal } from "../runtime/Codec.js"
import { anyhow, type Begins } from "../runtime/RunState.js"

const refuse = (root: string, refusal: Refusal): InvalidInput =>
  new InvalidInput({ field: fieldName(root, refusal.path), reason: refusal.message })

const checked = <A>(schema: Schema.Schema<A, string>, field: string) => {
  const decode = ParseResult.decodeUnknownEither(schema)
  return (value: string): Effect.Effect<A, InvalidInput> =>
    Either.match(decode(value), {
      onLeft: (issue) => {
        const [first] = ParseResult.ArrayFormatter.formatIssueSync(issue)
        return Effect.fail(new InvalidInput({ field, reason: first?.message ?? "does not fit" }))
      },
      onRight: Effect.succeed
    })
}

/** A run id from outside. */
export const runIdFrom = checked(RunId, "runId")

/** An input id from outside. */
export const inputIdFrom = checked(InputId, "inputId")

/** The name of a signal, from outside. */
export const signalFrom = checked(SignalName, "signal")

/** The name of a signal to a node; where the node lists one of this name, it has to be that. */
export const signalTo = (
  { nodes }: WorkflowDefinition,
  nodeId: string,
  signal: Signal
): Effect.Effect<string, InvalidInput> =>
  Effect.flatMap(signalFrom(signal.name), (name) => {
    const listed = listedSignal(nodes.get(nodeId), name)
    return listed === undefined || isSameSignal(listed, signal)
      ? Effect.succeed(name)
      : Effect.fail(new InvalidInput({ field: "signal", reason: `node ${nodeId} lists another signal named ${name}` }))
  })

/** The name of a query, from outside. */
export const queryFrom = checked(InputId, "query")

const decodeAttributes = ParseResult.decodeUnknownEither(Attributes)

/** Attributes from outside. */
export const attributesFrom = (attributes: unknown): Effect.Effect<Attributes, InvalidInput> =>
  Either.match(decodeAttributes(attributes), {
    onLeft: (issue) => {
      const [first] = ParseResult.ArrayFormatter.formatIssueSync(issue)
      return Effect.fail(new InvalidInput({ field: "attributes", reason: first?.message ?? "does not fit" }))
    },
    onRight: Effect.succeed
  })

/** A priority from outside. */
export const priorityFrom = (priority: number): Effect.Effect<number, InvalidInput> =>
  Number.isInteger(priority) && priority >= -100 && priority <= 100
    ? Effect.succeed(priority)
    : Effect.fail(new InvalidInput({ field: "priority", reason: "expected an integer from -100 to 100" }))

/** When a run begins and by when it has to be over, from outside; in milliseconds since the epoch. */
export const beginsFrom = (options: {
  readonly startAt?: DateTime.DateTime.Input
  readonly deadline?: DateTime.DateTime.Input
}): Effect.Effect<Begins, InvalidInput> =>
  options.startAt === undefined && options.deadline === undefined ? atOnce : readBegins(options)

const atOnce = Effect.succeed(anyhow)

const readBegins = (options: Parameters<typeof beginsFrom>[0]): Effect.Effect<Begins, InvalidInput> =>
  Effect.gen(function* () {
    const startAt = options.startAt === undefined ? undefined : yield* timeFrom("startAt", options.startAt)
    const deadline = options.deadline === undefined ? undefined : yield* timeFrom("deadline", options.deadline)
    if (startAt !== undefined && deadline !== undefined && deadline <= startAt) {
      return yield* new InvalidInput({ field: "deadline", reason: "is not after startAt" })
    }
    return { ...(startAt === undefined ? {} : { startAt }), ...(deadline === undefined ? {} : { deadline }) }
  })

const timeFrom = (field: string, time: DateTime.DateTime.Input): Effect.Effect<number, InvalidInput> =>
  Option.match(DateTime.make(time), {
    onNone: () => Effect.fail(new InvalidInput({ field, reason: "is no time" })),
    onSome: (found) => Effect.succeed(DateTime.toEpochMillis(found))
  })

/** A run's input, by port and as a whole. */
export interface EncodedInput {
  readonly text: string
  readonly ports: { readonly [port: string]: EncodedValue }
}

/** How a value gets from a caller to its stored form. */
type Reading = (schema: Schema.Schema.AnyNoContext, value: unknown) => Either.Either<EncodedValue, Refusal>

/** From a typed caller: encode. */
export const fromType: Reading = (schema, value) => codecOf(schema).encode(value)

/** From JSON: decode and encode again, so that what means the same is stored the same. */
export const fromJson: Reading = (schema, value) =>
  Either.flatMap(codecOf(schema).decode(value), (decoded) => codecOf(schema).encode(decoded))

/** The input of a run, port by port; a field nobody asked for is refused. */
export const encodeInput = (
  definition: WorkflowDefinition,
  input: unknown,
  reading: Reading
): Effect.Effect<EncodedInput, InvalidInput> =>
  Effect.gen(function* () {
    if (typeof input !== "object" || input === null || Array.isArray(input)) {
      return yield* new InvalidInput({ field: "input", reason: "expected an object with the workflow's inputs" })
    }
    const extra = Object.keys(input).find((key) => !Object.hasOwn(definition.input, key))
    if (extra !== undefined) {
      return yield* new InvalidInput({ field: `input.${extra}`, reason: `${definition.name} has no such input` })
    }
    const ports: Record<string, EncodedValue> = {}
    for (const [port, schema] of Object.entries(definition.input)) {
      if (!Object.hasOwn(input, port)) return yield* new InvalidInput({ field: `input.${port}`, reason: "is missing" })
      const value = reading(schema, (input as Record<string, unknown>)[port])
      if (Either.isLeft(value)) return yield* refuse(`input.${port}`, value.left)
      ports[port] = value.right
    }
    const parts = Object.entries(ports).map(([port, { text }]) => `${JSON.stringify(port)}:${text}`)
    return { ports, text: `{${parts.join(",")}}` }
  })

/** The payload of an external event. */
export const encodePayload = (
  schema: Schema.Schema.AnyNoContext,
  payload: unknown,
  reading: Reading
): Effect.Effect<EncodedValue, InvalidInput> => {
  const read = reading(schema, payload)
  return Either.isRight(read) ? Effect.succeed(read.right) : Effect.fail(refuse("payload", read.left))
}
