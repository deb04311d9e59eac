import { randomUUID } from "node:crypto"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { WorkflowDefinition } from "../definition/WorkflowDefinition.js"
import type { StartedRun, StartOptions } from "../Engine.js"
import { type DatabaseError, type InvalidInput, RunConflict } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import { compilePlan, type Plan } from "../runtime/Plan.js"
import type { Begins } from "../runtime/RunState.js"
import { Settings } from "../runtime/Settings.js"
import { Starter, type StartRequest, type StartResult } from "../runtime/Starter.js"
import { Tracing } from "../runtime/Tracing.js"
import { Joined } from "./Joined.js"
import { attributesFrom, beginsFrom, type EncodedInput, priorityFrom, runIdFrom } from "./Requests.js"

/** What the requests of an engine have in common. */
interface Common {
  readonly tracing: Context.Tag.Service<Tracing>
  readonly planOf: (definition: WorkflowDefinition) => Plan
}

/** The plan of a definition, compiled once; an engine's own, as its settings go into it. */
const makePlans = (childFanOut: number): Common["planOf"] => {
  const plans = new WeakMap<WorkflowDefinition, Plan>()
  return (definition) => {
    const known = plans.get(definition)
    if (known !== undefined) return known
    const plan = compilePlan(definition.graph, definition.nodes, childFanOut)
    plans.set(definition, plan)
    return plan
  }
}

/** What a start asks for, checked. */
const requestOf = (
  { planOf, tracing }: Common,
  definition: WorkflowDefinition,
  encoded: EncodedInput,
  options: StartOptions,
  isOneOfMany: boolean,
  begins?: Begins
): Effect.Effect<StartRequest, InvalidInput> =>
  Effect.gen(function* () {
    const runId = yield* runIdFrom(options.runId ?? randomUUID())
    const asked = begins ?? (yield* beginsFrom(options))
    const trace = yield* tracing.begin(
      { runId, key: { workflow: definition.name, workflowVersion: definition.version } },
      isOneOfMany
    )
    return {
      workflow: definition.name,
      workflowVersion: definition.version,
      plan: planOf(definition),
      runId,
      priority: yield* priorityFrom(options.priority ?? 0),
      text: encoded.text,
      input: encoded.ports,
      begins: trace === undefined ? asked : { ...asked, trace },
      ...(options.attributes === undefined ? {} : { attributes: yield* attributesFrom(options.attributes) })
    }
  })

const startedOf = (runId: RunId, result: StartResult): Either.Either<StartedRun, RunConflict> =>
  result._tag === "Differs"
    ? Either.left(new RunConflict({ runId, field: result.field }))
    : Either.right({ runId, status: result.status, created: result._tag === "Started" })

/** A run of a batch: what it starts with, or why its input was refused. */
export type Asked<E> = Effect.Effect<
  { readonly definition: WorkflowDefinition; readonly encoded: EncodedInput; readonly options: StartOptions },
  E
>

/** How runs begin, one by one or many at once; inside a caller's transaction as a part of that. */
export const makeBegin = Effect.gen(function* () {
  const starter = yield* Starter
  const { childFanOut } = yield* Settings
  const common = { tracing: yield* Tracing, planOf: makePlans(childFanOut) }

  const send = (request: StartRequest) =>
    Effect.gen(function* () {
      const joined = yield* Joined
      const result =
        joined === undefined ? yield* starter.start(request) : yield* starter.startIn(joined.transaction, request)
      joined?.touched.push(request.runId)
      return yield* startedOf(request.runId, result)
    })

  const one = (definition: WorkflowDefinition, encoded: EncodedInput, options: StartOptions, begins?: Begins) =>
    Effect.flatMap(requestOf(common, definition, encoded, options, false, begins), send)

  /** Each run's outcome by itself, in the order asked. */
  const many = <E>(runs: ReadonlyArray<Asked<E>>) =>
    Effect.gen(function* () {
      const joined = yield* Joined
      const checked = yield* Effect.forEach(runs, (run) =>
        Effect.either(
          Effect.flatMap(run, ({ definition, encoded, options }) =>
            requestOf(common, definition, encoded, options, true)
          )
        )
      )
      if (joined !== undefined) {
        return yield* Effect.forEach(checked, (request) => Effect.either(Effect.flatMap(request, send)))
      }
      const results = yield* starter.startMany(
        checked.flatMap(Either.match({ onLeft: () => [], onRight: (request) => [request] }))
      )
      let next = 0
      return checked.map((request): Either.Either<StartedRun, E | InvalidInput | RunConflict | DatabaseError> => {
        if (Either.isLeft(request)) return Either.left(request.left)
        return Either.flatMap(results[next++]!, (result) => startedOf(request.right.runId, result))
      })
    })

  return { one, many }
})
