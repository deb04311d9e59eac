/** How a handle takes its messages. */
export type InputMode = "one" | "unordered" | "shared" | "all" | "latest" | "stream"

/** How much a firing puts on a port. */
export type OutputMode = "one" | "optional" | "many"

/** How a workflow output is read from the messages that reached it. */
export type ResultMode = "value" | "option" | "array" | "first"

/** The id of the pseudo node whose ports are the run's input. */
export const inputNode = "input"

/** The id of the pseudo node whose handles are the workflow's outputs. */
export const outputNode = "output"

/** The port on which a node's typed error appears. */
export const errorPort = "error"

/** A reference to an output. */
export interface PortRef {
  readonly node: string
  readonly port: string
}

/** A handle with everything that is wired into it. */
export interface GraphInput {
  readonly name: string
  readonly mode: InputMode
  readonly from: ReadonlyArray<PortRef>
}

/** A named output of a node. */
export interface GraphOutput {
  readonly name: string
  readonly mode: OutputMode
}

/**
 * One use of a node.
 *
 * **Details** `repeated` is how many external inputs a trigger node takes (`null`: any number); 1 for every other node.
 * `concurrency` `null` means: as many firings at once as the worker has room for. `compensates`, where it is there: what its
 * firings did is undone when the run fails or is cancelled. `child`, where it is there: the workflow whose runs its firings are.
 */
export interface GraphNode {
  readonly id: string
  readonly node: string
  readonly kind: "task" | "trigger"
  readonly repeated: number | null
  readonly resumable: boolean
  readonly inputs: ReadonlyArray<GraphInput>
  readonly outputs: ReadonlyArray<GraphOutput>
  readonly hasError: boolean
  readonly concurrency: number | null
  readonly compensates?: true
  readonly child?: { readonly workflow: string; readonly version: number }
}

/** A result of the workflow. */
export interface GraphResult {
  readonly name: string
  readonly mode: ResultMode
  readonly from: ReadonlyArray<PortRef>
}

/** A workflow as inspectable data: what the API shows, documents draw and the run machine executes. */
export interface Graph {
  readonly name: string
  readonly version: number
  readonly input: ReadonlyArray<string>
  readonly nodes: ReadonlyArray<GraphNode>
  readonly outputs: ReadonlyArray<GraphResult>
}
