import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { OutputMode } from "../definition/Graph.js"
import { NodeContext } from "../definition/NodeContext.js"
import type { NodeDefinition, RetryPolicy } from "../definition/NodeDefinition.js"
import { isSuspend } from "../definition/NodeOutcome.js"
import { type StepHost, type StepSite, StepsTypeId } from "../definition/StepHost.js"
import type { FailureKind } from "../model/Failure.js"
import type { AttemptOutcome, EncodedValue } from "../model/Firing.js"
import { idempotencyKey, type RunId } from "../model/Ids.js"
import { toColumnText } from "../model/Json.js"
import { Limits } from "../model/Limits.js"
import type { Message } from "../model/Message.js"
import { fieldName, type NodeCodec, parseJson, type Refusal } from "./Codec.js"
import type { Registered } from "./Definitions.js"
import { describe } from "./Describe.js"
import { type DrainSite, drain, Streamed, withRead, withStreamed } from "./Drain.js"
import { contextWith } from "./Overlay.js"
import { retryDelay } from "./RetryPolicy.js"
import type { StartFiring } from "./RunState.js"
import type { StreamSession } from "./StreamSession.js"
import { InvalidElement } from "./StreamWriter.js"
import { tookTooLong } from "./Turn.js"

/** Who keeps the steps and streams of a run's firings. */
export interface StepKeeper {
  readonly beginSteps: (start: StartFiring) => StepHost
  readonly beginStreams: (start: StartFiring) => StreamSession
  /** Whether a firing may have given something in an attempt before. */
  readonly mayHaveGiven: (start: StartFiring) => boolean
}

/** Where an attempt takes place; `clock.now` is the database's time, for the next attempt, `clock.steady` is for lengths of time. */
export class AttemptSite implements StepSite, DrainSite {
  private host: StepHost | undefined
  private session: StreamSession | undefined

  constructor(
    readonly runId: RunId,
    readonly registered: Registered,
    readonly start: StartFiring,
    private readonly clock: { readonly now: Effect.Effect<number>; readonly steady: () => number },
    private readonly keeper: StepKeeper
  ) {}

  get now(): Effect.Effect<number> {
    return this.clock.now
  }

  /** In milliseconds. */
  get steady(): Effect.Effect<number> {
    return Effect.sync(this.clock.steady)
  }

  /** What the handler is given beside its inputs, for a firing of the node itself or one that it stands for. */
  nodeContext(
    nodeId = this.registered.plan.nodes[this.start.node]!.id,
    firing = this.start.firing.firing
  ): NodeContext["Type"] {
    const { runId } = this
    const { attempt, crashes } = this.start.firing
    const { workflow, workflowVersion } = this.registered.key
    return {
      workflow,
      workflowVersion,
      runId,
      nodeId,
      firing,
      attempt,
      crashes,
      idempotencyKey: idempotencyKey({ runId, nodeId, firing }),
      [StepsTypeId]: this
    }
  }

  /** What the attempt's fiber begins with. */
  get context(): Context.Context<NodeContext> {
    const environment = this.registered.handlers[this.start.node]?.environment ?? Context.empty()
    return contextWith(environment, NodeContext, this.nodeContext())
  }

  /** Made when the first step asks. */
  get steps(): StepHost {
    this.host ??= this.keeper.beginSteps(this.start)
    return this.host
  }

  /** Made when the first stream is read or given. */
  get streams(): StreamSession {
    this.session ??= this.keeper.beginStreams(this.start)
    return this.session
  }

  get mayHaveGiven(): boolean {
    return this.keeper.mayHaveGiven(this.start)
  }

  /** What was given on ports while the attempt ran. */
  get streamed(): Readonly<Record<string, number>> | undefined {
    return this.session?.streamed
  }

  /** How far its streams were read. */
  get read(): StreamSession["read"] {
    return this.session?.read
  }

  /** When the attempt last gave a sign of life; negative infinity before the first. */
  get lastBeatAt(): number {
    return this.host?.lastBeatAt ?? Number.NEGATIVE_INFINITY
  }

