import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Graph, GraphNode } from "../../../src/definition/Graph.js"
import { graphHash } from "../../../src/definition/GraphHash.js"
import type { AnyCompensation, AnyHandler } from "../../../src/definition/Handler.js"
import * as Node from "../../../src/definition/Node.js"
import { NodeContext } from "../../../src/definition/NodeContext.js"
import type { NodeDefinition } from "../../../src/definition/NodeDefinition.js"
import * as NodeOutcome from "../../../src/definition/NodeOutcome.js"
import { Registry } from "../../../src/definition/Registry.js"
import * as Signal from "../../../src/definition/Signal.js"
import * as Step from "../../../src/definition/Step.js"
import * as Workflow from "../../../src/definition/Workflow.js"
import type { WorkflowDefinition } from "../../../src/definition/WorkflowDefinition.js"
import type { Json } from "../../../src/model/Json.js"
import { Ledger } from "../../../src/testing/Ledger.js"
import { type Subject, undoEffect } from "../../../src/testing/Subject.js"
import type { Outside } from "../../../src/testing/TestWorker.js"
import type { Rule, RuleOutcome } from "../../runtime/graphsRule.js"
import type { Features } from "../../runtime/richGraphs.js"
import { effect, enter } from "./kit.js"

const value = Schema.Unknown

const policy = {
  times: 3,
  schedule: Schedule.spaced("50 millis"),
  while: (error: unknown) => typeof error === "object" && error !== null && "flaky" in error
}

/** Longer than a worker keeps a run. */
const undoPolicy = {
  retry: { times: 9, schedule: Schedule.spaced("700 millis"), while: () => true },
  timeout: undefined
}

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
  compensate: node.compensates === true ? undoPolicy : undefined,
  retry: node.hasError ? policy : undefined
})

/** A workflow as data, from its graph. */
export const definitionOf = (graph: Graph): WorkflowDefinition => ({
  name: graph.name,
  version: graph.version,
  graph,
  hash: graphHash(graph),
  nodes: new Map(graph.nodes.map((node) => [node.id, nodeOf(node)])),
  input: Object.fromEntries(graph.input.map((port) => [port, value])),
  inputSchema: value,
  outputs: Object.fromEntries(graph.outputs.map(({ mode, name }) => [name, { mode, schema: value }]))
})

/** What those wait for who wait for a signal. */
export const Nudge = Signal.make("nudge", { payload: Schema.String })

const help = Node.make("help", { inputs: { of: Schema.String }, outputs: { of: Schema.String } })

/** The child of every node that has one. */
const Helper = Workflow.make("helper", { version: 1, input: { of: Schema.String } })
  .node("help", help, ({ input }) => ({ of: input.of }))
  .output(({ help }) => ({ of: help.of }))

const helping = Helper.layer.pipe(
  Layer.provide(help.toLayer(({ of }) => Effect.as(Effect.delay(effect("help"), "40 millis"), { of })))
)

/** Which of the nodes that may do something special do which of it. */
const place = (node: GraphNode): number => Number(node.id.slice(1))

/** Whether a node waits for a signal. */
export const signalled = (node: GraphNode, { signals }: Features): boolean => signals === true && place(node) % 3 === 1

/** Steps before the work: some effect, then for half of the nodes a sleep that is longer than a worker keeps a run. */
const stepsOf = (node: GraphNode): Effect.Effect<void, never, NodeContext | Ledger> =>
  Effect.gen(function* () {
    yield* Step.run("before", {}, effect("step"))
    if (place(node) % 2 === 0) yield* Step.sleep("pause", "600 millis")
    yield* Step.run("after", { key: "1" }, Effect.void)
  })

const childOf = (node: GraphNode): Effect.Effect<void, never, NodeContext> =>
  Effect.flatMap(Effect.orDie(Step.child("help", Helper, { of: node.id })), ({ of }) =>
    of === node.id ? Effect.void : Effect.dieMessage(`the child of ${node.id} is that of ${of}`)
  )

const specials = (node: GraphNode, features: Features): Effect.Effect<void, never, NodeContext | Outside> =>
  Effect.gen(function* () {
    const turn = place(node) % 3
    if (features.steps === true) yield* stepsOf(node)
    if (features.children === true && turn === 0) yield* childOf(node)
    if (signalled(node, features)) yield* Step.awaitSignal(Nudge, { timeout: "900 millis" })
    if (features.transactions === true && turn === 2) yield* enter
  })

const Gathered = Schema.Record({ key: Schema.String, value: Schema.Array(value) })

