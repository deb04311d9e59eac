import * as Predicate from "effect/Predicate"

/** Marks what no record of outputs can be mistaken for, whatever its ports are called. */
const SuspendTypeId: unique symbol = Symbol.for("perdure/NodeOutcome/Suspend")

/** What a resumable handler returns instead of its outputs: wait, and give me this state and the input that comes. */
export interface Suspend<out State = unknown> {
  readonly [SuspendTypeId]: typeof SuspendTypeId
  readonly reason: string
  readonly state: State
}

/**
 * Ends an attempt without an outcome: the firing waits for an external input and starts again with this state and it.
 *
 * **Details** The state is encoded with the `state` schema of the node. The reason is for people.
 *
 * @example
 * Poll.toLayer((inputs, resume) =>
 *   Effect.succeed(
 *     Option.match(resume, {
 *       onNone: () => NodeOutcome.suspend({ reason: "waiting for the bank", state: { asked: 1 } }),
 *       onSome: ({ input }) => ({ answer: input })
 *     })
 *   )
 * )
 */
export const suspend = <State>(options: { readonly reason: string; readonly state: State }): Suspend<State> => ({
  [SuspendTypeId]: SuspendTypeId,
  reason: options.reason,
  state: options.state
})

/** Whether a handler's result is a suspension. */
export const isSuspend = (outcome: unknown): outcome is Suspend => Predicate.hasProperty(outcome, SuspendTypeId)