  /** When it last did nothing but wait in a step. */
  get restedAt(): number {
    return this.host?.restedAt ?? Number.NEGATIVE_INFINITY
  }
}

/** An attempt was beyond its time. */
export class TimedOut {
  readonly _tag = "perdure/TimedOut"
  constructor(
    readonly message: string,
    /** Whether the time of the whole firing is over: then there is no other attempt. */
    readonly isFinal = false
  ) {}
}

/** Ends when the time of the whole firing is over. */
const overdue = (site: AttemptSite, deadline: number): Effect.Effect<never, TimedOut> =>
  Effect.gen(function* () {
    for (;;) {
      const left = deadline - (yield* site.now)
      if (left <= 0) return yield* Effect.fail(new TimedOut(tookTooLong, true))
      yield* Effect.sleep(Duration.millis(left))
    }
  })

/**
 * Ends when the attempt has been at work for so long since something of it.
 *
 * **Details** A wait in a step is none of its time, and after it the time begins anew: whether such a wait is kept in memory or in
 * rows, after which the handler starts again, makes no difference.
 */
const tooLong = (
  site: AttemptSite,
  longest: Duration.Duration,
  message: string,
  since: () => number = () => Number.NEGATIVE_INFINITY
): Effect.Effect<never, TimedOut> =>
  Effect.gen(function* () {
    const begun = yield* site.steady
    for (;;) {
      const left = Math.max(begun, site.restedAt, since()) + Duration.toMillis(longest) - (yield* site.steady)
      if (left <= 0) return yield* Effect.fail(new TimedOut(message))
      yield* Effect.sleep(Duration.millis(left))
    }
  })

