/**
 * Typed dataflow workflows that survive any crash, on Effect and PostgreSQL.
 *
 * **Details** Define with `Node` and `Workflow`, give handlers as layers, compose `Perdure.layerEngine` with
 * `Perdure.layerPostgres` or `Perdure.layerEmbedded`, and use `Engine`. Property-test with `perdure/testing`.
 */
export type { Graph } from "./definition/Graph.js"
export { GraphSchema } from "./definition/GraphJson.js"
export * as Input from "./definition/Input.js"
export { InvalidWorkflow } from "./definition/InvalidWorkflow.js"
export { mermaid } from "./definition/Mermaid.js"
export * as Node from "./definition/Node.js"
export { NodeContext } from "./definition/NodeContext.js"
export * as NodeOutcome from "./definition/NodeOutcome.js"
export * as Output from "./definition/Output.js"
export { Registry } from "./definition/Registry.js"
export * as Workflow from "./definition/Workflow.js"
export { Engine, type RunDetail, type StartedRun, type StartOptions } from "./Engine.js"
export * as Perdure from "./layers.js"
export * from "./model/Errors.js"
export { Failure } from "./model/Failure.js"
export { FiringStatus, RunStatus } from "./model/Status.js"
export { auditDropped } from "./runtime/AuditTrail.js"
export type { Explanation } from "./runtime/Explain.js"
export { Settings, type SettingsShape } from "./runtime/Settings.js"
export { type AuditEvent, AuditLog, type RecordedEvent } from "./store/AuditLog.js"
export { Inbox } from "./store/Inbox.js"
export { Lifeline } from "./store/Lifeline.js"
export { StateStore } from "./store/StateStore.js"
export { Transaction, Transactor } from "./store/Transactor.js"
export { TriggerStore } from "./store/TriggerStore.js"
export { Wakeups } from "./store/Wakeups.js"
export { Workers } from "./store/Workers.js"
