import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import { type RunView, StateStore } from "../store/StateStore.js"
import { Transactor } from "../store/Transactor.js"

/** How a run ended, as those who wait for it are told. */
export type RunEnd = Pick<RunView, "runId" | "status" | "output" | "failure">

/**
 * Those who wait for runs to end: told at once, without a read, by the worker in which a run ends, and found out by
 * looking for runs that end elsewhere.
 */
export class Awaiters extends Context.Tag("perdure/Awaiters")<
  Awaiters,
  {
    /**
     * Waits for a run's end.
     *
     * **Details** `first` looks whether it has ended already; it runs after the wait is registered, so that an end
     * between the two is seen by one of them. Without it the caller knows, in the same step, that the run lives here.
     */
    readonly wait: <E>(
      runId: RunId,
      first: Effect.Effect<Option.Option<RunEnd>, E> | undefined
    ) => Effect.Effect<RunEnd, E>
    /** A run has ended in this worker. */
    readonly ended: (end: RunEnd) => void
    /** Looks at all that is waited for and does not live here; level-triggered, so nothing is missed for long. */
    readonly look: (livesHere: (runId: RunId) => boolean) => Effect.Effect<void, DatabaseError | UndecodableRow>
  }
>() {}

interface Entry {
  count: number
  readonly told: Deferred.Deferred<RunEnd>
}

const make = Effect.gen(function* () {
  const transactor = yield* Transactor
  const states = yield* StateStore
  const waiting = new Map<RunId, Entry>()

  // Out of the map with the word: who asks later waits for the next one.
  const ended = (end: RunEnd) => {
    const entry = waiting.get(end.runId)
    waiting.delete(end.runId)
    if (entry !== undefined) Deferred.unsafeDone(entry.told, Effect.succeed(end))
  }

  const join = (runId: RunId): Entry => {
    const entry = waiting.get(runId) ?? { count: 0, told: Deferred.unsafeMake<RunEnd>(FiberId.none) }
    entry.count++
    waiting.set(runId, entry)
    return entry
  }

  const part = (runId: RunId, entry: Entry) =>
    Effect.sync(() => {
      if (--entry.count === 0 && waiting.get(runId) === entry) waiting.delete(runId)
    })

  const wait = <E>(runId: RunId, first: Effect.Effect<Option.Option<RunEnd>, E> | undefined) =>
    Effect.suspend(() => {
      const entry = join(runId)
      const told = Deferred.await(entry.told)
      const found =
        first === undefined
          ? told
          : Effect.flatMap(first, Option.match({ onSome: (end) => Effect.succeed(end), onNone: () => told }))
      return Effect.ensuring(found, part(runId, entry))
    })

  const look = (livesHere: (runId: RunId) => boolean) =>
    Effect.suspend(() => {
      const runIds = [...waiting.keys()].filter((runId) => !livesHere(runId))
      if (runIds.length === 0) return Effect.void
      return Effect.map(transactor.read("ended", states.ended(runIds)), (views) => {
        for (const view of views) ended(view)
      })
    })

  return { wait, ended, look }
})

export const layer: Layer.Layer<Awaiters, never, Transactor | StateStore> = Layer.effect(Awaiters, make)
