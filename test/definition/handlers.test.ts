import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { type AnyHandler, type Handling, tag } from "../../src/definition/Handler.js"
import * as Node from "../../src/definition/Node.js"
import { NodeContext } from "../../src/definition/NodeContext.js"
import * as NodeOutcome from "../../src/definition/NodeOutcome.js"
import * as Output from "../../src/definition/Output.js"
import { Registry } from "../../src/definition/Registry.js"
import * as Workflow from "../../src/definition/Workflow.js"
import type { WorkflowDefinition } from "../../src/definition/WorkflowDefinition.js"
import { DefinitionConflict } from "../../src/model/Errors.js"
import { RunId } from "../../src/model/Ids.js"
import { Approval, CardDeclined, Charge, Item, Poll, Reserve, Sum } from "./fixtures.js"

class Payments extends Context.Tag("Payments")<Payments, { readonly name: string }>() {}

const attempt = Layer.succeed(NodeContext, {
  runId: RunId.make("o-1"),
  workflow: "order",
  workflowVersion: 1,
  nodeId: "charge",
  firing: 1,
  attempt: 1,
  crashes: 0,
  idempotencyKey: "o-1/charge/1"
})

const item = { id: "i-1", at: new Date(0) }

/** Builds a handler's layer and calls it as the runtime does. */
const run = <Name extends string, E, R>(
  node: { readonly name: Name },
  layer: Layer.Layer<Context.Tag.Identifier<ReturnType<typeof tag<Name>>>, E, R>,
  ...args: Parameters<AnyHandler>
) =>
  Effect.flatMap(tag(node.name), ({ environment, run }) => Effect.provide(run(...args), environment)).pipe(
    Effect.provide(layer),
    Effect.provide(attempt)
  )

describe("a handler", () => {
  it.effect("gets its inputs, the environment of its layer and the context of the attempt", () =>
    Effect.gen(function* () {
      const layer = Charge.toLayer(({ reservation }) =>
        Effect.gen(function* () {
          const { idempotencyKey } = yield* NodeContext
          const { name } = yield* Payments
          return { receipt: { status: "shipped", amount: 1 }, note: `${name} ${reservation.id} ${idempotencyKey}` }
        })
      ).pipe(Layer.provide(Layer.succeed(Payments, { name: "bank" })))
      const outputs = yield* run(Charge, layer, { reservation: item }, undefined)
      expect(outputs).toEqual({ receipt: { status: "shipped", amount: 1 }, note: "bank i-1 o-1/charge/1" })
    })
  )

  it.effect("sees the context of its attempt, whatever was there when its layer was built", () =>
    Effect.gen(function* () {
      const layer = Charge.toLayer(() =>
        Effect.map(NodeContext, ({ attempt }) => ({ receipt: { status: "shipped", amount: attempt } }))
      )
      const handler = Context.get(yield* Layer.build(layer), tag("charge"))
      const second = { ...(yield* NodeContext), attempt: 2 }
      const outputs = yield* Effect.provideService(handler.run({ reservation: item }, undefined), NodeContext, second)
      expect(outputs).toEqual({ receipt: { status: "shipped", amount: 2 } })
    }).pipe(Effect.provide(attempt), Effect.scoped)
  )

  it.effect("made by an Effect is made once", () =>
    Effect.gen(function* () {
      let made = 0
      const layer = Sum.toLayer(
        Effect.sync(() => {
          made += 1
          return ({ parts }: { readonly parts: ReadonlyArray<number> }) => Effect.succeed({ total: parts.length })
        })
      )
      const handler = Context.get(yield* Layer.build(layer), tag("sum"))
      const outputs = yield* Effect.all([handler.run({ parts: [1] }, undefined), handler.run({ parts: [] }, undefined)])
      expect(outputs).toEqual([{ total: 1 }, { total: 0 }])
      expect(made).toBe(1)
    }).pipe(Effect.provide(attempt), Effect.scoped)
  )

  it.effect("fails with its typed error", () =>
    Effect.gen(function* () {
      const layer = Charge.toLayer(() => Effect.fail(new CardDeclined({ code: 7 })))
      const error = yield* Effect.flip(run(Charge, layer, { reservation: item }, undefined))
      expect(error).toEqual(new CardDeclined({ code: 7 }))
    })
  )

  it.effect("of a trigger gets the payload, of a resumable node its state and input", () =>
    Effect.gen(function* () {
      const approval = Approval.toLayer(({ reservation }, { approved }) =>
        Effect.succeed(approved ? { approved: reservation } : { rejected: reservation })
      )
      expect(yield* run(Approval, approval, { reservation: item }, { approved: false })).toEqual({ rejected: item })
      const poll = Poll.toLayer((_inputs, resume) =>
        Effect.succeed(
          Option.match(resume, {
            onNone: () => NodeOutcome.suspend({ reason: "the bank", state: { asked: 1 } }),
            onSome: ({ input, state }) => ({ answer: `${state.asked} ${input}` })
          })
        )
      )
      const first = yield* run(Poll, poll, { item }, Option.none())
      expect(NodeOutcome.isSuspend(first) && { reason: first.reason, state: first.state }).toEqual({
        reason: "the bank",
        state: { asked: 1 }
      })
      const second = yield* run(Poll, poll, { item }, Option.some({ state: { asked: 1 }, input: 42 }))
      expect(NodeOutcome.isSuspend(second)).toBe(false)
      expect(second).toEqual({ answer: "1 42" })
    })
  )
})

