import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type RunCancelled, StepMisuse } from "../model/Errors.js"
import { SignalName, stepKey } from "../model/Ids.js"
import type { AnySchema } from "./Input.js"
import { NodeContext } from "./NodeContext.js"
import type { Query, Success } from "./Query.js"
import { type RetryOptions, retryPolicy } from "./Retry.js"
import { scheduleIssues } from "./ScheduleCheck.js"
import type { Payload, Signal } from "./Signal.js"
import { type StepHost, StepsTypeId } from "./StepHost.js"
import type * as Workflow from "./Workflow.js"

/** What a schema that may be absent describes. */
type TypeOf<S, Absent> = S extends AnySchema ? Schema.Schema.Type<S> : Absent

/** How a step is run: what it gives and how it fails, which turn of a loop it is, and whether it is tried again. */
export interface RunOptions<S extends AnySchema | undefined, F extends AnySchema | undefined> {
  readonly success?: S
  readonly error?: F
  readonly key?: string | undefined
  readonly retry?: RetryOptions<TypeOf<F, never>> | undefined
}

/** The key of one turn of a loop. */
export interface Keyed {
  readonly key?: string | undefined
}

/**
 * Does something once and remembers what came of it: a handler that starts again, after a crash or a wait, gets the result and
 * the effect is not run again.
 *
 * **Details** The result is durable before the handler goes on. A death of the process in between runs the effect again, under
 * the same `NodeContext.idempotencyKey`, which inside the effect is that of the step. In a loop each turn wants a `key`. A typed
 * error is remembered for the present attempt of the node; its next attempt tries the step again. Retries of the step itself
 * keep their count and their next time in the row.
 *
 * **Errors** The declared ones of the effect. Dies with `StepMisuse` where the same name and key was used before, inside
 * another step, or where it can't be interrupted, as in a finalizer.
 *
 * @example
 * const receipt = yield* Step.run("charge", { success: Receipt, error: CardDeclined }, Payments.charge(order))
 * for (const line of order.lines) {
 *   yield* Step.run("ship", { key: line.id }, Shipping.ship(line))
 * }
 */
export const run = <
  S extends AnySchema | undefined = undefined,
  F extends AnySchema | undefined = undefined,
  R = never
>(
  name: string,
  options: RunOptions<S, F>,
  effect: Effect.Effect<NoInfer<TypeOf<S, void>>, NoInfer<TypeOf<F, never>>, R>
): Effect.Effect<TypeOf<S, void>, TypeOf<F, never>, R | NodeContext> => {
  const outcome = runCall(name, options, undefined, effect)
  // the host gives back what the schemas have decoded
  return outcome as Effect.Effect<TypeOf<S, void>, TypeOf<F, never>, R | NodeContext>
}

/** What of an application's SQL client a transaction needs. */
export interface TransactionClient {
  readonly withTransaction: <R, E, A>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlFailure, R>
}

/** What goes wrong with the statements of a client. */
export interface SqlFailure {
  readonly _tag: "SqlError"
}

/**
 * Does something in a transaction of the application's database, exactly once: that it was done is remembered in the same
 * transaction.
 *
 * **When to use** For the application's own tables beside the engine's, in one database. A node whose handler is this one step
 * is a transactional node: what it writes and that it was done become true together.
 *
 * **Details** The transaction is rolled back after 5 s. Before it commits the fence is checked under the run's lock, so that a
 * worker that has lost the run changes nothing. Starts and triggers of the engine inside take part. An error of SQL is a
 * defect of the handler, tried again under its policies. Everything else is as with `run`.
 *
 * **Errors** The declared ones of the effect, which is rolled back.
 *
 * @example
 * const balance = yield* Step.transaction("book", { success: Schema.Number }, sql, bookEntry(order))
 */
export const transaction = <
  S extends AnySchema | undefined = undefined,
  F extends AnySchema | undefined = undefined,
  R = never
>(
  name: string,
  options: RunOptions<S, F>,
  client: TransactionClient,
  effect: Effect.Effect<NoInfer<TypeOf<S, void>>, NoInfer<TypeOf<F, never>> | SqlFailure, R>
): Effect.Effect<TypeOf<S, void>, TypeOf<F, never>, R | NodeContext> => {
  const outcome = runCall(name, options, client, effect)
  return outcome as Effect.Effect<TypeOf<S, void>, TypeOf<F, never>, R | NodeContext>
}

const runCall = <E, R>(
  name: string,
  options: {
    readonly success?: AnySchema | undefined
    readonly error?: AnySchema | undefined
    readonly key?: string | undefined
    readonly retry?: RetryOptions<E> | undefined
  },
  client: TransactionClient | undefined,
  effect: Effect.Effect<unknown, unknown, R>
): Effect.Effect<unknown, unknown, R | NodeContext> => {
  const { error, key = "", retry, success } = options
  const policy = retry === undefined ? undefined : retryPolicy(retry)
  const call = { name, key, success, error, retry: policy, client }
  const [issue] = policy === undefined ? [] : scheduleIssues("retry.schedule", policy.schedule, policy.times)
  return withSteps(name, (steps, context) =>
    issue !== undefined
      ? steps.refuse(name, issue)
      : steps.run(call, (inside) =>
          Effect.provideService(effect, NodeContext, {
            ...context,
            idempotencyKey: stepKey(context.idempotencyKey, call),
            [StepsTypeId]: inside
          })
        )
  )
}

