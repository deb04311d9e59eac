import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import { type RunView, StateStore } from "../store/StateStore.js"
import { Transactor } from "../store/Transactor.js"
import * as Batcher from "./Batcher.js"

type Trouble = DatabaseError | UndecodableRow

/** Reads runs, those that many ask for in one statement. */
export class RunReader extends Context.Tag("perdure/RunReader")<
  RunReader,
  {
    /** A run with input and result, as it is after the question was asked; undefined if there is none of this name. */
    readonly find: (runId: RunId) => Effect.Effect<RunView | undefined, Trouble>
  }
>() {}

const make = Effect.gen(function* () {
  const transactor = yield* Transactor
  const states = yield* StateStore

  const read = (runIds: ReadonlyArray<RunId>) => transactor.read("get", states.find(runIds))

  const batcher = yield* Batcher.make<RunId, RunId, RunView | undefined, Trouble>({
    max: Limits.readBatch,
    lanes: 2,
    prepare: (runId) => runId,
    flush: (runIds, tell) =>
      read([...new Set(runIds)]).pipe(
        Effect.map((views) => {
          const byId = new Map<RunId, RunView>()
          for (const view of views) byId.set(view.runId, view)
          for (const [index, runId] of runIds.entries()) tell(index, Exit.succeed(byId.get(runId)))
        }),
        // A row that can't be read is the trouble of those who asked for it.
        Effect.catchTag("UndecodableRow", () =>
          Effect.forEach(
            runIds,
            (runId, index) =>
              Effect.map(Effect.exit(read([runId])), (exit) =>
                tell(
                  index,
                  Exit.map(exit, ([view]) => view)
                )
              ),
            { discard: true }
          )
        )
      )
  })
  return { find: batcher.submit }
})

export const layer: Layer.Layer<RunReader, never, Transactor | StateStore> = Layer.scoped(RunReader, make)
