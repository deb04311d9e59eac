import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import { type RunView, StateStore } from "../store/StateStore.js"
import { Transactor } from "../store/Transactor.js"

/**
 * Those who wait for runs to end: told at once by this worker, found out by looking for runs of others.
 */
export class Awaiters extends Context.Tag("perdure/Awaiters")<
  Awaiters,
  {
    /** Waits for a run's end; the caller has seen to it that the run exists. */
    readonly wait: (runId: RunId) => Effect.Effect<RunView, DatabaseError | UndecodableRow>
    /** A run has ended in this worker, or so a hint says. */
    readonly ended: (runId: RunId) => void
    /** Looks at all that is waited for; level-triggered, so a lost hint costs a poll interval. */
    readonly look: Effect.Effect<void, DatabaseError | UndecodableRow>
  }
>() {}

interface Entry {
  count: number
  readonly told: Deferred.Deferred<void>
}

const make = Effect.gen(function* () {
  const transactor = yield* Transactor
  const states = yield* StateStore
  const waiting = new Map<RunId, Entry>()

  const read = (runIds: ReadonlyArray<RunId>) => transactor.transact("ended", states.ended(runIds))

  // Out of the map with the word: who asks later waits for the next one.
  const ended = (runId: RunId) => {
    const entry = waiting.get(runId)
    waiting.delete(runId)
    if (entry !== undefined) Deferred.unsafeDone(entry.told, Effect.void)
  }

  const join = (runId: RunId): Effect.Effect<Entry> =>
    Effect.map(Deferred.make<void>(), (told) => {
      const entry = waiting.get(runId) ?? { count: 0, told }
      entry.count++
      waiting.set(runId, entry)
      return entry
    })

  const part = (runId: RunId, entry: Entry) =>
    Effect.sync(() => {
      if (--entry.count === 0 && waiting.get(runId) === entry) waiting.delete(runId)
    })

  const wait = (runId: RunId): Effect.Effect<RunView, DatabaseError | UndecodableRow> =>
    Effect.acquireUseRelease(
      join(runId),
      (entry) =>
        Effect.gen(function* () {
          // Registered first, looked second: an end between the two is seen by one of them.
          const [now] = yield* read([runId])
          if (now !== undefined) return Option.some(now)
          yield* Deferred.await(entry.told)
          const [then] = yield* read([runId])
          return Option.fromNullable(then)
        }),
      (entry) => part(runId, entry)
    ).pipe(
      // A hint can be wrong: then it is waited again.
      Effect.flatMap(Option.match({ onSome: Effect.succeed, onNone: () => wait(runId) }))
    )

  const look = Effect.suspend(() => {
    const runIds = [...waiting.keys()]
    if (runIds.length === 0) return Effect.void
    return Effect.map(read(runIds), (views) => {
      for (const view of views) ended(view.runId)
    })
  })

  return { wait, ended, look }
})

export const layer: Layer.Layer<Awaiters, never, Transactor | StateStore> = Layer.effect(Awaiters, make)