/**
 * Waits for a while, durably: a sleeping run costs rows only, and wakes on time whatever died meanwhile.
 *
 * **Details** Longer than the worker's idle time, it interrupts the handler as soon as no other step of it is at work; when the
 * time has come the handler starts again, and its steps give what they gave before. A shorter one is slept in memory. Either way it
 * is none of the time that `timeout` and `heartbeat` of the node bound: while an attempt does nothing but wait in steps neither
 * counts, and both begin anew afterwards. `timeout.total` counts on.
 *
 * @example
 * yield* Step.sleep("cool down", "1 day")
 */
export const sleep = (
  name: string,
  duration: Duration.DurationInput,
  options: Keyed = {}
): Effect.Effect<void, never, NodeContext> => {
  const ms = Duration.toMillis(duration)
  return withSteps(name, (steps) => steps.sleep({ name, key: options.key ?? "" }, (now) => now + ms))
}

/**
 * Waits until a time, durably, as `sleep` does.
 *
 * @example
 * yield* Step.sleepUntil("due date", invoice.dueAt)
 */
export const sleepUntil = (
  name: string,
  time: DateTime.DateTime.Input,
  options: Keyed = {}
): Effect.Effect<void, never, NodeContext> => {
  const ms = DateTime.toEpochMillis(DateTime.unsafeMake(time))
  return withSteps(name, (steps) => steps.sleep({ name, key: options.key ?? "" }, () => ms))
}

/**
 * Waits for a signal to this node, durably; with a time-out it gives an `Option`.
 *
 * **Details** Takes the oldest signal of this name that no step has taken; it may have come before. Within a node a name means one
 * signal: another one, as its payload tells, is a `StepMisuse`, and so is a name that begins with `$`. That the time was over is
 * stored before the handler hears of it. A signal that is there wins over a time that has passed. A second wait for the same signal
 * wants a `key`.
 *
 * @example
 * const decision = yield* Step.awaitSignal(Decision, { timeout: "2 days" })
 * if (Option.isNone(decision)) return { expired: order }
 */
export const awaitSignal: {
  <S extends Signal>(
    signal: S,
    options?: Keyed & { readonly timeout?: undefined }
  ): Effect.Effect<Payload<S>, never, NodeContext>
  <S extends Signal>(
    signal: S,
    options: Keyed & { readonly timeout: Duration.DurationInput }
  ): Effect.Effect<Option.Option<Payload<S>>, never, NodeContext>
} = (signal: Signal, options: SignalOptions = {}) =>
  awaiting(signal, options) as Effect.Effect<never, never, NodeContext>

const isSignalName = Schema.is(SignalName)

interface SignalOptions extends Keyed {
  readonly timeout?: Duration.DurationInput | undefined
}

/** What comes is what the signal's schema has decoded, in an `Option` if there is a time-out. */
const awaiting = (signal: Signal, options: SignalOptions): Effect.Effect<unknown, never, NodeContext> => {
  const timeout = options.timeout === undefined ? undefined : Duration.toMillis(options.timeout)
  const name = { name: signal.name, key: options.key ?? "" }
  const taken = withSteps(signal.name, (steps) =>
    isSignalName(signal.name)
      ? steps.signal(name, signal, timeout)
      : steps.refuse(signal.name, "this is no name of a signal; those that begin with $ are the engine's own")
  )
  return timeout === undefined ? Effect.map(taken, Option.getOrThrow) : taken
}

/**
 * Runs another workflow as a child, and waits for it as for a signal: the child has a run of its own, which outlives this
 * handler and its worker.
 *
 * **Details** It is started once, under an id that follows from this step. One that has completed is remembered; one that failed
 * or was cancelled is remembered for the present attempt of the node, and the next attempt starts another. Cancel, pause and resume
 * of the parent travel down to it; a parent that fails cancels it. One that is left, as by a time-out or a race around this step,
 * goes on by itself, also when the parent has completed; the parent's cancel or failure still reaches it, as long as the parent has
 * not ended before. A handler that starts again and comes to this step again meets the same child. A child deeper than the setting
 * `childDepth`, or one more in an attempt than `childFanOut`, is refused, which fails the firing. A node that is nothing but a child is a `Node.child`.
 *
 * **Errors** `RunFailed` with the child's failure and its node's typed error, of kind `undecodable` where this build can't read that;
 * `RunCancelled`.
 *
 * @example
 * Ship.toLayer(({ order }) =>
 *   order.express ? Courier.send(order) : Step.child("shipping", Shipping, { order }).pipe(Effect.orDie)
 * )
 */
