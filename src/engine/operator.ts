import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Engine } from "../Engine.js"
import { Operator } from "../Operator.js"
import { Condition } from "../runtime/Condition.js"
import { Overview, type Watch, type WorkerStanding } from "../store/Overview.js"
import { ReadTransactor } from "../store/ReadTransactor.js"
import { Transactor } from "../store/Transactor.js"
import { Workers } from "../store/Workers.js"
import { diagnosis } from "./Diagnosis.js"
import { runIdFrom } from "./Requests.js"

/** A question of an operator that takes longer is given up. */
const patience = Duration.seconds(5)

/** How long a run may be left alone though it could go on, before it is late. */
const lateMs = 10_000

const make = Effect.gen(function* () {
  const engine = yield* Engine
  const overview = yield* Overview
  const transactor = yield* Transactor
  const { exclusive } = yield* Workers
  const { now: condition } = yield* Condition
  const reads = (yield* ReadTransactor) ?? transactor

  const ask = <A, E, R>(operation: string, question: Effect.Effect<A, E, R>) =>
    reads.transact(operation, question, { statementTimeout: patience })

  const troubled = (limit: number) =>
    Effect.gen(function* () {
      const found = yield* ask("troubled", overview.troubled(lateMs, limit))
      const explained = yield* Effect.forEach(found.slice(0, limit), (run) =>
        engine.explain(run.runId).pipe(
          Effect.map((explanation) => [{ ...run, explanation }]),
          // Gone meanwhile, by retention: there is nothing to explain.
          Effect.catchTag("RunNotFound", () => Effect.succeed([])),
          Effect.catchTag("InvalidInput", (error) => Effect.die(error))
        )
      )
      // What went on between the two looks is in no trouble.
      return explained.flat().filter(({ explanation }) => explanation._tag !== "AtWork" && explanation._tag !== "Ended")
    })

  // Where one process at a time has the database, no heart beats: what it says of itself stands here.
  const alone = (found: ReadonlyArray<WorkerStanding>) =>
    Effect.gen(function* () {
      const heartbeatAt = new Date(yield* Clock.currentTimeMillis)
      const serves = (yield* engine.workflows).map(({ name, version }) => `${name}@${version}`)
      return found.map((worker) => (worker.alive ? { ...worker, heartbeatAt, serves } : worker))
    })
  const listed = ask("workers", overview.workers)
  const workers = exclusive ? Effect.flatMap(listed, alone) : listed
  const backlog = ask("backlog", overview.backlog)
  const diagnose = diagnosis({
    database: ask("database", overview.database),
    workers,
    backlog,
    condition,
    isEmbedded: exclusive
  })

  return Operator.of({
    workers,
    condition,
    backlog,
    diagnose,
    troubled,
    attributes: (id) => Effect.flatMap(runIdFrom(id), (runId) => ask("attributes", overview.attributes(runId))),
    recent: (after, limit) => ask("recent", overview.recent(after, limit)),
    watched: (watches: ReadonlyArray<Watch>, limit: number) => ask("watched", overview.watched(watches, limit))
  })
})

/** The operator's facade beside an engine. */
export const layer: Layer.Layer<Operator, never, Engine | Condition | Overview | Transactor | Workers> = Layer.effect(
  Operator,
  make
)

/** Connections of their own for questions, as {@link ReadTransactor}. */
export const layerReads: Layer.Layer<ReadTransactor, never, Transactor> = Layer.effect(
  ReadTransactor,
  Effect.map(Transactor, (transactor): Context.Tag.Service<Transactor> => transactor)
)
