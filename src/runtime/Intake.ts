import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { DatabaseError } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import type { CommandKind, TriggerDelivery } from "../model/Run.js"
import type { RunStatus } from "../model/Status.js"
import { Transaction, Transactor } from "../store/Transactor.js"
import { type DeliverOutcome, type RequestOutcome, TriggerStore } from "../store/TriggerStore.js"
import * as GroupWriter from "./GroupWriter.js"
import { RunSupervisor } from "./RunSupervisor.js"

/** Takes in what comes from outside: one row each, durable before it is acknowledged, and no run is locked. */
export class Intake extends Context.Tag("perdure/Intake")<
  Intake,
  {
    readonly deliver: (input: TriggerDelivery) => Effect.Effect<DeliverOutcome, DatabaseError>
    /** Delivers inside a transaction of the caller. */
    readonly deliverIn: (
      transaction: Context.Tag.Service<Transaction>,
      input: TriggerDelivery
    ) => Effect.Effect<DeliverOutcome, DatabaseError>
    readonly request: (runId: RunId, asked: Asked) => Effect.Effect<RequestOutcome, DatabaseError>
    /** Somebody should look at this run, here or wherever it lives. */
    readonly wake: (runId: RunId, kind: "input" | "command" | "ready") => Effect.Effect<void>
  }
>() {}

/** What may be asked of a run: its commands, and `unpark`, which is a `retry` of a parked run alone. */
export type Asked = CommandKind | "unpark"

/** Statuses in which a run takes what is asked. */
const admits: Record<Asked, ReadonlyArray<RunStatus>> = {
  cancel: ["pending", "running", "suspended", "recovering", "paused", "parked"],
  pause: ["pending", "running", "suspended", "recovering"],
  resume: ["paused"],
  retry: ["failed", "parked"],
  unpark: ["parked"]
}

const make = Effect.gen(function* () {
  const transactor = yield* Transactor
  const triggers = yield* TriggerStore
  const supervisor = yield* RunSupervisor

  /** A run nobody holds is claimed from here; one that lives elsewhere hears of it once that is known, or by its next look. */
  const wake = (runId: RunId, kind: "input" | "command" | "ready") => Effect.sync(() => supervisor.lookAt(runId, kind))

  const write = (inputs: ReadonlyArray<TriggerDelivery>) => transactor.transact("deliver", triggers.deliver(inputs))

  const persistently = <A>(effect: Effect.Effect<A, DatabaseError>) =>
    Effect.retry(effect, {
      schedule: GroupWriter.backoff,
      times: Limits.startTries,
      while: (error) => error.outcome !== "fatal"
    })

  const writer = yield* GroupWriter.make<TriggerDelivery, TriggerDelivery, DeliverOutcome, DatabaseError>({
    max: Limits.deliverBatch,
    lanes: 1,
    prepare: (one) => one,
    waits: false,
    write,
    // After a lost acknowledgement the input is there: a duplicate, and just as durable.
    alone: (input) => Effect.map(persistently(write([input])), ([outcome]) => outcome!)
  })

  return {
    wake,
    deliver: (input: TriggerDelivery) =>
      Effect.tap(writer.submit(input), (outcome) =>
        outcome._tag === "Delivered" || outcome._tag === "Duplicate" ? wake(input.runId, "input") : Effect.void
      ),
    deliverIn: (transaction: Context.Tag.Service<Transaction>, input: TriggerDelivery) =>
      Effect.map(Effect.provideService(triggers.deliver([input]), Transaction, transaction), ([outcome]) => outcome!),
    request: (runId: RunId, asked: Asked) =>
      persistently(
        transactor.transact("request", triggers.request(runId, asked === "unpark" ? "retry" : asked, admits[asked]))
      ).pipe(Effect.tap((outcome) => (outcome._tag === "Requested" ? wake(runId, "command") : Effect.void)))
  }
})

export const layer: Layer.Layer<Intake, never, Transactor | TriggerStore | RunSupervisor> = Layer.scoped(Intake, make)
