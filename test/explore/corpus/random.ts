import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Graph, GraphNode } from "../../../src/definition/Graph.js"
import { graphHash } from "../../../src/definition/GraphHash.js"
import type { AnyHandler } from "../../../src/definition/Handler.js"
import { NodeContext } from "../../../src/definition/NodeContext.js"
import type { NodeDefinition } from "../../../src/definition/NodeDefinition.js"
import * as NodeOutcome from "../../../src/definition/NodeOutcome.js"
import { Registry } from "../../../src/definition/Registry.js"
import * as Step from "../../../src/definition/Step.js"
import type * as Workflow from "../../../src/definition/Workflow.js"
import type { WorkflowDefinition } from "../../../src/definition/WorkflowDefinition.js"
import type { Json } from "../../../src/model/Json.js"
import type { Client } from "../../../src/testing/Client.js"
import { Ledger } from "../../../src/testing/Ledger.js"
import type { Subject } from "../../../src/testing/Subject.js"
import { graphs } from "../../runtime/graphs.js"
import { type Rule, rule } from "../../runtime/graphsRule.js"
import { loosen } from "../../runtime/loosen.js"
import { runId } from "./kit.js"

const value = Schema.Unknown

const nodeOf = (node: GraphNode): NodeDefinition => ({
  name: node.node,
  kind: node.kind,
  inputs: Object.fromEntries(node.inputs.map(({ mode, name }) => [name, { mode, schema: value }])),
  outputs: Object.fromEntries(node.outputs.map(({ mode, name }) => [name, { mode, schema: value }])),
  error: node.hasError ? value : undefined,
  payload: node.kind === "trigger" || node.resumable ? value : undefined,
  state: node.resumable ? Schema.Number : undefined,
  resumable: node.resumable,
  repeated: node.repeated,
  concurrency: node.concurrency,
  heartbeat: undefined,
  timeout: undefined,
  compensate: undefined,
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

/** Steps before the work: some effect, then for half of the nodes a sleep that is longer than a worker keeps a run. */
const stepsOf = (node: GraphNode, ledger: Ledger["Type"]): Effect.Effect<void, never, NodeContext> =>
  Effect.gen(function* () {
    const record = Effect.flatMap(NodeContext, ({ idempotencyKey }) => ledger.record("step", idempotencyKey))
    yield* Step.run("before", {}, Effect.asVoid(record))
    if (Number(node.id.slice(1)) % 2 === 0) yield* Step.sleep("pause", "600 millis")
    yield* Step.run("after", { key: "1" }, Effect.void)
  })

/** A handler that does what the rule says, and something outside when it ends well. */
const handlerOf =
  (node: GraphNode, does: Rule, ledger: Ledger["Type"], steps: boolean): AnyHandler =>
  (inputs, event) =>
    Effect.gen(function* () {
      const { attempt, idempotencyKey } = yield* NodeContext
      const handles = inputs as { readonly [handle: string]: Json }
      const { flaky, result, suspends } = does(
        node.id,
        node.kind === "trigger" ? { handles, event: event as Json } : { handles }
      )
      const waited = node.resumable ? stateOf(event) : 0
      if (steps) yield* stepsOf(node, ledger)
      if (waited < suspends) return NodeOutcome.suspend({ reason: `waited ${waited} times`, state: waited + 1 })
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

const registered = (definition: WorkflowDefinition, does: Rule, steps: boolean): Subject["workflows"] =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const registry = yield* Registry
      const ledger = yield* Ledger
      const handlers = definition.graph.nodes.map((node) => {
        const run = handlerOf(node, does, ledger, steps)
        return [node.id, { environment: Context.empty(), run }] as const
      })
      yield* registry.register(definition, new Map(handlers))
    })
  )

const stateOf = (event: unknown): number =>
  Option.match(event as Option.Option<{ readonly state: number }>, { onNone: () => 0, onSome: ({ state }) => state })

/** What may be in a random graph, and whether its handlers may end the run. */
interface Kind {
  readonly merging: boolean
  readonly external: boolean
  readonly fatal: boolean
  /** Whether handlers work in steps, and whether some handles are loose: then the order in which things come counts. */
  readonly steps?: boolean
  readonly loose?: boolean
}

const kinds: ReadonlyArray<Kind> = [
  { merging: false, external: false, fatal: false },
  { merging: false, external: false, fatal: true },
  { merging: false, external: true, fatal: false },
  { merging: true, external: false, fatal: false },
  { merging: true, external: true, fatal: false },
  { merging: true, external: true, fatal: true },
  { merging: false, external: false, fatal: false, steps: true },
  { merging: true, external: true, fatal: false, steps: true, loose: true }
]

/** Graphs drawn until one has what is wanted of it. */
const draws = 200

const isOfKind = (graph: Graph, { external, merging }: Kind): boolean => {
  const merges = graph.nodes.some(({ inputs }) => inputs.some(({ from, mode }) => mode === "one" && from.length > 1))
  const waits = ["trigger", "resumable"].map((what) =>
    graph.nodes.some(({ kind, resumable }) => (what === "trigger" ? kind === what : resumable))
  )
  return merges === merging && waits.every((has) => has === external)
}

const drawn = (seed: number, kind: Kind): Graph => {
  const { external, merging } = kind
  const wanted = {
    maxNodes: external ? 4 : 5,
    manyPorts: external ? 1 : 2,
    merging,
    triggers: external,
    endless: false,
    resumable: external
  }
  const graph = FastCheck.sample(graphs(wanted), { numRuns: draws, seed }).find((each) => isOfKind(each, kind))
  if (graph === undefined) throw new Error(`none of ${draws} graphs is as wanted`)
  return graph
}

/** Events sent to each node that takes some; a resumable one may take two for each of its firings. */
const mostEvents = 30

/** Sends to every node that takes events one after the other until the run has ended. */
const feed = async (graph: Graph, client: Client): Promise<void> => {
  let over = false
  const ended = client.ended(runId).then(() => {
    over = true
  })
  const takers = graph.nodes.filter(({ kind, resumable }) => kind === "trigger" || resumable)
  for (let count = 0; count < mostEvents && !over && takers.length > 0; count++) {
    for (const { id } of takers) await client.trigger(runId, id, `event ${count}`, `${id} ${count}`)
    await client.sleep(300)
  }
  await ended
}

/** A workflow that nobody thought of: the graph and what its handlers do are drawn by the seed. */
const random = (seed: number, place: number, kind: Kind): Subject => {
  const strict: Graph = { ...drawn(seed * 100 + place, kind), name: `random${place}` }
  const graph = kind.loose === true ? loosen(strict, [1, 2, 0]) : strict
  const definition = definitionOf(graph)
  const does = rule(graph, seed * 100 + place, { fatal: kind.fatal })
  const input = Object.fromEntries(graph.input.map((port) => [port, port]))
  const ends = kind.fatal ? ["failed", "completed"] : ["completed"]
  return {
    name: graph.name,
    workflows: registered(definition, does, kind.steps === true),
    // It was never written as a chain, so no type speaks of it.
    script: async (client) => {
      await client.start(definition as unknown as Workflow.Any, input, runId)
      await feed(graph, client)
    },
    // What is merged comes in any order, and after a failure others may or may not have ended.
    ...(kind.fatal || kind.merging
      ? { possible: ([run]) => (ends.includes(run?.status ?? "") ? undefined : `the run is ${run?.status}`) }
      : {})
  }
}

/** The random workflows of a seed. */
export const randoms = (seed: number): ReadonlyArray<Subject> => kinds.map((kind, place) => random(seed, place, kind))
