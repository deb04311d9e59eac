import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Graph, GraphNode } from "../../../src/definition/Graph.js"
import { graphHash } from "../../../src/definition/GraphHash.js"
import type { AnyHandler } from "../../../src/definition/Handler.js"
import { NodeContext } from "../../../src/definition/NodeContext.js"
import type { NodeDefinition } from "../../../src/definition/NodeDefinition.js"
import { Registry } from "../../../src/definition/Registry.js"
import type * as Workflow from "../../../src/definition/Workflow.js"
import type { WorkflowDefinition } from "../../../src/definition/WorkflowDefinition.js"
import type { Json } from "../../../src/model/Json.js"
import { Ledger } from "../../../src/testing/Ledger.js"
import type { Subject } from "../../../src/testing/Subject.js"
import { graphs } from "../../runtime/graphs.js"
import { type Rule, rule } from "../../runtime/graphsRule.js"
import { runId } from "./kit.js"

const value = Schema.Unknown

const nodeOf = (node: GraphNode): NodeDefinition => ({
  name: node.node,
  kind: node.kind,
  inputs: Object.fromEntries(node.inputs.map(({ mode, name }) => [name, { mode, schema: value }])),
  outputs: Object.fromEntries(node.outputs.map(({ mode, name }) => [name, { mode, schema: value }])),
  error: node.hasError ? value : undefined,
  payload: undefined,
  state: undefined,
  resumable: false,
  repeated: node.repeated,
  concurrency: node.concurrency,
  timeout: undefined,
  retry: node.hasError
    ? {
        times: 3,
        schedule: Schedule.spaced("50 millis"),
        while: (error) => typeof error === "object" && error !== null && "flaky" in error
      }
    : undefined
})

const definitionOf = (graph: Graph): WorkflowDefinition => ({
  name: graph.name,
  version: graph.version,
  graph,
  hash: graphHash(graph),
  nodes: new Map(graph.nodes.map((node) => [node.id, nodeOf(node)])),
  input: Object.fromEntries(graph.input.map((port) => [port, value])),
  inputSchema: value,
  outputs: Object.fromEntries(graph.outputs.map(({ mode, name }) => [name, { mode, schema: value }]))
})

/** A handler that does what the rule says, and something outside when it ends well. */
const handlerOf =
  (node: GraphNode, does: Rule, ledger: Ledger["Type"]): AnyHandler =>
  (inputs) =>
    Effect.gen(function* () {
      const { attempt, idempotencyKey } = yield* NodeContext
      const { flaky, result } = does(node.id, { handles: inputs as { readonly [handle: string]: Json } })
      if (node.hasError && attempt <= flaky) return yield* Effect.fail({ flaky: attempt })
      if (result._tag === "Die") return yield* Effect.dieMessage(result.message)
      if (result._tag === "Fail") return yield* Effect.fail(result.error)
      yield* ledger.record("work", idempotencyKey)
      return Object.fromEntries(
        node.outputs.map(({ mode, name }) => {
          const values = result.outputs[name] ?? []
          return [name, mode === "many" ? values : values[0]]
        })
      )
    })

const registered = (definition: WorkflowDefinition, does: Rule): Subject["workflows"] =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const registry = yield* Registry
      const ledger = yield* Ledger
      const handlers = definition.graph.nodes.map((node) => [node.id, handlerOf(node, does, ledger)] as const)
      yield* registry.register(definition, new Map(handlers))
    })
  )

/** A workflow that nobody thought of: the graph and what its handlers do are drawn by the seed. */
const random = (seed: number, place: number): Subject => {
  const wanted = { maxNodes: 5, manyPorts: 2, merging: false, triggers: false, endless: false, resumable: false }
  const [drawn] = FastCheck.sample(graphs(wanted), { numRuns: 1, seed: seed * 100 + place })
  const graph: Graph = { ...drawn!, name: `random${place}` }
  const definition = definitionOf(graph)
  const does = rule(graph, seed * 100 + place, { fatal: place % 3 === 2 })
  const input = Object.fromEntries(graph.input.map((port) => [port, port]))
  return {
    name: graph.name,
    workflows: registered(definition, does),
    // It was never written as a chain, so no type speaks of it.
    script: async (client) => {
      await client.start(definition as unknown as Workflow.Any, input, runId)
      await client.ended(runId)
    },
    ...(place % 3 === 2
      ? {
          possible: ([run]) =>
            run?.status === "failed" || run?.status === "completed" ? undefined : `the run is ${run?.status}`
        }
      : {})
  }
}

/** The random workflows of a seed. */
export const randoms = (seed: number): ReadonlyArray<Subject> =>
  Array.from({ length: 4 }, (_, place) => random(seed, place))
