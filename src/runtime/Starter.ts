import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { Attributes } from "../model/Attributes.js"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { EncodedValue } from "../model/Firing.js"
import type { RunId } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import { type RunCommit, type RunStart, underFence } from "../model/Run.js"
import { isEnded, type RunStatus } from "../model/Status.js"
import { Inbox } from "../store/Inbox.js"
import { isNotReady, type StartOutcome, StateStore } from "../store/StateStore.js"
import { Transaction, Transactor, type Writes, writeAll } from "../store/Transactor.js"
import { TriggerStore } from "../store/TriggerStore.js"
import { Wakeups } from "../store/Wakeups.js"
import { AuditTrail } from "./AuditTrail.js"
import { DatabaseClock } from "./DatabaseClock.js"
import { Definitions, type Registered } from "./Definitions.js"
import * as GroupWriter from "./GroupWriter.js"
import { Identity } from "./Identity.js"
import { LargePayloads } from "./LargePayloads.js"
import type { Plan } from "./Plan.js"
import { Recovery } from "./Recovery.js"
import { type Decision, decide } from "./RunMachine.js"
import { type Begins, freshState } from "./RunState.js"
import { RunSupervisor } from "./RunSupervisor.js"
import { Settings } from "./Settings.js"

/** A run to be started, with its input already encoded. */
export interface StartRequest {
  readonly workflow: string
  readonly workflowVersion: number
  readonly plan: Plan
  readonly runId: RunId
  readonly priority: number
  /** JSON text of the whole input. */
  readonly text: string
  readonly input: { readonly [port: string]: EncodedValue }
  readonly begins: Begins
  readonly attributes?: Attributes
}

/** How a start ended, with the status the run has now. */
export type StartResult = StartOutcome & { readonly status: RunStatus }

/** Starts runs, many in one transaction; where this worker has room it holds them from the first commit on. */
export class Starter extends Context.Tag("perdure/Starter")<
  Starter,
  {
    readonly start: (request: StartRequest) => Effect.Effect<StartResult, DatabaseError | UndecodableRow>
    /** Starts many for whoever has room, without a fiber for each; gives what became of each, in the order given. */
    readonly startMany: (
      requests: ReadonlyArray<StartRequest>
    ) => Effect.Effect<ReadonlyArray<Either.Either<StartResult, DatabaseError>>>
    /** Starts inside a transaction of the caller: without a lease, true when he commits. */
    readonly startIn: (
      transaction: Context.Tag.Service<Transaction>,
      request: StartRequest
    ) => Effect.Effect<StartResult, DatabaseError>
  }
>() {}

