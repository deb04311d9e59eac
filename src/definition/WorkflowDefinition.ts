import type { Graph, ResultMode } from "./Graph.js"
import type { AnySchema } from "./Input.js"
import type { NodeDefinition } from "./NodeDefinition.js"

/**
 * A workflow as the runtime reads it.
 *
 * **Details** `nodes` goes by node id. `hash` is the structural hash of `graph`. `input` has a schema per port of the
 * workflow's input, `inputSchema` is the schema of all of it. The schema of an output is that of one message; `mode` says
 * how many there are.
 */
export interface WorkflowDefinition {
  readonly name: string
  readonly version: number
  readonly graph: Graph
  readonly hash: string
  readonly nodes: ReadonlyMap<string, NodeDefinition>
  readonly input: { readonly [port: string]: AnySchema }
  readonly inputSchema: AnySchema
  readonly outputs: { readonly [name: string]: { readonly mode: ResultMode; readonly schema: AnySchema } }
}