describe("a node keeps its policies as the runtime reads them", () => {
  it("with defaults", () => {
    const { toLayer: _, ...definition } = Node.make("plain", { inputs: { a: Item }, outputs: { b: Output.many(Item) } })
    expect(definition).toEqual({
      name: "plain",
      kind: "task",
      inputs: { a: { mode: "one", schema: Item } },
      outputs: { b: { mode: "many", schema: Item } },
      error: undefined,
      payload: undefined,
      state: undefined,
      resumable: false,
      repeated: 1,
      concurrency: null,
      timeout: undefined,
      retry: undefined,
      signals: []
    })
  })

  it("as given", () => {
    const schedule = Schedule.spaced("1 second")
    const node = Node.trigger("all", {
      payload: Item,
      error: CardDeclined,
      retry: { times: 3, schedule, while: ({ code }) => code > 3 },
      timeout: "30 seconds",
      concurrency: 4,
      repeated: true
    })
    expect(node).toMatchObject({ kind: "trigger", repeated: null, concurrency: 4, payload: Item, resumable: false })
    expect(node.timeout).toEqual(Duration.seconds(30))
    expect(node.retry).toMatchObject({ times: 3, schedule })
    expect([4, 3].map((code) => node.retry?.while(new CardDeclined({ code })))).toEqual([true, false])
    expect(Poll).toMatchObject({ resumable: true, payload: Schema.NumberFromString })
    const patient = Node.make("patient", { retry: { times: 1, schedule } })
    expect(patient.retry?.while("anything")).toBe(true)
  })
})

describe("the layer of a workflow", () => {
  const Count = Workflow.make("count", { version: 1, input: { part: Schema.Number } })
    .node("sum", Sum, ({ input }) => ({ parts: input.part }))
    .output(({ sum }) => ({ total: sum.total }))

  it.effect("registers the definition with its handlers by node id, for as long as it lives", () =>
    Effect.gen(function* () {
      const registered = new Map<WorkflowDefinition, ReadonlyMap<string, Handling>>()
      const registry = Layer.succeed(Registry, {
        register: (definition, handlers) =>
          Effect.acquireRelease(
            Effect.sync(() => registered.set(definition, handlers)),
            () => Effect.sync(() => registered.delete(definition))
          )
      })
      const twice = Workflow.make("twice", { version: 1, input: { order: Item } })
        .node("first", Reserve, ({ input }) => ({ order: input.order }))
        .node("second", Reserve, ({ first }) => ({ order: first.any }))
        .output(({ second }) => ({ order: second.any }))
      const reserve = Reserve.toLayer(({ order }) => Effect.succeed({ any: { ...order, id: `${order.id}!` } }))
      yield* Effect.gen(function* () {
        yield* Layer.build(twice.layer.pipe(Layer.provide(reserve), Layer.provide(registry)))
        const [[definition, byId] = []] = [...registered]
        expect(definition).toMatchObject({ name: "twice", version: 1, hash: twice.hash })
        expect([...(byId?.keys() ?? [])]).toEqual(["first", "second"])
        const outputs = yield* byId?.get("second")?.run({ order: item }, undefined) ?? Effect.fail("not registered")
        expect(outputs).toEqual({ any: { ...item, id: "i-1!" } })
      }).pipe(Effect.provide(attempt), Effect.scoped)
      expect(registered.size).toBe(0)
    })
  )

  it.effect("fails when the database knows another graph", () =>
    Effect.gen(function* () {
      const conflict = new DefinitionConflict({ workflow: "count", version: 1, difference: ['node "sum" is new'] })
      const layer = Count.layer.pipe(
        Layer.provide(Sum.toLayer(({ parts }) => Effect.succeed({ total: parts.length }))),
        Layer.provide(Layer.succeed(Registry, { register: () => Effect.fail(conflict) }))
      )
      expect(yield* Effect.flip(Effect.scoped(Layer.build(layer)))).toEqual(conflict)
    })
  )

  it.effect("refuses a handler that was written for another node of the same name", () =>
    Effect.gen(function* () {
      const Impostor = Node.make("sum", { inputs: { text: Schema.String }, outputs: { total: Schema.String } })
      const layer = Count.layer.pipe(
        Layer.provide(Impostor.toLayer(({ text }) => Effect.succeed({ total: text }))),
        Layer.provide(Layer.succeed(Registry, { register: () => Effect.void }))
      )
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(layer)))
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain(
        'the handler for node "sum" was written for another node of the name "sum"'
      )
    })
  )

  it.effect("refuses a handler without the compensation that its node declares", () =>
    Effect.gen(function* () {
      const Undone = Node.make("sum", {
        inputs: { n: Schema.Number },
        outputs: { total: Schema.Number },
        compensate: {}
      })
      const handler = Layer.succeed(tag("sum"), {
        node: Undone,
        environment: Context.empty(),
        run: () => Effect.succeed({ total: 1 })
      })
      const layer = Workflow.make("undone", { version: 1, input: { n: Schema.Number } })
        .node("sum", Undone, ({ input }) => ({ n: input.n }))
        .output(({ sum }) => ({ total: sum.total }))
        .layer.pipe(Layer.provide(handler), Layer.provide(Layer.succeed(Registry, { register: () => Effect.void })))
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(layer)))
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain(
        'the handler for node "sum" has no function that compensates'
      )
    })
  )
})
