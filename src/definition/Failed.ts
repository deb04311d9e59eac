import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import { DefinitionMismatch, RunFailed } from "../model/Errors.js"
import type { AnySchema } from "./Input.js"
import { discreet, holdsSecrets } from "./Secrets.js"
import type { WorkflowDefinition } from "./WorkflowDefinition.js"

/** What a node of a failed run says of its failure. */
interface FailedAt<Id, Failure> {
  readonly nodeId: Id
  readonly error: Failure extends AnySchema ? Schema.Schema.Type<Failure> | undefined : undefined
}

/** The end of a failed run by the nodes of its workflow; without their types, any. */
export type FailedOf<Nodes> = [keyof Nodes] extends [never]
  ? RunFailed
  :
      | {
          [Id in keyof Nodes]: RunFailed &
            FailedAt<Id, Nodes[Id] extends { readonly error: infer Failure } ? Failure : undefined>
        }[keyof Nodes]
      | (RunFailed & FailedAt<"output" | "$compensate", undefined>)

/** A run that failed, with the error of its node as that node's schema reads it. */
export const readFailed = (
  { name, nodes, version }: WorkflowDefinition,
  failed: RunFailed
): Either.Either<RunFailed, DefinitionMismatch> => {
  const { failure, runId } = failed
  if (failure.kind !== "error") return Either.right(failed)
  const mismatch = (path: ReadonlyArray<PropertyKey>, message: string) =>
    new DefinitionMismatch({
      workflow: name,
      version,
      reason: `${[failure.nodeId, "error", ...path.map(String)].join(".")}: ${message}`
    })
  const schema = nodes.get(failure.nodeId)?.error
  if (schema === undefined) return Either.left(mismatch([], "there is no such error"))
  try {
    return Either.mapBoth(ParseResult.decodeUnknownEither(schema)(failure.error), {
      onLeft: (issue) => {
        const [first] = ParseResult.ArrayFormatter.formatIssueSync(holdsSecrets(schema) ? discreet(issue) : issue)
        return mismatch(first?.path ?? [], first?.message ?? "does not fit its schema")
      },
      onRight: (error) => RunFailed.reading({ runId, failure }, error)
    })
  } catch {
    // A schema is code of others and may throw, with a secret in its hands.
    return Either.left(mismatch([], "its schema failed"))
  }
}
