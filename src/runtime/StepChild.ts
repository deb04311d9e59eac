import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { sha256 } from "../definition/Sha256.js"
import type { StepName } from "../definition/StepHost.js"
import type { WorkflowDefinition } from "../definition/WorkflowDefinition.js"
import type { RunCancelled, RunFailed } from "../model/Errors.js"
import { childSignal, type FiringKey, idempotencyKey, RunId, stepKey } from "../model/Ids.js"
import { RunStatus } from "../model/Status.js"
import { backoff } from "./GroupWriter.js"
import type { StepOwner } from "./StepOwner.js"

/** What a child that has ended tells its parent. */
const ChildEnd = Schema.Struct({
  status: RunStatus,
  output: Schema.NullOr(Schema.String),
  failure: Schema.NullOr(Schema.String)
})

const longestReadable = 160

/** The id of a child: the same whenever its step is asked for it. `before` counts the children of the step that were in vain. */
const childIdOf = (firing: FiringKey, step: StepName, before: number): RunId => {
  const key = stepKey(idempotencyKey(firing), step)
  const hash = sha256(before === 0 ? key : `${key}\n${before}`).slice(0, 32)
  return RunId.make(firing.runId.length <= longestReadable ? `${firing.runId}:${hash}` : `child:${hash}`)
}

/** What of a session a child's step uses. */
interface Session {
  readonly owner: StepOwner
  readonly firing: FiringKey
  /** The attempt of the firing that began to wait for a child, as far as rows tell; nothing if none has. */
  readonly waitedSince: (signal: string) => number | undefined
  readonly attempt: number
  readonly entering: (step: StepName, body: Effect.Effect<void>) => Effect.Effect<void>
  readonly signal: (step: StepName, payload: Schema.Schema.AnyNoContext) => Effect.Effect<Option.Option<unknown>>
  readonly refuse: (step: string, reason: string) => Effect.Effect<never>
}

/**
 * Starts a child if it was not, waits for its end as for a signal, and gives its result.
 *
 * **Details** A child that did not complete counts for the attempt that began to wait for it: a later attempt starts another.
 */
export const childStep = (
  session: Session,
  step: StepName,
  definition: WorkflowDefinition,
  input: unknown
): Effect.Effect<unknown, RunFailed | RunCancelled> =>
  Effect.suspend(() => {
    const { firing, owner } = session
    const calls = owner.facade()
    const depth = owner.depth + 1
    if (calls === undefined) return session.refuse(step.name, "no engine is there to start a child")
    if (depth > owner.childDepth) {
      return session.refuse(step.name, `it would be a child ${depth} levels deep; ${owner.childDepth} are allowed`)
    }
    const parent = { runId: firing.runId, nodeId: firing.nodeId, depth }
    const start = (runId: RunId) =>
      Effect.suspend(() =>
        session.waitedSince(childSignal(runId)) === undefined
          ? Effect.asVoid(calls.start({ definition, runId, input, parent }))
          : Effect.void
      ).pipe(
        Effect.retry({ schedule: backoff, while: (error) => error._tag === "DatabaseError" }),
        // Another input than before, or one that its schema refuses: a bug of the handler.
        Effect.catchAll((error) => Effect.dieMessage(`step ${step.name}: ${error.message}`))
      )
    return Effect.gen(function* () {
      for (let before = 0; ; before++) {
        const runId = childIdOf(firing, step, before)
        const signal = childSignal(runId)
        yield* session.entering(before === 0 ? step : { name: signal, key: "" }, start(runId))
        const since = session.waitedSince(signal) ?? session.attempt
        const told = yield* session.signal({ name: signal, key: "" }, ChildEnd)
        const end = Option.getOrThrow(told) as typeof ChildEnd.Type
        if (end.status !== "completed" && since < session.attempt) continue
        return yield* calls
          .result(definition, { runId, ...end })
          .pipe(Effect.catchTag("UndecodableRow", (error) => Effect.dieMessage(error.message)))
      }
    })
  })