/** Pulls everything out of the streams among a handler's inputs, for every other node durably, two by two. */
const gather = (
  node: GraphNode,
  inputs: Readonly<Record<string, unknown>>
): Effect.Effect<Readonly<Record<string, Json>>, never, NodeContext> =>
  Effect.gen(function* () {
    const durable = place(node) % 2 === 1
    let gathered = durable ? Option.getOrElse(yield* Step.lastCheckpoint(Gathered), () => ({})) : {}
    for (const { mode, name } of node.inputs) {
      if (mode !== "stream") continue
      const elements = inputs[name] as Stream.Stream<unknown>
      gathered = yield* Stream.runFoldEffect(Stream.grouped(elements, 2), gathered, (before, group) => {
        const next = { ...before, [name]: [...((before as typeof Gathered.Type)[name] ?? []), ...Chunk.toArray(group)] }
        return durable ? Effect.as(Step.checkpoint(Gathered, next), next) : Effect.succeed(next)
      })
    }
    const streams = node.inputs.flatMap(({ mode, name }) => (mode === "stream" ? [name] : []))
    const none = Object.fromEntries(streams.map((name) => [name, []]))
    return { ...inputs, ...none, ...gathered } as Readonly<Record<string, Json>>
  })

/** Slow enough for several batches; what is flaky fails in the middle. */
const slowly = (values: ReadonlyArray<Json>, error: unknown): Stream.Stream<Json, unknown> => {
  const given = error === undefined ? values : values.slice(0, Math.ceil(values.length / 2))
  const elements = Stream.tap(Stream.fromIterable(given), () => Effect.sleep("7 millis"))
  return error === undefined ? elements : Stream.concat(elements, Stream.fail(error))
}

const outputsOf = (node: GraphNode, outputs: Completed["outputs"], streams: boolean, error: unknown) =>
  Object.fromEntries(
    node.outputs.map(({ mode, name }) => {
      const values = outputs[name] ?? []
      if (mode !== "many") return [name, values[0]]
      return [name, streams ? slowly(values, error) : values]
    })
  )

type Completed = Extract<RuleOutcome["result"], { readonly _tag: "Complete" }>

/** A handler that does what the rule says, and something outside when it ends well. */
const handlerOf =
  (node: GraphNode, does: Rule, features: Features) => (inputs: Readonly<Record<string, unknown>>, event: unknown) =>
    Effect.gen(function* () {
      const { attempt } = yield* NodeContext
      const streams = features.streams === true
      yield* specials(node, features)
      const handles = streams ? yield* gather(node, inputs) : (inputs as Readonly<Record<string, Json>>)
      const { flaky, result, suspends } = does(
        node.id,
        node.kind === "trigger" ? { handles, event: event as Json } : { handles }
      )
      const waited = node.resumable ? stateOf(event) : 0
      if (waited < suspends) return NodeOutcome.suspend({ reason: `waited ${waited} times`, state: waited + 1 })
      const error = node.hasError && attempt <= flaky ? { flaky: attempt } : undefined
      const gives = streams && result._tag === "Complete" && node.outputs.some(({ mode }) => mode === "many")
      if (error !== undefined && !gives) return yield* Effect.fail(error)
      if (result._tag === "Die") return yield* Effect.dieMessage(result.message)
      if (result._tag === "Fail") return yield* Effect.fail(result.error)
      yield* effect("work")
      return outputsOf(node, result.outputs, gives, error)
    })

const stateOf = (event: unknown): number =>
  Option.match(event as Option.Option<{ readonly state: number }>, { onNone: () => 0, onSome: ({ state }) => state })

/** Undoes what a firing did; every third firing only at the second try. */
const undoOf = Effect.gen(function* () {
  const { firing, idempotencyKey } = yield* NodeContext
  const fresh = yield* (yield* Ledger).record("before undo", idempotencyKey)
  if (fresh && firing % 3 === 1) return yield* Effect.dieMessage("not yet")
  yield* effect(undoEffect)
})

/** Registers a graph whose handlers do what the rule says, and what its features are. */
export const registered = (definition: WorkflowDefinition, does: Rule, features: Features): Subject["workflows"] => {
  const graph = Layer.scopedDiscard(
    Effect.gen(function* () {
      const registry = yield* Registry
      const outside = yield* Effect.context<Outside>()
      const within = <A, E>(work: Effect.Effect<A, E, NodeContext | Outside>) => Effect.provide(work, outside)
      const handlers = definition.graph.nodes.map((node) => {
        const handler = handlerOf(node, does, features)
        const run: AnyHandler = (inputs, event) => within(handler(inputs, event))
        const compensate: AnyCompensation = () => within(undoOf)
        const undo = node.compensates === true ? { compensate } : {}
        return [node.id, { environment: Context.empty(), run, ...undo }] as const
      })
      yield* registry.register(definition, new Map(handlers))
    })
  )
  return features.children === true ? Layer.merge(graph, helping) : graph
}
