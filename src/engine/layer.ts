import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Registry } from "../definition/Registry.js"
import { Engine } from "../Engine.js"
import type { DatabaseError } from "../model/Errors.js"
import * as AuditTrail from "../runtime/AuditTrail.js"
import * as Awaiters from "../runtime/Awaiters.js"
import * as Committer from "../runtime/Committer.js"
import * as Condition from "../runtime/Condition.js"
import * as DatabaseClock from "../runtime/DatabaseClock.js"
import * as Deaths from "../runtime/Deaths.js"
import * as Definitions from "../runtime/Definitions.js"
import * as Facade from "../runtime/Facade.js"
import * as Heartbeat from "../runtime/Heartbeat.js"
import * as Identity from "../runtime/Identity.js"
import * as Intake from "../runtime/Intake.js"
import * as Janitor from "../runtime/Janitor.js"
import * as LargePayloads from "../runtime/LargePayloads.js"
import * as Recovery from "../runtime/Recovery.js"
import * as Releaser from "../runtime/Releaser.js"
import * as RunReader from "../runtime/RunReader.js"
import * as RunSupervisor from "../runtime/RunSupervisor.js"
import * as Starter from "../runtime/Starter.js"
import * as Tracing from "../runtime/Tracing.js"
import * as Vitality from "../runtime/Vitality.js"
import * as Waker from "../runtime/Waker.js"
import type { AuditLog } from "../store/AuditLog.js"
import type { Inbox } from "../store/Inbox.js"
import type { Lifeline } from "../store/Lifeline.js"
import type { Retention } from "../store/Retention.js"
import type { StateStore } from "../store/StateStore.js"
import type { StepStore } from "../store/StepStore.js"
import type { Transactor } from "../store/Transactor.js"
import type { TriggerStore } from "../store/TriggerStore.js"
import type { Wakeups } from "../store/Wakeups.js"
import type { Workers } from "../store/Workers.js"
import { make } from "./make.js"

/** What an engine stands on. */
export type Stores =
  | Transactor
  | StateStore
  | Inbox
  | StepStore
  | TriggerStore
  | Retention
  | Workers
  | Lifeline
  | Wakeups
  | AuditLog

const ground = Layer.mergeAll(
  DatabaseClock.layer,
  Identity.layer,
  Definitions.layer,
  AuditTrail.layer,
  Tracing.layer,
  LargePayloads.layer,
  Committer.layer,
  Releaser.layer,
  RunReader.layer,
  Facade.layer,
  Awaiters.layer
).pipe(Layer.provideMerge(Vitality.layer))

/** Closed first, in this order: the facade drains, then the loops stop, then the worker leaves. */
const facade = Layer.scoped(
  Engine,
  Effect.tap(make, (engine) => Effect.addFinalizer(() => engine.drain))
)

/**
 * A worker and its facade: registers, recovers what nobody holds, and executes the workflows that are registered.
 *
 * **Details** Its supervisor and its waker are there as well, for tests that look into its memory or let it sweep at once.
 */
export const layer: Layer.Layer<Engine | Registry | Condition.Condition, DatabaseError, Stores> = facade.pipe(
  Layer.provideMerge(Condition.layer),
  Layer.provideMerge(
    Layer.mergeAll(Starter.layer, Intake.layer, Layer.provideMerge(Deaths.layer, Waker.layer), Janitor.layer)
  ),
  Layer.provide(Heartbeat.layer),
  Layer.provide(Recovery.layer),
  Layer.provideMerge(RunSupervisor.layer),
  Layer.provideMerge(ground)
)
