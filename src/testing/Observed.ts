import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { AnyCompensation, AnyHandler, Handling } from "../definition/Handler.js"
import { NodeContext } from "../definition/NodeContext.js"
import type { Registry } from "../definition/Registry.js"
import type { PointKind } from "./Points.js"

/** One call of a handler, as an outsider saw it. */
export interface Attempt {
  readonly worker: object
  readonly runId: string
  readonly nodeId: string
  readonly firing: number
  readonly attempt: number
  readonly crashes: number
  /** `running` for ever when its process died meanwhile. */
  end: "running" | "returned" | "failed" | "interrupted"
}

/** Who watches handlers. */
export interface Observer {
  readonly worker: object
  readonly began: (attempt: Attempt) => void
  /** Passes a point in the life of the process; one of the two effects may be its last. */
  readonly hit: (
    kind: PointKind,
    name: string
  ) => { readonly before: Effect.Effect<void>; readonly after: Effect.Effect<void> }
}

const endOf = (exit: Exit.Exit<unknown, unknown>): Attempt["end"] => {
  if (Exit.isSuccess(exit)) return "returned"
  return Exit.isInterrupted(exit) ? "interrupted" : "failed"
}

/** A handler that is watched: each call is noted, and is a point at which the process can die. */
const observe =
  (handler: AnyHandler, observer: Observer): AnyHandler =>
  (inputs, event) =>
    Effect.gen(function* () {
      const { attempt, crashes, firing, nodeId, runId } = yield* NodeContext
      const noted: Attempt = {
        worker: observer.worker,
        runId,
        nodeId,
        firing,
        attempt,
        crashes,
        end: "running"
      }
      observer.began(noted)
      const { after, before } = observer.hit("handler", `handler ${nodeId}`)
      yield* before
      return yield* handler(inputs, event).pipe(
        Effect.tap(() => after),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            noted.end = endOf(exit)
          })
        )
      )
    })

/** A compensation whose calls are points at which the process can die. */
const observeUndo =
  (undo: AnyCompensation, observer: Observer): AnyCompensation =>
  (inputs, outputs) =>
    Effect.gen(function* () {
      const { nodeId } = yield* NodeContext
      const { after, before } = observer.hit("handler", `compensation of ${nodeId}`)
      yield* before
      return yield* Effect.tap(undo(inputs, outputs), () => after)
    })

const observed = ({ compensate, environment, run }: Handling, observer: Observer): Handling => ({
  environment,
  run: observe(run, observer),
  ...(compensate === undefined ? {} : { compensate: observeUndo(compensate, observer) })
})

/** A registry that hands watched handlers to the one below. */
export const observeRegistry = (
  registry: Context.Tag.Service<Registry>,
  observer: Observer
): Context.Tag.Service<Registry> => ({
  register: (definition, handlers) =>
    registry.register(
      definition,
      new Map([...handlers].map(([nodeId, handling]) => [nodeId, observed(handling, observer)] as const))
    )
})