/** A start that was written, and whether its acknowledgement had been lost before. */
interface Written {
  readonly outcome: StartOutcome
  readonly repeated: boolean
}

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const transactor = yield* Transactor
  const states = yield* StateStore
  const inbox = yield* Inbox
  const triggers = yield* TriggerStore
  const wakeups = yield* Wakeups
  const clock = yield* DatabaseClock
  const definitions = yield* Definitions
  const identity = yield* Identity
  const recovery = yield* Recovery
  const supervisor = yield* RunSupervisor
  const trail = yield* AuditTrail
  const large = yield* LargePayloads

  /** All of starts but the rows of their runs. */
  const rest = (starts: ReadonlyArray<RunStart>): Writes => {
    const firsts = starts.map((start) => start.first)
    return [
      ...states.writeFirings(firsts),
      ...inbox.append(firsts),
      ...states.postpone(starts),
      ...triggers.link(starts)
    ]
  }

  const insert = (starts: ReadonlyArray<RunStart>) =>
    Effect.gen(function* () {
      const outcomes = yield* states.start(starts)
      const started = starts.filter((_, index) => outcomes[index]!._tag === "Started")
      yield* writeAll(rest(started))
      return outcomes
    })

  const write = (starts: ReadonlyArray<RunStart>) =>
    transactor.transact("start", insert(starts), { lockTimeout: Duration.millis(Limits.startLockTimeoutMs) })

  /** Nearly always every run of a batch is new: everything goes together, or nothing does. */
  const writeAtOnce = (starts: ReadonlyArray<RunStart>) =>
    Effect.matchEffect(
      Effect.suspend(() =>
        transactor.writeAtOnce("start", [...states.startAll(starts, Limits.startLockTimeoutMs), ...rest(starts)])
      ),
      {
        onSuccess: () => Effect.succeed(starts.map((): StartOutcome => ({ _tag: "Started" }))),
        onFailure: (error) => (isNotReady(error) ? write(starts) : Effect.fail(error))
      }
    )

  const alone = (start: RunStart): Effect.Effect<Written, DatabaseError> => {
    let repeated = false
    return write([start]).pipe(
      Effect.tapError((error) => Effect.sync(() => (repeated ||= error.outcome === "unknown"))),
      Effect.retry({
        schedule: GroupWriter.backoff,
        times: Limits.startTries,
        while: (error) => error.outcome !== "fatal"
      }),
      Effect.map(([outcome]) => ({ outcome: outcome!, repeated }))
    )
  }

  const writer = yield* GroupWriter.make<RunStart, RunStart, Written, DatabaseError>({
    max: Limits.startBatch,
    lanes: 1,
    prepare: (one) => one,
    waits: false,
    write: (starts) =>
      Effect.map(writeAtOnce(starts), (outcomes) => outcomes.map((outcome) => ({ outcome, repeated: false }))),
    alone
  })

  /** The first decision of a run; with room, its slots are taken in the same step. */
  const begin = (request: StartRequest, hold: boolean) =>
    Effect.map(clock.now, (now) => {
      const slots = hold ? supervisor.slots.free : 0
      const decision = decide(
        freshState(request.plan, request.runId, request.begins),
        [{ _tag: "Started", input: request.input }],
        {
          now,
          slots,
          alone: false
        }
      )
      supervisor.slots.take(decision.start.length)
      return decision
    })

  const rowOf = (request: StartRequest, decision: Decision, worker: RunStart["worker"]): RunStart => ({
    workflow: request.workflow,
    workflowVersion: request.workflowVersion,
    priority: request.priority,
    input: request.text,
    ...(request.attributes === undefined ? {} : { attributes: request.attributes }),
    worker,
    ready: worker === null && decision.hungry,
    dueAt: worker === null ? (decision.dueAt ?? null) : null,
    first: underFence(decision.commit!, worker === null ? 0 : 1)
  })

  const resultOf = (outcome: StartOutcome, decision: Decision): StartResult =>
    outcome._tag === "Started"
      ? { _tag: "Started", status: decision.state.status }
      : { ...outcome, status: outcome._tag === "Exists" ? outcome.status : decision.state.status }

  /** The first commit is there. */
  const tell = (request: StartRequest, first: RunCommit): void => {
    trail.committed(first, clock.unsafeNow())
    large.committed(request.workflow, first)
  }

  /** Here and now: the lease is taken with the first commit. */
  const startHere = (request: StartRequest, registered: Registered) =>
    Effect.gen(function* () {
      const decision = yield* begin(request, true)
      const held = !isEnded(decision.state.status)
      supervisor.reserve(1)
      const giveBack = Effect.sync(() => supervisor.slots.release(decision.start.length))
      const worker = held ? yield* identity.current : null
      const start = rowOf(request, decision, worker)
      const { outcome, repeated } = yield* writer.submit(start).pipe(
        Effect.tapErrorCause(() => giveBack),
        Effect.ensuring(Effect.sync(() => supervisor.reserve(-1)))
      )
      if (outcome._tag === "Started" && held) {
        const { start: starts, state } = decision
        supervisor.adopt({ registered, state, fence: 1, starts, inputs: [], commands: [] })
      } else yield* giveBack
      if (outcome._tag === "Started") tell(request, start.first)
      // It may be our own start whose acknowledgement was lost: then its lease is ours too.
      if (repeated && outcome._tag === "Exists" && !supervisor.has(request.runId))
        yield* recovery.claim([{ _tag: "Own", runIds: [request.runId] }], 1)
      return resultOf(outcome, decision)
    })

  /** For whoever has room: it is found by those who look for work. */
  const startElsewhere = (request: StartRequest) =>
    Effect.gen(function* () {
      const decision = yield* begin(request, false)
      const { outcome } = yield* writer.submit(rowOf(request, decision, null))
      if (outcome._tag === "Started") {
        tell(request, underFence(decision.commit!, 0))
        yield* wakeups.announce([{ kind: "ready", runId: request.runId }])
      }
      return resultOf(outcome, decision)
    })

  const offerAll = (requests: ReadonlyArray<StartRequest>, decisions: ReadonlyArray<Decision>) =>
    Effect.async<ReadonlyArray<Exit.Exit<Written, DatabaseError>>>((resume) => {
      const exits: Array<Exit.Exit<Written, DatabaseError>> = []
      let open = requests.length
      for (let index = 0; index < requests.length; index++) {
        writer.offer(rowOf(requests[index]!, decisions[index]!, null), (exit) => {
          exits[index] = exit
          if (--open === 0) resume(Effect.succeed(exits))
        })
      }
    })

  const startMany = (requests: ReadonlyArray<StartRequest>) =>
    Effect.gen(function* () {
      if (requests.length === 0) return []
      const decisions = yield* Effect.forEach(requests, (request) => begin(request, false))
      const exits = yield* offerAll(requests, decisions)
      const results: Array<Either.Either<StartResult, DatabaseError>> = []
      let started: RunId | undefined
      for (let index = 0; index < requests.length; index++) {
        const [request, decision] = [requests[index]!, decisions[index]!]
        const written = yield* Effect.either(exits[index]!)
        if (Either.isRight(written) && written.right.outcome._tag === "Started") {
          started = request.runId
          tell(request, underFence(decision.commit!, 0))
        }
        results.push(Either.map(written, ({ outcome }) => resultOf(outcome, decision)))
      }
      // One word for all: whoever hears it claims as much as there is room for.
      if (started !== undefined) yield* wakeups.announce([{ kind: "ready", runId: started }])
      return results
    })

  return {
    start: (request: StartRequest) =>
      Effect.suspend(() => {
        const registered = definitions.find(request.workflow, request.workflowVersion)
        return registered === undefined ||
          request.begins.startAt !== undefined ||
          settings.alwaysEvict ||
          supervisor.room() === 0
          ? startElsewhere(request)
          : startHere(request, registered)
      }).pipe(Effect.uninterruptible),
    startMany: (requests: ReadonlyArray<StartRequest>) => Effect.uninterruptible(startMany(requests)),
    startIn: (transaction: Context.Tag.Service<Transaction>, request: StartRequest) =>
      Effect.gen(function* () {
        const decision = yield* begin(request, false)
        const [outcome] = yield* Effect.provideService(
          insert([rowOf(request, decision, null)]),
          Transaction,
          transaction
        )
        return resultOf(outcome!, decision)
      })
  }
})

export const layer: Layer.Layer<
  Starter,
  never,
  | Transactor
  | StateStore
  | Inbox
  | TriggerStore
  | Wakeups
  | DatabaseClock
  | Definitions
  | Identity
  | Recovery
  | RunSupervisor
  | AuditTrail
  | LargePayloads
> = Layer.scoped(Starter, make)
