import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { Limits } from "../model/Limits.js"
import type { Lease } from "../model/Run.js"
import { type ReleaseOutcome, StateStore } from "../store/StateStore.js"
import { Transactor } from "../store/Transactor.js"
import { Wakeups } from "../store/Wakeups.js"
import * as Batcher from "./Batcher.js"
import { backoff } from "./GroupWriter.js"

/** A run to be given up as it stands at `version`. */
export interface Release extends Lease {
  readonly version: number
  readonly ready: boolean
  readonly dueAt: number | null
  readonly force: boolean
}

/** Gives up runs that wait, many in one transaction. */
export class Releaser extends Context.Tag("perdure/Releaser")<
  Releaser,
  { readonly release: (run: Release) => Effect.Effect<ReleaseOutcome> }
>() {}

const make = Effect.gen(function* () {
  const transactor = yield* Transactor
  const states = yield* StateStore
  const wakeups = yield* Wakeups

  /** What a stop hands over goes on elsewhere at once. */
  const handedOver = (runs: ReadonlyArray<Release>, outcomes: ReadonlyArray<ReleaseOutcome>) =>
    wakeups.announce(
      runs.flatMap(({ force, ready, runId }, index) =>
        force && ready && outcomes[index] === "Released" ? [{ kind: "ready" as const, runId }] : []
      )
    )
  const batcher = yield* Batcher.make<Release, Release, ReleaseOutcome, never>({
    max: Limits.commitBatch,
    lanes: 1,
    prepare: (run) => run,
    flush: (runs, tell) =>
      transactor.transact("release", states.release(runs)).pipe(
        Effect.tapError((error) => Effect.logWarning("Runs can't be released yet", error)),
        Effect.retry(backoff),
        Effect.orDie,
        Effect.tap((outcomes) => handedOver(runs, outcomes)),
        Effect.map((outcomes) => outcomes.forEach((outcome, index) => tell(index, Exit.succeed(outcome))))
      )
  })
  return { release: batcher.submit }
})

export const layer: Layer.Layer<Releaser, never, Transactor | StateStore | Wakeups> = Layer.scoped(Releaser, make)
