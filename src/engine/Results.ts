import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { readFailed } from "../definition/Failed.js"
import type { Query, Success } from "../definition/Query.js"
import * as Workflow from "../definition/Workflow.js"
import type { WorkflowDefinition } from "../definition/WorkflowDefinition.js"
import { DefinitionMismatch, RunCancelled, RunFailed, UndecodableRow } from "../model/Errors.js"
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
): Effect.Effect<Workflow.Output<W>, Workflow.Failed<W> | RunCancelled | DefinitionMismatch | UndecodableRow> =>
  outputOf(workflow, run).pipe(
    // Each output was decoded by the schema its type comes from.
    Effect.map((output) => output as Workflow.Output<W>),
    Effect.catchTag("RunFailed", (failed) =>
      Effect.flatMap(Workflow.failed(workflow, failed), (read) => Effect.fail(read))
    )
  )

/**
 * The output of a child, or why there is none.
 *
 * **Details** Its parent is told of an error that this build can't read as of a failure of another kind.
 */
export const childResultOf = (
  definition: WorkflowDefinition,
  run: RunEnd
): Effect.Effect<unknown, RunFailed | RunCancelled | UndecodableRow> =>
  outputOf(definition, run).pipe(
    Effect.catchTags({
      RunFailed: (failed) =>
        Effect.fail(Either.getOrElse(readFailed(definition, failed), ({ reason }) => unread(failed, reason))),
      DefinitionMismatch: ({ reason }) => Effect.fail(undecodable(run.runId, reason))
    })
  )

const unread = ({ failure, runId }: RunFailed, reason: string): RunFailed => {
  const { error: _, message, ...rest } = failure
  return new RunFailed({ runId, failure: { ...rest, kind: "undecodable", message: `${message} (${reason})` } })
}

/** The output of a run that has ended, or why there is none. */
const outputOf = (
  workflow: WorkflowDefinition,
  run: RunEnd
): Effect.Effect<unknown, RunFailed | RunCancelled | DefinitionMismatch | UndecodableRow> =>
  Effect.gen(function* () {
    if (run.status === "failed" || (run.status === "compensated" && run.failure !== null)) {
      const failure = yield* decodeFailure(run.failure ?? "").pipe(
        // Without the parser's own words: they quote what was read, and that may be a secret.
        Effect.mapError(() => undecodable(run.runId, "its failure can't be read"))
      )
      return yield* new RunFailed({ runId: run.runId, failure })
    }
    if (run.status !== "completed") return yield* new RunCancelled({ runId: run.runId })
    const parsed = parseJson(run.output ?? "")
    if (Either.isLeft(parsed)) return yield* undecodable(run.runId, parsed.left.message)
    return yield* decodeOutput(workflow, parsed.right as Readonly<Record<string, unknown>>)
  })

/** The typed answer to a query, from its stored form. */
export const answerOf = <Q extends Query>(
  workflow: WorkflowDefinition,
  query: Q,
  text: Option.Option<string>
): Effect.Effect<Option.Option<Success<Q>>, DefinitionMismatch> => {
  if (Option.isNone(text)) return Effect.succeedNone
  const answer = Either.flatMap(parseJson(text.value), codecOf(query.success).decode)
  return Either.match(answer, {
    onLeft: ({ message, path }) => mismatch(workflow, `${fieldName(query.name, path)}: ${message}`),
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

const mismatch = ({ name, version }: WorkflowDefinition, reason: string) =>
  Effect.fail(new DefinitionMismatch({ workflow: name, version, reason }))

const decodeOutput = (definition: WorkflowDefinition, output: Readonly<Record<string, unknown>>) =>
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
        return yield* mismatch(definition, `${fieldName(`output.${name}`, path)}: ${message}`)
      }
      result[name] = mode === "option" ? Option.some(decoded.right) : decoded.right
    }
    return result
  })
