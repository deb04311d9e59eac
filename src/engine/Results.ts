import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Query, Success } from "../definition/Query.js"
import type * as Workflow from "../definition/Workflow.js"
import type { WorkflowDefinition } from "../definition/WorkflowDefinition.js"
import { RunCancelled, RunFailed, UndecodableRow } from "../model/Errors.js"
import { FailureText } from "../model/Failure.js"
import type { RunEnd } from "../runtime/Awaiters.js"
import { codecOf, fieldName, parseJson, type Refusal, type ValueCodec } from "../runtime/Codec.js"

const decodeFailure = Schema.decode(FailureText)

const undecodable = (runId: string, reason: string): UndecodableRow =>
  new UndecodableRow({ table: "run_values", key: runId, reason })

/** The typed output of a run that has ended, or why there is none. */
export const resultOf = <W extends Workflow.Any>(
  workflow: W,
  run: RunEnd
): Effect.Effect<Workflow.Output<W>, RunFailed | RunCancelled | UndecodableRow> =>
  // Each output was decoded by the schema its type comes from.
  Effect.map(outputOf(workflow, run), (output) => output as Workflow.Output<W>)

/** The output of a run that has ended, or why there is none. */
export const outputOf = (
  workflow: WorkflowDefinition,
  run: RunEnd
): Effect.Effect<unknown, RunFailed | RunCancelled | UndecodableRow> =>
  Effect.gen(function* () {
    if (run.status === "failed" || (run.status === "compensated" && run.failure !== null)) {
      const failure = yield* decodeFailure(run.failure ?? "").pipe(
        Effect.mapError((error) => undecodable(run.runId, error.message))
      )
      return yield* new RunFailed({ runId: run.runId, failure })
    }
    if (run.status !== "completed") return yield* new RunCancelled({ runId: run.runId })
    const parsed = parseJson(run.output ?? "")
    if (Either.isLeft(parsed)) return yield* undecodable(run.runId, parsed.left.message)
    return yield* decodeOutput(workflow, run.runId, parsed.right as Readonly<Record<string, unknown>>)
  })

/** The typed answer to a query, from its stored form. */
export const answerOf = <Q extends Query>(
  query: Q,
  key: string,
  text: Option.Option<string>
): Effect.Effect<Option.Option<Success<Q>>, UndecodableRow> => {
  if (Option.isNone(text)) return Effect.succeedNone
  const answer = Either.flatMap(parseJson(text.value), codecOf(query.success).decode)
  return Either.match(answer, {
    onLeft: ({ message, path }) =>
      Effect.fail(
        new UndecodableRow({ table: "run_steps", key, reason: `${fieldName(query.name, path)}: ${message}` })
      ),
    // The query's schema has decoded it.
    onRight: (value) => Effect.succeedSome(value as Success<Q>)
  })
}

/** Messages of an output that gives an array; that of another build may have been something else. */
const decodeAll = (codec: ValueCodec, given: unknown): Either.Either<ReadonlyArray<unknown>, Refusal> => {
  if (given === undefined) return Either.left({ path: [], message: "is missing" })
  return Array.isArray(given)
    ? Either.all(given.map((one) => codec.decode(one)))
    : Either.left({ path: [], message: "is no array" })
}

const decodeOutput = (definition: WorkflowDefinition, runId: string, output: Readonly<Record<string, unknown>>) =>
  Effect.gen(function* () {
    const result: Record<string, unknown> = {}
    for (const [name, { mode, schema }] of Object.entries(definition.outputs)) {
      const codec = codecOf(schema)
      const given = Object.hasOwn(output, name) ? output[name] : undefined
      if (mode === "option" && given === undefined) {
        result[name] = Option.none()
        continue
      }
      const decoded = mode === "array" ? decodeAll(codec, given) : codec.decode(given)
      if (Either.isLeft(decoded)) {
        const { message, path } = decoded.left
        return yield* undecodable(runId, `${fieldName(`output.${name}`, path)}: ${message}`)
      }
      result[name] = mode === "option" ? Option.some(decoded.right) : decoded.right
    }
    return result
  })
