import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { DatabaseError } from "../model/Errors.js"
import { Limits } from "../model/Limits.js"
import { Inbox } from "../store/Inbox.js"
import { type Aged, type Ages, type Swept as Hand, Retention } from "../store/Retention.js"
import { StepStore } from "../store/StepStore.js"
import { type Transaction, Transactor } from "../store/Transactor.js"
import { TriggerStore } from "../store/TriggerStore.js"
import { Workers } from "../store/Workers.js"
import { careful } from "./Careful.js"
import { DatabaseClock } from "./DatabaseClock.js"
import { policyOf, type RetentionPolicy, Settings, type SettingsShape } from "./Settings.js"

/** How many rows a sweep deleted; of runs and of the audit log, how many runs and rows of events. */
export interface Swept {
  readonly messages: number
  readonly steps: number
  readonly inputs: number
  /** Messages, inputs and commands of runs that live. */
  readonly trimmed: number
  readonly runs: number
  readonly events: number
  readonly workers: number
}

/**
 * Deletes what is older than its policy says: first what ended runs leave behind (messages, steps, inputs, commands), later
 * the runs themselves and the audit trail; what runs that live have done with; and the rows of workers that are gone.
 *
 * **Details** On by default, a bounded number of rows per transaction, with a pause after each. What is live, or referred to, stays.
 */
export class Janitor extends Context.Tag("perdure/Janitor")<
  Janitor,
  {
    /** Deletes everything that is old enough. */
    readonly sweep: Effect.Effect<Swept, DatabaseError>
  }
>() {}

/** Runs that one hand took. */
type EndedRuns = Hand & { readonly runIds: ReadonlyArray<string> }

const nothing = () => Effect.void

type Take<H extends Hand> = Effect.Effect<H, DatabaseError, Transaction>

/** What a policy says of each set of workflows: those with one of their own, and all others. */
const agedBy = (
  settings: SettingsShape,
  now: number,
  ageOf: (policy: RetentionPolicy) => number
): ReadonlyArray<Aged> => {
  const own = Object.keys(settings.retention)
  const aged = (policy: RetentionPolicy, workflows: ReadonlyArray<string>, others: boolean) => {
    const ms = ageOf(policy)
    return Number.isFinite(ms) ? [{ before: new Date(now - ms), workflows, others }] : []
  }
  return [
    ...aged(policyOf(settings), own, true),
    ...own.flatMap((workflow) => aged(policyOf(settings, workflow), [workflow], false))
  ]
}

/** What goes with its run needs no sweep of its own. */
const ofLeftOvers = ({ retentionMs, runRetentionMs }: RetentionPolicy): number =>
  retentionMs < runRetentionMs ? retentionMs : Number.POSITIVE_INFINITY

/** After so long no run is tried again, whatever its policy. */
const longest = (settings: SettingsShape): number =>
  Math.max(
    ...[undefined, ...Object.keys(settings.retention)].map((workflow) => policyOf(settings, workflow).retentionMs)
  )

const agesBy = (settings: SettingsShape, now: number, age: (policy: RetentionPolicy) => number): Ages => ({
  before: now - age(policyOf(settings)),
  workflows: Object.fromEntries(
    Object.keys(settings.retention).map((workflow) => [workflow, now - age(policyOf(settings, workflow))])
  )
})

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const transactor = yield* Transactor
  const inbox = yield* Inbox
  const steps = yield* StepStore
  const triggers = yield* TriggerStore
  const retention = yield* Retention
  const workers = yield* Workers
  const clock = yield* DatabaseClock

  const pause = Effect.sleep(Duration.millis(Limits.cleanupPauseMs))

  /** Whether a hand did not commit: the places that the stores remember are ahead of what is gone. */
  let anew = false

  /** Hand after hand, until nothing old is left; others get their turn in between. */
  const all = <H extends Hand>(
    take: (first: boolean) => Take<H>,
    then: (hand: H) => Effect.Effect<void>,
    first = true
  ): Effect.Effect<number, DatabaseError> =>
    Effect.flatMap(Effect.tap(transactor.transact("cleanup", take(first)), then), ({ done, rows }) =>
      done ? Effect.succeed(rows) : Effect.map(Effect.zipRight(pause, all(take, then, false)), (more) => rows + more)
    )

  const sum = <H extends Hand>(
    policies: ReadonlyArray<Aged>,
    take: (aged: Aged) => Take<H>,
    then: (hand: H) => Effect.Effect<void>
  ) =>
    Effect.map(
      Effect.forEach(policies, (aged) => all((first) => take({ ...aged, anew: first && anew }), then)),
      (counts) => counts.reduce((a, b) => a + b, 0)
    )

  /** The audit log may be missing, or belong to somebody else: what is kept of it keeps nothing else. */
  const apart = <A>(effect: Effect.Effect<A, DatabaseError>, otherwise: A) =>
    Effect.catchAll(effect, (error) =>
      Effect.as(Effect.logWarning("The audit log was not cleaned up", error), otherwise)
    )

  const forget = ({ runIds }: EndedRuns) =>
    runIds.length === 0 ? Effect.void : apart(transactor.transact("forget", retention.forget(runIds)), undefined)

  /** As many hands as a sweep has for runs that live, of which there may be many that have nothing to give: the next one goes on. */
  const trim = (ages: Ages) =>
    Effect.suspend(() => {
      let hands = 0
      const take = () =>
        Effect.map(retention.trim(ages, Limits.cleanupBatch), ({ done, rows }) => ({
          rows,
          done: ++hands >= Limits.trimHands || done
        }))
      return all(take, nothing)
    })

  const sweep = Effect.gen(function* () {
    const now = yield* clock.now
    const rest = agedBy(settings, now, ofLeftOvers)
    const messages = yield* sum(rest, (aged) => inbox.cleanup(aged, Limits.cleanupBatch), nothing)
    const inStore = yield* sum(rest, (aged) => steps.cleanup(aged, Limits.cleanupBatch), nothing)
    const inputs = yield* sum(rest, (aged) => triggers.cleanup(aged, Limits.cleanupBatch), nothing)
    const trimmed = yield* trim(agesBy(settings, now, ({ retentionMs }) => retentionMs))
    const parentsBefore = now - longest(settings)
    const ended = agedBy(settings, now, ({ runRetentionMs }) => runRetentionMs)
    const runs = yield* sum<EndedRuns>(
      ended,
      (aged) => retention.runs({ ...aged, parentsBefore }, Limits.cleanupRuns),
      forget
    )
    const ages = agesBy(settings, now, ({ auditRetentionMs }) => auditRetentionMs)
    const events = yield* apart(
      all(() => retention.events(ages, Limits.cleanupBatch), nothing),
      0
    )
    return {
      messages,
      steps: inStore,
      inputs,
      trimmed,
      runs,
      events,
      workers: yield* transactor.transact("cleanup", workers.cleanup)
    }
  })

  const marked = Effect.onExit(sweep, (exit) =>
    Effect.sync(() => {
      anew = Exit.isFailure(exit)
    })
  )
  const turn = careful("The cleanup", Effect.asVoid(marked))
  yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(Duration.millis(settings.cleanupMs)), turn)))
  return { sweep: marked }
})

export const layer: Layer.Layer<
  Janitor,
  never,
  Transactor | Inbox | StepStore | TriggerStore | Retention | Workers | DatabaseClock
> = Layer.scoped(Janitor, make)
