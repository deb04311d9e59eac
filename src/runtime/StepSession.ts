import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { AnySchema } from "../definition/Input.js"
import type { Signal } from "../definition/Signal.js"
import { isSameSignal } from "../definition/SignalCheck.js"
import type { RunCall, StepHost, StepName, StepSite } from "../definition/StepHost.js"
import type { WorkflowDefinition } from "../definition/WorkflowDefinition.js"
import { type RunCancelled, type RunFailed, StepMisuse } from "../model/Errors.js"
import type { AttemptOutcome } from "../model/Firing.js"
import { isInputId } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import type { PendingSignal, StepKind, StepRow } from "../model/StepRow.js"
import { nextTry } from "./RetryPolicy.js"
import type { StartFiring } from "./RunState.js"
import { commitCheckpoint, stateOf } from "./StepCheckpoint.js"
import { childStep } from "./StepChild.js"
import type { StepJournal } from "./StepJournal.js"
import { NestedSteps } from "./StepNesting.js"
import { pendingSignals } from "./StepOwner.js"
import type { StepRegister } from "./StepRegister.js"
import { Held, transactStep } from "./StepTransaction.js"
import { readStep, writeStep } from "./StepValue.js"
import { StepWaits } from "./StepWaits.js"

/** What a step does, given the steps inside of it. */
type Work<R> = (inside: StepSite) => Effect.Effect<unknown, unknown, R>

const checkpointStep: StepName = { name: "checkpoint", key: "" }

type Progress = Pick<StepRow, "status"> & Partial<Omit<StepRow, "nodeId" | "firing" | keyof StepName>>

/** The steps of one attempt of one firing. */
export class StepSession implements StepHost {
  private readonly used = new Set<string>()
  private readonly signals = new Map<string, Signal>()
  private readonly waits: StepWaits
  private children = 0
  /** The first misuse: the attempt fails of it, whatever its handler makes of it. */
  refused: StepMisuse | undefined
  lastBeatAt: number

  constructor(
    private readonly register: StepRegister,
    private readonly journal: StepJournal,
    private readonly start: StartFiring
  ) {
    this.lastBeatAt = register.owner.steady()
    this.waits = new StepWaits(register.owner, start)
  }

  get restedAt(): number {
    return this.waits.restedAt
  }

  run<R>(call: RunCall, work: Work<R>): Effect.Effect<unknown, unknown, R> {
    return this.entering(
      "run",
      call,
      Effect.suspend(() => {
        const known = this.journal.find("run", call.name, call.key)
        if (known?.status === "completed") return readStep(call.name, call.success, known.value)
        if (known?.status === "failed" && known.firingAttempt === this.start.firing.attempt) {
          return Effect.flatMap(readStep(call.name, call.error, known.value), Effect.fail)
        }
        const tried = known?.status === "retrying" ? known : undefined
        return Effect.zipRight(this.pause(call, tried?.notBefore ?? null), this.tryRun(call, work, tried?.attempt ?? 1))
      })
    )
  }