export const child = <W extends Workflow.Any>(
  name: string,
  workflow: W,
  input: Workflow.Input<W>,
  options: Keyed = {}
): Effect.Effect<Workflow.Output<W>, Workflow.Failed<W> | RunCancelled, NodeContext> =>
  Effect.mapBoth(
    withSteps(name, (steps) => steps.child({ name, key: options.key ?? "" }, workflow, input)),
    {
      // output and error were decoded by the schemas their types come from
      onSuccess: (output) => output as Workflow.Output<W>,
      onFailure: (error) => error as Workflow.Failed<W> | RunCancelled
    }
  )

/**
 * A sign of life of an attempt, with how far it is.
 *
 * **Details** A node with `heartbeat` fails its attempt when none comes in time, waits in steps aside. The details are kept for the next attempt:
 * they are written once a second at most, and the last ones with the end of the attempt; a death of the process may lose those of
 * its last second. May be given inside a step.
 *
 * @example
 * yield* Step.heartbeat(Schema.Number, linesDone)
 */
export const heartbeat = <S extends AnySchema>(
  schema: S,
  details: Schema.Schema.Type<S>
): Effect.Effect<void, never, NodeContext> => withSteps("heartbeat", (steps) => steps.heartbeat(schema, details))

/**
 * The details of the last heartbeat of this firing that is known, of this attempt or one before.
 *
 * @example
 * const linesDone = Option.getOrElse(yield* Step.lastHeartbeat(Schema.Number), () => 0)
 */
export const lastHeartbeat = <S extends AnySchema>(
  schema: S
): Effect.Effect<Option.Option<Schema.Schema.Type<S>>, never, NodeContext> =>
  Effect.map(
    withSteps("heartbeat", (steps) => steps.lastHeartbeat(schema)),
    (details) => details as Option.Option<Schema.Schema.Type<S>>
  )

/**
 * Says how far a handler is with its streams: the state, what it has given and what it has consumed become true together.
 *
 * **Details** An attempt that starts again, in whatever process, begins there: `lastCheckpoint` gives the state, its `stream`
 * handles give what comes after what had been pulled from them, its streamed outputs go on where they were. So it belongs where all
 * that was pulled has been dealt with: behind `Stream.grouped`, not beside elements that are still at work. May be given as often as
 * is useful; a checkpoint costs one commit.
 *
 * For a producer it stands in the stream itself, behind the elements that the state speaks of: what has left the stream by then is
 * given together with the state. A handler that starts again reads the state with `lastCheckpoint` and begins its stream behind it:
 * nothing before is given, compared or asked for again, so only what came after the last checkpoint has to come out the same. In a
 * handler that gives several streams one checkpoint tells of all of them, however far each is.
 *
 * **Errors** Dies with `StepMisuse` inside another step, or where it can't be interrupted, as in a finalizer.
 *
 * @example
 * const total = yield* numbers.pipe(
 *   Stream.grouped(500),
 *   Stream.runFoldEffect(begin, (sum, chunk) => {
 *     const next = Chunk.reduce(chunk, sum, (a, b) => a + b)
 *     return Effect.as(Step.checkpoint(Schema.Number, next), next)
 *   })
 * )
 *
 * // A producer: the pages of a source, behind each of them the cursor of the next one.
 * const begin = yield* Step.lastCheckpoint(Cursor)
 * const rows = pagesFrom(begin).pipe(
 *   Stream.flatMap((page) =>
 *     Stream.concat(Stream.fromIterable(page.rows), Stream.drain(Stream.fromEffect(Step.checkpoint(Cursor, page.next))))
 *   )
 * )
 * return { rows }
 */
export const checkpoint = <S extends AnySchema>(
  schema: S,
  state: Schema.Schema.Type<S>
): Effect.Effect<void, never, NodeContext> => withSteps("checkpoint", (steps) => steps.checkpoint(schema, state))

/**
 * The state of the last checkpoint of this firing, of this attempt or one before.
 *
 * @example
 * const begin = Option.getOrElse(yield* Step.lastCheckpoint(Schema.Number), () => 0)
 */
export const lastCheckpoint = <S extends AnySchema>(
  schema: S
): Effect.Effect<Option.Option<Schema.Schema.Type<S>>, never, NodeContext> =>
  Effect.map(
    withSteps("checkpoint", (steps) => steps.lastCheckpoint(schema)),
    (state) => state as Option.Option<Schema.Schema.Type<S>>
  )

/**
 * Answers a query about this node from now on; durable before the handler goes on.
 *
 * **Errors** Dies with `StepMisuse` where it can't be interrupted, as in a finalizer.
 *
 * @example
 * yield* Step.publish(Progress, 50)
 */
export const publish = <Q extends Query>(query: Q, value: Success<Q>): Effect.Effect<void, never, NodeContext> =>
  withSteps(query.name, (steps) => steps.publish(query.name, query.success, value))

const withSteps = <A, E, R>(
  step: string,
  use: (steps: StepHost, context: NodeContext["Type"]) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | NodeContext> =>
  Effect.flatMap(NodeContext, (context) => {
    const site = context[StepsTypeId]
    return site === undefined
      ? Effect.die(new StepMisuse({ step, reason: "this context belongs to no run" }))
      : use(site.steps, context)
  })
