import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { Engine, Input, Node, Output, Perdure, Workflow } from "../../src/index.js"
import {
  chainSteps,
  expectCount,
  fanCount,
  fanWidth,
  firstValue,
  join,
  type Open,
  type OpenOptions,
  step,
  stepsLeft,
  until
} from "./session.js"

const Value = Schema.Struct({ count: Schema.Int, padding: Schema.String })

const Step = Node.make("step", { inputs: { value: Value }, outputs: { value: Value } })
const StepHandler = Step.toLayer(({ value }) => Effect.succeed({ value: step(value) }))

const Split = Node.make("split", { inputs: { value: Value }, outputs: { values: Output.many(Value) } })
const SplitHandler = Split.toLayer(({ value }) =>
  Effect.succeed({ values: Array.from({ length: fanWidth }, () => step(value)) })
)
const Join = Node.make("join", { inputs: { values: Input.all(Value) }, outputs: { value: Value } })
const JoinHandler = Join.toLayer(({ values }) => Effect.succeed({ value: step(join(values)) }))

const Go = Node.trigger("go", { payload: Schema.Boolean, inputs: { value: Value }, outputs: { value: Value } })
const GoHandler = Go.toLayer(({ value }) => Effect.succeed({ value }))

const Fan = Workflow.make("fan", { version: 1, input: { value: Value } })
  .node("split", Split, ({ input }) => ({ value: input.value }))
  .node("work", Step, ({ split }) => ({ value: split.values }))
  .node("join", Join, ({ work }) => ({ values: work.value }))
  .output(({ join }) => ({ value: join.value }))

const Waiting = Workflow.make("waiting", { version: 1, input: { value: Value } })
  .node("before", Step, ({ input }) => ({ value: input.value }))
  .node("go", Go, ({ before }) => ({ value: before.value }))
  .node("after", Step, ({ go }) => ({ value: go.value }))
  .output(({ after }) => ({ value: after.value }))

/** A chain whose length is data; the types of a chain live in its signature, and this one has none. */
interface Growing {
  readonly node: (id: string, node: unknown, wire: (ports: Ports) => unknown) => Growing
  readonly output: (read: (ports: Ports) => unknown) => unknown
}
interface Ports {
  readonly [id: string]: { readonly value: unknown }
}
type Carried = { readonly value: typeof Value.Type }
type Chained = Workflow.Workflow<string, Carried, Carried, { readonly step: typeof Step }>

const chainOf = (name: string, steps: number, node: unknown): Chained => {
  let growing = Workflow.make(name, { version: 1, input: { value: Value } }) as unknown as Growing
  for (let i = 1; i <= steps; i++) {
    const before = i === 1 ? "input" : `step${i - 1}`
    growing = growing.node(`step${i}`, node, (ports) => ({ value: ports[before]!.value }))
  }
  return growing.output((ports) => ({ value: ports[`step${steps}`]!.value })) as Chained
}

const Chain = chainOf("chain", chainSteps, Step)

/** Runs with a history; in the process that will be killed, none gets past it. */
const longOf = ({ history, hold }: OpenOptions, held: () => void) => {
  const handler = Step.toLayer(({ value }) => {
    if (!hold || value.count < history) return Effect.succeed({ value: step(value) })
    held()
    return Effect.never
  })
  const Long = chainOf("long", history + stepsLeft, Step)
  return { Long, layer: Long.layer.pipe(Layer.provide(handler)) }
}

const stores = ({ url, dataDir }: OpenOptions) =>
  dataDir === undefined ? Perdure.layerPostgres({ url: Redacted.make(url) }) : Perdure.layerEmbedded({ dataDir })

const settings = ({ execution, idleMs, leaseMs }: OpenOptions) => ({
  ...(execution === "paused" ? { maxRuns: 0 } : {}),
  ...(idleMs === undefined ? {} : { idleMs }),
  ...(leaseMs === undefined ? {} : { leaseMs, heartbeatMs: Math.floor(leaseMs / 5) })
})

const suspended = (engine: typeof Engine.Service, runId: string) =>
  until(20, () => Effect.runPromise(Effect.map(engine.get(runId), ({ status }) => status === "suspended")))

export const open: Open = async (options, held) => {
  const long = longOf(options, held)
  const workflows = Layer.mergeAll(Chain.layer, Fan.layer, Waiting.layer).pipe(
    Layer.provide(Layer.mergeAll(StepHandler, SplitHandler, JoinHandler, GoHandler))
  )
  const live = (options.history === 0 ? workflows : long.layer).pipe(
    Layer.provideMerge(Perdure.layerEngine(settings(options))),
    Layer.provide(stores(options))
  )
  const scope = Effect.runSync(Scope.make())
  const engine = Context.get(await Effect.runPromise(Layer.buildWithScope(live, scope)), Engine)
  const input = { value: firstValue }
  const ended = (workflow: Chained, runId: string, count: number) =>
    Effect.map(engine.await(workflow, runId), ({ value }) => expectCount(value, count))
  const start = (runId: string) => Effect.runPromise(Effect.asVoid(engine.start(Chain, input, { runId })))
  return {
    chain: (runId) =>
      Effect.runPromise(Effect.zipRight(engine.start(Chain, input, { runId }), ended(Chain, runId, chainSteps))),
    fan: (runId) =>
      Effect.runPromise(
        Effect.zipRight(
          engine.start(Fan, input, { runId }),
          Effect.map(engine.await(Fan, runId), ({ value }) => expectCount(value, fanCount))
        )
      ),
    long: (runId) => Effect.runPromise(Effect.asVoid(engine.start(long.Long, input, { runId }))),
    resumed: async (runIds) => {
      await Promise.all(runIds.map((id) => Effect.runPromise(ended(long.Long, id, options.history + stepsLeft))))
    },
    wait: async (runId) => {
      await Effect.runPromise(engine.start(Waiting, input, { runId }))
      await suspended(engine, runId)
    },
    wake: (runId) => Effect.runPromise(Effect.asVoid(engine.trigger(Waiting, runId, "go", true, { inputId: "go" }))),
    woken: (runId) => Effect.runPromise(Effect.map(engine.await(Waiting, runId), ({ value }) => expectCount(value, 2))),
    start,
    startBatch: async (runIds) => {
      const results = await Effect.runPromise(
        engine.startMany(
          Chain,
          runIds.map((runId) => ({ input, runId }))
        )
      )
      for (const result of results) if (Either.isLeft(result)) throw result.left
    },
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
