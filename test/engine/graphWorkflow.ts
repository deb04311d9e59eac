import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Graph, GraphNode } from "../../src/definition/Graph.js"
import { graphHash } from "../../src/definition/GraphHash.js"
import type { AnyHandler } from "../../src/definition/Handler.js"
import { NodeContext } from "../../src/definition/NodeContext.js"
import type { NodeDefinition } from "../../src/definition/NodeDefinition.js"
import * as NodeOutcome from "../../src/definition/NodeOutcome.js"
import { Registry } from "../../src/definition/Registry.js"
import type { WorkflowDefinition } from "../../src/definition/WorkflowDefinition.js"
import type { Json } from "../../src/model/Json.js"
import type { Rule } from "../runtime/graphsRule.js"

const Problem = Schema.Struct({ problem: Schema.String })

const fields = <M extends string>(ports: ReadonlyArray<{ readonly name: string; readonly mode: M }>) =>
  Object.fromEntries(ports.map(({ mode, name }) => [name, { mode, schema: Schema.Unknown }]))

const nodeOf = (node: GraphNode): NodeDefinition => {
  const takesEvents = node.kind === "trigger" || node.resumable
  return {
    name: node.node,
    kind: node.kind,
    inputs: fields(node.inputs),
    outputs: fields(node.outputs),
    error: node.hasError ? Problem : undefined,
    payload: takesEvents ? Schema.String : undefined,
    state: node.resumable ? Schema.Number : undefined,
    resumable: node.resumable,
    repeated: node.repeated,
    concurrency: node.concurrency,
    heartbeat: undefined,
    timeout: undefined,
    compensate: undefined,
    // Errors of the rule are final; what is flaky dies.
    retry: { times: 5, schedule: Schedule.spaced(0), while: () => false }
  }
}

/** A workflow as data, from its graph. */
const definitionOf = (graph: Graph): WorkflowDefinition => ({
  name: graph.name,
  version: graph.version,
  graph,
  hash: graphHash(graph),
  nodes: new Map(graph.nodes.map((node) => [node.id, nodeOf(node)])),
  input: Object.fromEntries(graph.input.map((port) => [port, Schema.String])),
  inputSchema: Schema.Record({ key: Schema.String, value: Schema.String }),
  outputs: Object.fromEntries(graph.outputs.map(({ mode, name }) => [name, { mode, schema: Schema.Unknown }]))
})

/** What a handler is told before it works. */
export type Watch = (context: typeof NodeContext.Service) => void

const handlerOf =
  (node: GraphNode, rule: Rule, watch: Watch): AnyHandler =>
  (inputs, event) =>
    Effect.flatMap(NodeContext, (context) =>
      Effect.suspend((): ReturnType<AnyHandler> => {
        watch(context)
        const outcome = rule(node.id, {
          handles: inputs as { readonly [handle: string]: Json },
          ...(node.kind === "trigger" ? { event: event as Json } : {})
        })
        if (context.attempt <= outcome.flaky) return Effect.dieMessage("flaky")
        const waited = node.resumable ? stateOf(event) : 0
        if (waited < outcome.suspends) {
          return Effect.succeed(NodeOutcome.suspend({ reason: "rule", state: waited + 1 }))
        }
        return resultOf(node, outcome.result)
      })
    )

const stateOf = (event: unknown): number =>
  Option.match(event as Option.Option<{ readonly state: number }>, { onNone: () => 0, onSome: ({ state }) => state })

const resultOf = (node: GraphNode, result: ReturnType<Rule>["result"]): ReturnType<AnyHandler> => {
  if (result._tag === "Die") return Effect.dieMessage(result.message)
  if (result._tag === "Fail") return Effect.fail(result.error)
  return Effect.succeed(
    Object.fromEntries(
      node.outputs.map(({ mode, name }) => [name, mode === "many" ? result.outputs[name] : result.outputs[name]?.[0]])
    )
  )
}

/** Registers a graph whose handlers do what the rule says. */
export const graphLayer = (graph: Graph, rule: Rule, watch: Watch): Layer.Layer<never, unknown, Registry> =>
  Layer.scopedDiscard(
    Effect.flatMap(Registry, (registry) =>
      registry.register(
        definitionOf(graph),
        new Map(
          graph.nodes.map((node) => [node.id, { environment: Context.empty(), run: handlerOf(node, rule, watch) }])
        )
      )
    )
  )
