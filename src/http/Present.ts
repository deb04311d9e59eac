import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import { failureWithoutSecrets, inputWithoutSecrets, outputWithoutSecrets } from "../definition/Secrets.js"
import type { WorkflowDefinition } from "../definition/WorkflowDefinition.js"
import type { RunDetail } from "../Engine.js"
import { UndecodableRow } from "../model/Errors.js"
import { type Failure, FailureText } from "../model/Failure.js"
import { fromJsonText, type Json } from "../model/Json.js"
import type { RunEnd } from "../runtime/Awaiters.js"
import type { NodeView } from "../runtime/NodeView.js"
import type { RecordedEvent } from "../store/AuditLog.js"
import type { RunSummary } from "../store/StateStore.js"
import type * as Shapes from "./Shapes.js"

/** A property, or none where there is nothing to tell. */
const given = <Key extends string, A>(key: Key, value: A | null | undefined): { readonly [K in Key]?: A } =>
  value === null || value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]: A })

const undecodable = (table: string, key: string) => (error: { readonly message: string }) =>
  new UndecodableRow({ table, key, reason: error.message })

/** The JSON of a column. */
export const jsonOf = (table: string, key: string, text: string): Either.Either<Json, UndecodableRow> =>
  Either.mapLeft(fromJsonText(text), undecodable(table, key))

const decodeFailure = ParseResult.decodeEither(FailureText)

const failureOf = (table: string, key: string, text: string | null): Either.Either<Failure | null, UndecodableRow> =>
  text === null
    ? Either.right(null)
    : // The text may hold a secret: what is wrong with it is not told.
      Either.mapLeft(decodeFailure(text), () => undecodable(table, key)({ message: "its failure can't be read" }))

/** A run as a list shows it. */
export const summaryOf = (run: RunSummary): (typeof Shapes.RunPage.Type)["runs"][number] => ({
  runId: run.runId,
  workflow: run.workflow,
  version: run.workflowVersion,
  status: run.status,
  ...given("reason", run.reason),
  createdAt: run.createdAt,
  ...given("endedAt", run.endedAt)
})

const nodeOf = (runId: string, definition: WorkflowDefinition | undefined, node: NodeView) =>
  Either.map(failureOf("run_node_state", `${runId}/${node.nodeId}/${node.firing}`, node.failure), (failure) => ({
    nodeId: node.nodeId,
    status: node.status,
    firing: node.firing,
    attempt: node.attempt,
    crashes: node.crashes,
    ...given("reason", node.reason),
    ...given("notBefore", node.notBefore === null ? null : new Date(node.notBefore)),
    ...given("error", failure === null ? null : failureWithoutSecrets(definition, failure))
  }))

/**
 * How a run stands, with its result if it has one.
 *
 * **Details** In full, secrets too: it is the answer to an application, which decodes it by the definition.
 */
export const resultOf = (run: RunEnd): Effect.Effect<typeof Shapes.Result.Type, UndecodableRow> =>
  Effect.gen(function* () {
    const output = run.output === null ? null : { value: yield* jsonOf("run_values", run.runId, run.output) }
    const failure = yield* failureOf("run_values", run.runId, run.failure)
    return {
      status: run.status,
      ...(output === null ? {} : { output: output.value }),
      ...given("error", failure)
    }
  })

/**
 * A run with its values and its nodes, for people: what the definition marks as secret is hidden.
 *
 * **Details** Of a definition that is not known here nothing says what is secret: then all values are hidden.
 */
export const runOf = (
  run: RunDetail,
  definition: WorkflowDefinition | undefined
): Effect.Effect<typeof Shapes.Run.Type, UndecodableRow> =>
  Effect.gen(function* () {
    const input = inputWithoutSecrets(definition, yield* jsonOf("run_values", run.runId, run.input))
    const nodes = yield* Either.all(run.nodes.map((node) => nodeOf(run.runId, definition, node)))
    const { error, output, status } = yield* resultOf(run)
    return {
      ...summaryOf(run),
      input,
      status,
      ...(output === undefined ? {} : { output: outputWithoutSecrets(definition, output) }),
      ...given("error", error === undefined ? undefined : failureWithoutSecrets(definition, error)),
      nodes
    }
  })

/** An event of the audit trail. */
export const eventOf = (event: RecordedEvent): (typeof Shapes.Events.Type)["events"][number] => ({
  seq: event.seq,
  at: new Date(event.at),
  kind: event.kind,
  ...given("nodeId", event.nodeId),
  ...given("firing", event.firing),
  ...given("attempt", event.attempt),
  ...(event.version === null ? {} : { commit: event.version }),
  ...given("detail", event.detail)
})