  /** One try of a step, and those after it. */
  private tryRun<R>(call: RunCall, work: Work<R>, attempt: number): Effect.Effect<unknown, unknown, R> {
    const inside = Effect.suspend(() => work({ steps: new NestedSteps(this, call.name) }))
    const done = call.client === undefined ? inside : this.transacted(call, attempt, inside)
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.exit(restore(done)), (exit) =>
        Exit.isSuccess(exit)
          ? this.succeeded(call, attempt, exit.value, restore)
          : restore(this.failed(call, work, attempt, exit.cause))
      )
    )
  }

  private transacted<R>(
    call: RunCall,
    attempt: number,
    inside: Effect.Effect<unknown, unknown, R>
  ): Effect.Effect<unknown, unknown, R> {
    const { owner } = this.register
    const rowOf = (value: string) => this.row("run", call, { status: "completed", attempt, value })
    return transactStep({ owner, journal: this.journal, rowOf, call }, inside)
  }

  /** What came out is on its way to its row before anything can interrupt. */
  private succeeded(
    call: RunCall,
    attempt: number,
    value: unknown,
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  ): Effect.Effect<unknown> {
    if (value instanceof Held) {
      this.journal.remember(value.row)
      return readStep(call.name, call.success, value.row.value)
    }
    return Effect.flatMap(writeStep(call.name, call.success, value), (text) => {
      const written = this.send(this.row("run", call, { status: "completed", attempt, value: text }))
      return Effect.zipRight(restore(written), readStep(call.name, call.success, text))
    })
  }

  private failed<R>(
    call: RunCall,
    work: Work<R>,
    attempt: number,
    cause: Cause.Cause<unknown>
  ): Effect.Effect<unknown, unknown, R> {
    const failure = Cause.isInterruptedOnly(cause) ? Option.none() : Cause.failureOption(cause)
    return Effect.gen(this, function* () {
      const next = yield* nextTry(call.retry, attempt, failure, this.register.owner.now)
      if (Option.isSome(next)) {
        const progress = { status: "retrying", attempt: attempt + 1, notBefore: next.value } as const
        yield* this.commit("run", call, progress)
        yield* this.pause(call, next.value)
        return yield* this.tryRun(call, work, attempt + 1)
      }
      if (Option.isNone(failure)) return yield* Effect.failCause(cause)
      const text = yield* writeStep(call.name, call.error, failure.value)
      yield* this.commit("run", call, { status: "failed", attempt, value: text })
      return yield* Effect.flatMap(readStep(call.name, call.error, text), Effect.fail)
    })
  }

  sleep(step: StepName, until: (now: number) => number): Effect.Effect<void> {
    return this.entering(
      "sleep",
      step,
      Effect.flatMap(this.register.owner.now, (now) => {
        const known = this.journal.find("sleep", step.name, step.key)
        const wakesAt = known?.notBefore ?? until(now)
        if (wakesAt <= now) return Effect.void
        const row = known === undefined ? this.row("sleep", step, { status: "waiting", notBefore: wakesAt }) : undefined
        if (wakesAt - now > this.register.owner.hotMs()) {
          return this.waits.wait({ reason: `sleeps: ${step.name}`, resumeAt: wakesAt, row, looked: undefined })
        }
        const written = row === undefined ? Effect.void : Effect.suspend(() => this.send(row))
        return Effect.zipRight(written, this.waits.rest(wakesAt - now))
      })
    )
  }

  signal(step: StepName, signal: Signal, timeoutMs: number | undefined): Effect.Effect<Option.Option<unknown>> {
    const { name, payload } = signal
    const known = this.register.owner.signal(this.start.node, name) ?? this.signals.get(name) ?? signal
    if (!isSameSignal(known, signal)) return this.refuse(name, "another signal of this node has this name")
    this.signals.set(name, signal)
    return this.entering(
      "signal",
      step,
      Effect.gen(this, function* () {
        const known = this.journal.find("signal", step.name, step.key)
        if (known?.status === "completed") return Option.some(yield* readStep(step.name, payload, known.value))
        if (known?.status === "timed_out") return Option.none()
        const { owner } = this.register
        const looked = this.register.arrivals(this.journal.firing.nodeId)
        const taken = yield* this.takeNext(step)
        if (taken !== undefined) return Option.some(yield* readStep(step.name, payload, taken))
        const now = yield* owner.now
        const deadline = known === undefined && timeoutMs !== undefined ? now + timeoutMs : known?.notBefore
        if (deadline != null && deadline <= now) {
          yield* this.commit("signal", step, { status: "timed_out" })
          return Option.none()
        }
        const row = this.row("signal", step, { status: "waiting", notBefore: deadline ?? null })
        return yield* this.waits.wait({
          reason: `waits for signal ${step.name}`,
          resumeAt: deadline ?? undefined,
          row: known === undefined ? row : undefined,
          looked
        })
      })
    )
  }

  /** Takes the oldest signal that nobody has; among those read, all may be taken by steps beside this one: then more are read. */
  private takeNext(step: StepName, limit: number = Limits.signalBatch): Effect.Effect<string | undefined> {
    return Effect.flatMap(pendingSignals(this.register.owner, this.journal.firing, step.name, limit), (found) => {
      const first = found.find(({ seq }) => !this.register.taken.has(seq))
      if (first !== undefined) return this.take(step, first)
      return found.length < limit ? Effect.succeed(undefined) : this.takeNext(step, limit * 2)
    })
  }

  /** Found, taken and sent on its way in one go, so that nobody else takes it. */
  private take(step: StepName, { payload: value, seq: inputSeq }: PendingSignal): Effect.Effect<string> {
    this.register.taken.add(inputSeq)
    const { attempt } = this.start.firing
    // Which attempt began to wait tells whose a child is.
    const { firingAttempt = attempt } = this.journal.find("signal", step.name, step.key) ?? {}
    return Effect.as(
      this.send(this.row("signal", step, { status: "completed", value, inputSeq, firingAttempt })),
      value
    )
  }

  heartbeat(schema: AnySchema, details: unknown): Effect.Effect<void> {
    return Effect.flatMap(writeStep("heartbeat", schema, details), (value) =>
      Effect.sync(() => {
        const now = this.register.owner.unsafeNow()
        this.lastBeatAt = this.register.owner.steady()
        this.journal.beat = value
        if (now - this.journal.beatWrittenAt >= Limits.heartbeatWriteMs) this.writeBeat()
      })
    )
  }

  /** Writes the last sign of life, if that was not done; at the end of an attempt it goes into the same commit. */
  writeBeat(): void {
    const { journal, register, start } = this
    const { beat: value, beatWritten } = journal
    if (value === undefined || value === beatWritten) return
    journal.beatWritten = value
    journal.beatWrittenAt = register.owner.unsafeNow()
    const row = this.row("heartbeat", { name: "heartbeat", key: "" }, { status: "completed", value })
    register.record(journal, start, row, () => undefined)
  }

  lastHeartbeat(schema: AnySchema): Effect.Effect<Option.Option<unknown>> {
    return Effect.flatMap(this.journal.load, () => {
      const value = this.journal.beat ?? this.journal.find("heartbeat", "heartbeat", "")?.value
      return value == null ? Effect.succeedNone : Effect.asSome(readStep("heartbeat", schema, value))
    })
  }

  checkpoint(schema: AnySchema, state: unknown): Effect.Effect<void> {
    const streams = this.register.owner.streamsOf(this.start)
    const commit = (value: string) => this.commit("checkpoint", checkpointStep, { status: "completed", value })
    return this.interruptibly(checkpointStep.name, commitCheckpoint(schema, state, streams, commit))
  }

  lastCheckpoint(schema: AnySchema): Effect.Effect<Option.Option<unknown>> {
    return Effect.flatMap(this.journal.load, () =>
      stateOf(schema, this.journal.find("checkpoint", checkpointStep.name, checkpointStep.key)?.value)
    )
  }

  publish(name: string, schema: AnySchema, value: unknown): Effect.Effect<void> {
    if (!isInputId(name)) return this.refuse(name, "its name has to be 1 to 200 characters without control characters")
    const published = Effect.flatMap(writeStep(name, schema, value), (text) =>
      this.commit("query", { name, key: "" }, { status: "completed", value: text })
    )
    return this.interruptibly(name, published)
  }

  /** What the attempt came to when it was interrupted because steps of it wait. */
  outcome(): Extract<AttemptOutcome, { _tag: "Waits" }> | undefined {
    return this.waits.outcome(this.register.arrivals(this.journal.firing.nodeId))
  }

  child(
    step: StepName,
    definition: WorkflowDefinition,
    input: unknown
  ): Effect.Effect<unknown, RunFailed | RunCancelled> {
    const session = {
      owner: this.register.owner,
      firing: this.journal.firing,
      waitedSince: (signal: string) => this.journal.find("signal", signal, "")?.firingAttempt,
      attempt: this.start.firing.attempt,
      entering: (name: StepName, body: Effect.Effect<void>) => this.entering("child", name, body),
      signal: (name: StepName, payload: AnySchema) => this.signal(name, { name: name.name, payload }, undefined),
      refuse: (name: string, reason: string) => this.refuse(name, reason)
    }
    return childStep(session, step, definition, input)
  }

  /** Dies of a misuse. */
  refuse(step: string, reason: string): Effect.Effect<never> {
    return Effect.suspend(() => {
      const misuse = new StepMisuse({ step, reason })
      this.refused ??= misuse
      return Effect.die(misuse)
    })
  }

  /** A step under its name, once, while it is at work. */
  private entering<A, E, R>(
    kind: StepKind | "child",
    { key, name }: StepName,
    body: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> {
    const work = Effect.suspend((): Effect.Effect<A, E, R> => {
      if (!isInputId(name) || (key !== "" && !isInputId(key))) {
        return this.refuse(name, "name and key have to be 1 to 200 characters without control characters")
      }
      const id = `${kind}\n${name}\n${key}`
      if (this.used.has(id)) {
        const which = key === "" ? "under this name; give each its own `key`" : `under the key ${key}`
        return this.refuse(name, `the attempt has a step ${which} already`)
      }
      const { childFanOut } = this.register.owner
      if (kind === "child" && ++this.children > childFanOut) {
        return this.refuse(name, `the attempt has ${childFanOut} children already`)
      }
      this.used.add(id)
      this.waits.enter()
      return Effect.ensuring(
        Effect.zipRight(this.journal.load, body),
        Effect.sync(() => this.waits.leave())
      )
    })
    return this.interruptibly(name, work)
  }

  /** What waits for a commit, where it can be interrupted: the commit of an attempt that is over comes never. */
  private interruptibly<A, E, R>(step: string, work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.checkInterruptible((interruptible) =>
      interruptible
        ? work
        : this.refuse(step, "a step can't be in a finalizer or in another region that can't be interrupted")
    )
  }

  /** Until the next try of a step: in memory if that is soon. */
  private pause(step: StepName, until: number | null): Effect.Effect<void> {
    if (until === null) return Effect.void
    return Effect.flatMap(this.register.owner.now, (now) => {
      if (until <= now) return Effect.void
      return until - now <= this.register.owner.hotMs()
        ? this.waits.rest(until - now)
        : this.waits.wait({ reason: `retries: ${step.name}`, resumeAt: until, row: undefined, looked: undefined })
    })
  }

  private commit(kind: StepKind, step: StepName, progress: Progress): Effect.Effect<void> {
    return Effect.suspend(() => this.send(this.row(kind, step, progress)))
  }

  /** Sends a row on its way at once; what it gives ends when that is committed. */
  private send(row: StepRow): Effect.Effect<void> {
    const committed = Effect.unsafeMakeLatch(false)
    this.register.record(this.journal, this.start, row, () => committed.unsafeOpen())
    return committed.await
  }

  private row(kind: StepKind, { key, name }: StepName, progress: Progress): StepRow {
    const { firing, nodeId } = this.journal.firing
    const { attempt = 1, firingAttempt = this.start.firing.attempt, status } = progress
    const { inputSeq = null, notBefore = null, value = null } = progress
    return { nodeId, firing, kind, name, key, status, attempt, firingAttempt, notBefore, value, inputSeq }
  }
}
