/**
 * Typed dataflow workflows that survive any crash, on Effect and PostgreSQL.
 *
 * **Details** Define with `Node` and `Workflow`, give handlers as layers, compose `Perdure.layerEngine` with
 * `Perdure.layerPostgres` or `Perdure.layerEmbedded`, and use `Engine`. Property-test with `perdure/testing`. For a page, which has
 * neither Node nor a database, there are `perdure/definition` and `perdure/client`.
 */
export * from "./definition/index.js"
export { Engine, type RunDetail, type StartedRun, type StartOptions } from "./Engine.js"
export * as Perdure from "./layers.js"
export { auditDropped } from "./runtime/AuditTrail.js"
export type { Explanation } from "./runtime/Explain.js"
export { Settings, type SettingsShape } from "./runtime/Settings.js"
export { type AuditEvent, AuditLog, type RecordedEvent } from "./store/AuditLog.js"
export { Inbox } from "./store/Inbox.js"
export { Lifeline } from "./store/Lifeline.js"
export { StateStore } from "./store/StateStore.js"
export { StepStore } from "./store/StepStore.js"
export { Transaction, Transactor } from "./store/Transactor.js"
export { TriggerStore } from "./store/TriggerStore.js"
export { Wakeups } from "./store/Wakeups.js"
export { Workers } from "./store/Workers.js"
