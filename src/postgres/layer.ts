import * as Layer from "effect/Layer"
import type { AuditLog } from "../store/AuditLog.js"
import type { Inbox } from "../store/Inbox.js"
import type { Lifeline } from "../store/Lifeline.js"
import type { Retention } from "../store/Retention.js"
import type { StateStore } from "../store/StateStore.js"
import type { StepStore } from "../store/StepStore.js"
import type { Transactor } from "../store/Transactor.js"
import type { TriggerStore } from "../store/TriggerStore.js"
import type { Workers } from "../store/Workers.js"
import * as PgAuditLog from "./PgAuditLog.js"
import * as PgInbox from "./PgInbox.js"
import * as PgLifeline from "./PgLifeline.js"
import * as PgRetention from "./PgRetention.js"
import * as PgStateStore from "./PgStateStore.js"
import * as PgStepStore from "./PgStepStore.js"
import * as PgTransactor from "./PgTransactor.js"
import * as PgTriggerStore from "./PgTriggerStore.js"
import * as PgWorkers from "./PgWorkers.js"
import type { PgPool } from "./Pool.js"
import { defaultSchema, type SchemaName } from "./Statement.js"

/** The ports without `Wakeups`: hints need a session of their own, or none. */
export type Stores =
  | StateStore
  | Inbox
  | StepStore
  | TriggerStore
  | Retention
  | Workers
  | Lifeline
  | AuditLog
  | Transactor

/**
 * All stores over one pool.
 *
 * **Details** `exclusive` says that no other process can be on this database. `AuditLog` alone may be replaced: provide another one above this layer. The
 * `Lifeline` is this pool, too, unless another one stands above it.
 *
 * **Example**
 * ```ts
 * layer().pipe(
 *   Layer.merge(PgWakeups.layer({ url })),
 *   Layer.provide(Pool.layer({ url }))
 * )
 * ```
 */
export const layer = (
  schema: SchemaName = defaultSchema,
  options: { readonly exclusive?: boolean } = {}
): Layer.Layer<Stores, never, PgPool> =>
  Layer.mergeAll(
    PgStateStore.layer(schema),
    PgInbox.layer(schema),
    PgStepStore.layer(schema),
    PgTriggerStore.layer(schema),
    PgRetention.layer(schema),
    PgWorkers.layer(schema, options.exclusive),
    PgAuditLog.layer(schema),
    PgLifeline.layerShared
  ).pipe(Layer.provideMerge(PgTransactor.layer))