/** What an attempt is bounded by: the silence between its signs of life, its own time, and that of its firing. */
const inTime = <A, E, R>(
  site: AttemptSite,
  { heartbeat, timeout }: NodeDefinition,
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E | TimedOut, R> => {
  const { deadline } = site.start.firing
  // As with most nodes, and on the way of every attempt.
  if (heartbeat === undefined && timeout === undefined && deadline === null) return work
  const bounds = [
    ...(heartbeat === undefined
      ? []
      : [tooLong(site, heartbeat, "the attempt gave no heartbeat in time", () => site.lastBeatAt)]),
    ...(timeout === undefined ? [] : [tooLong(site, timeout, "the attempt took longer than its time-out")]),
    ...(deadline === null ? [] : [overdue(site, deadline)])
  ]
  return bounds.reduce<Effect.Effect<A, E | TimedOut, R>>((bounded, bound) => Effect.raceFirst(bounded, bound), work)
}

/**
 * One attempt of one firing: decode what it took, run its handler, encode what it gives.
 *
 * **Details** Never fails: errors, defects, time-outs and undecodable values are outcomes. Interrupted from outside it ends
 * as interrupted.
 */
export const attempt = (site: AttemptSite): Effect.Effect<AttemptOutcome, never, NodeContext> =>
  Effect.catchAllDefect(
    Effect.suspend(() => undertake(site)),
    // The handler's own defects are outcomes already; this is a schema of the author's that threw.
    (defect) => Effect.succeed<AttemptOutcome>({ _tag: "Failed", kind: "defect", message: describe(defect) })
  )

const undertake = (site: AttemptSite): Effect.Effect<AttemptOutcome, never, NodeContext> => {
  const codec = site.registered.codecs[site.start.node]!
  const handler = site.registered.handlers[site.start.node]!
  const decoded = decodeInputs(site, codec)
  if (Either.isLeft(decoded)) return Effect.succeed(undecodable(decoded.left))
  const { event, inputs } = decoded.right
  const handled = Effect.suspend(() => handler.run(inputs, event))
  const work = codec.givesStreams ? Effect.flatMap(handled, (result) => drain(site, codec, result)) : handled
  return inTime(site, codec.definition, work).pipe(
    Effect.matchCauseEffect({
      onSuccess: (result) => Effect.succeed(withRead(site, encodeResult(codec, result))),
      onFailure: (cause) => Effect.flatMap(failureOutcome(site, codec, cause), (outcome) => withStreamed(site, outcome))
    })
  )
}

interface Decoded {
  readonly inputs: Record<string, unknown>
  readonly event: unknown
}

const decodeInputs = (
  site: AttemptSite,
  codec: NodeCodec
): Either.Either<Decoded, { field: string; message: string }> => {
  const plan = site.registered.plan.nodes[site.start.node]!
  const inputs: Record<string, unknown> = {}
  let external: Message | undefined
  for (let index = 0; index < plan.handles.length; index++) {
    const taken = site.start.firing.taken[index]
    const name = plan.handles[index]!.name
    if (index === plan.external) {
      external = taken as Message | undefined
      continue
    }
    const decoder = codec.inputs.get(name)!
    if (plan.handles[index]!.mode === "stream") {
      inputs[name] = site.streams.input(index, decoder)
      continue
    }
    const messages = taken === undefined || "producer" in taken ? undefined : taken
    const values: Array<unknown> = []
    for (const message of messages ?? [taken as Message]) {
      const value = decoder.decode(message.content._tag === "Live" ? message.content.value : undefined)
      if (Either.isLeft(value))
        return Either.left({ field: fieldName(name, value.left.path), message: value.left.message })
      values.push(value.right)
    }
    inputs[name] = messages === undefined ? values[0] : values
  }
  return Either.map(decodeEvent(site, codec, external), (event) => ({ inputs, event }))
}

const decodeEvent = (
  site: AttemptSite,
  codec: NodeCodec,
  external: Message | undefined
): Either.Either<unknown, { field: string; message: string }> => {
  const { resumable } = codec.definition
  if (external === undefined || codec.payload === undefined) return Either.right(resumable ? Option.none() : undefined)
  const payload = codec.payload.decode(external.content._tag === "Live" ? external.content.value : undefined)
  if (Either.isLeft(payload)) {
    return Either.left({ field: fieldName("payload", payload.left.path), message: payload.left.message })
  }
  if (!resumable) return Either.right(payload.right)
  const stored = parseJson(site.start.firing.state ?? "null")
  const state = Either.isLeft(stored) ? stored : codec.state!.decode(stored.right)
  if (Either.isLeft(state)) {
    return Either.left({ field: fieldName("state", state.left.path), message: state.left.message })
  }
  return Either.right(Option.some({ state: state.right, input: payload.right }))
}

const undecodable = (refusal: { field: string; message: string }): AttemptOutcome => ({
  _tag: "Failed",
  kind: "undecodable",
  message: `${refusal.field}: ${refusal.message}`
})

const invalidOutput = (field: string, refusal: Refusal): AttemptOutcome => ({
  _tag: "Failed",
  kind: "invalidOutput",
  message: `${fieldName(field, refusal.path)}: ${refusal.message}`
})

const encodeResult = (codec: NodeCodec, result: unknown): AttemptOutcome => {
  if (isSuspend(result)) return encodeSuspension(codec, result)
  if (typeof result !== "object" || result === null) {
    return invalidOutput("outputs", { path: [], message: "the handler returned no record of outputs" })
  }
  const record = result as Readonly<Record<string, unknown>>
  const outputs: Record<string, ReadonlyArray<EncodedValue>> = {}
  let streamed: Record<string, number> | undefined
  for (const [port, encoder] of codec.outputs) {
    const output = record[port]
    const given = output instanceof Streamed ? output.elements : output
    if (output instanceof Streamed) streamed = { ...streamed, [port]: output.count }
    const { mode } = codec.definition.outputs[port]!
    if (mode === "many" && !Array.isArray(given)) return invalidOutput(port, { path: [], message: "expected an array" })
    const values = emittedValues(mode, given)
    const encoded: Array<EncodedValue> = []
    for (let ordinal = 0; ordinal < values.length; ordinal++) {
      const value = encoder.encode(values[ordinal])
      if (Either.isLeft(value)) {
        const path = mode === "many" ? [ordinal, ...value.left.path] : value.left.path
        return invalidOutput(port, { path, message: value.left.message })
      }
      encoded.push(value.right)
    }
    outputs[port] = encoded
  }
  return { _tag: "Completed", outputs, ...(streamed === undefined ? {} : { streamed }) }
}

const emittedValues = (mode: OutputMode, given: unknown): ReadonlyArray<unknown> => {
  if (mode === "many") return given as ReadonlyArray<unknown>
  return mode === "optional" && given === undefined ? [] : [given]
}

const encodeSuspension = (codec: NodeCodec, result: { reason: string; state: unknown }): AttemptOutcome => {
  if (codec.state === undefined) {
    return invalidOutput("state", { path: [], message: "only a node declared resumable can suspend" })
  }
  const state = codec.state.encode(result.state)
  if (Either.isLeft(state)) return invalidOutput("state", state.left)
  return {
    _tag: "Suspended",
    reason: toColumnText(result.reason).slice(0, Limits.reasonCharacters),
    state: state.right.text
  }
}

const failureOutcome = (
  site: AttemptSite,
  codec: NodeCodec,
  cause: Cause.Cause<unknown>
): Effect.Effect<AttemptOutcome> => {
  // An interruption from outside never gets here: it ends the fiber.
  if (Cause.isInterruptedOnly(cause)) {
    return retried(site, codec.definition.retry, "defect", "the handler interrupted itself", undefined)
  }
  const failure = Cause.failureOption(cause)
  if (Option.isNone(failure))
    return retried(site, codec.definition.retry, "defect", describe(Cause.squash(cause)), undefined)
  if (failure.value instanceof InvalidElement) {
    return Effect.succeed(invalidOutput(failure.value.port, failure.value.refusal))
  }
  if (failure.value instanceof TimedOut) {
    const policy = failure.value.isFinal ? undefined : codec.definition.retry
    return retried(site, policy, "timeout", failure.value.message, undefined)
  }
  const encoded = codec.error?.encode(failure.value)
  if (encoded === undefined || Either.isLeft(encoded)) {
    const why = encoded === undefined ? "the node declares no error" : encoded.left.message
    return retried(site, codec.definition.retry, "defect", `${describe(failure.value)} (${why})`, undefined)
  }
  return retried(site, codec.definition.retry, "error", describe(failure.value), {
    value: failure.value,
    encoded: encoded.right
  })
}

/** A failure, and when it is tried again under a policy; `error` is what failed, if anything, and what of it is stored. */
export const retried = (
  site: AttemptSite,
  policy: RetryPolicy | undefined,
  kind: FailureKind,
  message: string,
  error: { readonly value: unknown; readonly encoded?: EncodedValue } | undefined
): Effect.Effect<AttemptOutcome> => {
  const stored = error?.encoded
  const outcome = { _tag: "Failed", kind, message, ...(stored === undefined ? {} : { error: stored }) } as const
  const { attempt: number } = site.start.firing
  if (policy === undefined || number > policy.times) return Effect.succeed(outcome)
  return Effect.gen(function* () {
    if (error !== undefined && !policy.while(error.value)) return outcome
    const now = yield* site.now
    const delay = yield* retryDelay(policy.schedule, number, error?.value, now)
    return Option.isNone(delay) ? outcome : { ...outcome, retryAt: now + delay.value }
  }).pipe(
    // The policy is the author's code: a defect in it must not retry for ever.
    Effect.catchAllDefect((defect) =>
      Effect.succeed({ ...outcome, message: `${message} (its retry policy died: ${describe(defect)})` })
    )
  )
}

/** What a fiber of {@link attempt} came to, in whatever way it ended. */
export const outcomeOf = (exit: Exit.Exit<AttemptOutcome>): AttemptOutcome => {
  if (Exit.isSuccess(exit)) return exit.value
  if (Exit.isInterrupted(exit)) return { _tag: "Interrupted" }
  return { _tag: "Failed", kind: "defect", message: `the runtime itself failed: ${Cause.pretty(exit.cause)}` }
}
