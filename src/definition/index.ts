/**
 * What a workflow is defined with; for servers and browsers.
 *
 * **Details** Nothing here needs Node or a database: a page bundles definitions with `perdure/client`, and the server that
 * executes them gives their nodes handlers. All of it is in `perdure` too.
 */

export * from "../model/Errors.js"
export { Failure } from "../model/Failure.js"
export { FiringStatus, RunStatus } from "../model/Status.js"
export type { Graph } from "./Graph.js"
export { GraphSchema } from "./GraphJson.js"
export * as Input from "./Input.js"
export { InvalidWorkflow } from "./InvalidWorkflow.js"
export { mermaid } from "./Mermaid.js"
export * as Node from "./Node.js"
export { NodeContext } from "./NodeContext.js"
export * as NodeOutcome from "./NodeOutcome.js"
export * as Output from "./Output.js"
export * as Query from "./Query.js"
export { Registry } from "./Registry.js"
export * as Signal from "./Signal.js"
export * as Step from "./Step.js"
export * as Workflow from "./Workflow.js"
