import * as Context from "effect/Context"
import type { RunId } from "../model/Ids.js"
import type { Stepping } from "./StepHost.js"

/**
 * What a handler may know about the attempt it is: which run, which node, which try.
 *
 * **Details** `firing` counts from 1 per node, `attempt` counts outcomes of the handler from 1, `crashes` counts deaths of
 * the process during this firing. `idempotencyKey` is the same for every attempt of a firing, in every process: pass it to
 * the outside world. Inside `Step.run` it is that of the step.
 *
 * @example
 * Charge.toLayer(({ reservation }) =>
 *   Effect.gen(function* () {
 *     const { idempotencyKey } = yield* NodeContext
 *     return { receipt: yield* Payments.charge(reservation, idempotencyKey) }
 *   })
 * )
 */
export class NodeContext extends Context.Tag("perdure/NodeContext")<
  NodeContext,
  {
    readonly runId: RunId
    readonly workflow: string
    readonly workflowVersion: number
    readonly nodeId: string
    readonly firing: number
    readonly attempt: number
    readonly crashes: number
    readonly idempotencyKey: string
  } & Stepping
>() {}
