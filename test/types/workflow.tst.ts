import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import { describe, expect, it } from "tstyche"
import type { Handler } from "../../src/definition/Handler.js"
import type { Registry } from "../../src/definition/Registry.js"
import * as Workflow from "../../src/definition/Workflow.js"
import type { DatabaseError, DefinitionConflict } from "../../src/model/Errors.js"
import type * as fixtures from "../definition/fixtures.js"
import { Approval, Batch, Charge, Notify, Order, Poll, Reserve } from "../definition/fixtures.js"

type Item = typeof fixtures.Item.Type
type Receipt = typeof fixtures.Receipt.Type

const ReserveHandler = Reserve.toLayer(({ order }) => Effect.succeed({ small: order, any: order }))
const ApprovalHandler = Approval.toLayer(({ reservation }) => Effect.succeed({ approved: reservation }))
const ChargeHandler = Charge.toLayer(() => Effect.succeed({ receipt: { status: "shipped", amount: 1 } }))
const NotifyHandler = Notify.toLayer(() => Effect.succeed({ receipt: { status: "declined", amount: 0 } }))

describe("a workflow", () => {
  it("knows its input", () => {
    expect<Workflow.Input<typeof Order>>().type.toBe<{ readonly order: Item }>()
    expect<Workflow.Input<typeof Batch>>().type.toBe<{ readonly item: Item; readonly by: number }>()
  })

  it("knows its outputs: values, options and arrays", () => {
    expect<Workflow.Output<typeof Order>>().type.toBe<{
      readonly receipt: Receipt
      readonly rejected: Option.Option<Item>
    }>()
    expect<Workflow.Output<typeof Batch>>().type.toBe<{
      readonly parts: ReadonlyArray<number>
      readonly total: number
    }>()
  })

  it("reads a sure port as an Option if asked to, but not one of many", () => {
    const draft = Workflow.make("order", { version: 1, input: { order: Reserve.inputs.order.schema } }).node(
      "charge",
      Charge,
      ({ input }) => ({ reservation: [input.order, input.order] })
    )
    const read = draft.output(({ input }) => ({ order: Workflow.maybe(input.order) }))
    expect<Workflow.Output<typeof read>>().type.toBe<{ readonly order: Option.Option<Item> }>()
    // @ts-expect-error Type 'true' is not assignable to type 'false'
    draft.output(({ charge }) => ({ receipt: Workflow.maybe(charge.receipt) }))
    // @ts-expect-error Expected at least 1 arguments
    draft.output(() => ({ receipt: Workflow.firstOf() }))
  })

  it("asks for a handler of every node", () => {
    expect(Order.layer).type.toBe<
      Layer.Layer<
        never,
        DefinitionConflict | DatabaseError,
        Registry | Handler<"reserve"> | Handler<"approval"> | Handler<"charge"> | Handler<"notify">
      >
    >()
    const missing = Order.layer.pipe(Layer.provide([ReserveHandler, ApprovalHandler, NotifyHandler]))
    expect(missing).type.toBe<Layer.Layer<never, DefinitionConflict | DatabaseError, Registry | Handler<"charge">>>()
    const ready = missing.pipe(Layer.provide(ChargeHandler))
    expect(ready).type.toBe<Layer.Layer<never, DefinitionConflict | DatabaseError, Registry>>()
    expect<typeof missing>().type.not.toBeAssignableTo<Layer.Layer<never, unknown, Registry>>()
  })

  it("is a Workflow.Any", () => {
    expect(Order).type.toBeAssignableTo<Workflow.Any>()
    expect(Batch).type.toBeAssignableTo<Workflow.Any>()
  })
})

/** The call that `Engine.trigger` makes of these types. */
declare const trigger: <W extends Workflow.Any, Id extends Workflow.ExternalNodes<W>>(
  workflow: W,
  runId: string,
  nodeId: Id,
  payload: Workflow.Payload<W, Id>
) => void

describe("input from outside", () => {
  const Polled = Workflow.make("polled", { version: 1, input: { item: Reserve.inputs.order.schema } })
    .node("poll", Poll, ({ input }) => ({ item: input.item }))
    .node("approval", Approval, ({ input }) => ({ reservation: input.item }))
    .node("charge", Charge, ({ approval }) => ({ reservation: approval.approved }))
    .output(() => ({}))

  it("goes to triggers and resumable nodes", () => {
    expect<Workflow.ExternalNodes<typeof Order>>().type.toBe<"approval">()
    expect<Workflow.ExternalNodes<typeof Batch>>().type.toBe<never>()
    expect<Workflow.ExternalNodes<typeof Polled>>().type.toBe<"poll" | "approval">()
    expect(trigger).type.toBeCallableWith(Order, "o-1", "approval", { approved: true })
    expect(trigger).type.toBeCallableWith(Polled, "o-1", "poll", 42)
  })

  it("goes to no other node", () => {
    // @ts-expect-error Argument of type '"charge"' is not assignable to parameter of type '"approval"'
    trigger(Order, "o-1", "charge", { approved: true })
    // @ts-expect-error Argument of type '"nobody"' is not assignable to parameter of type '"approval"'
    trigger(Order, "o-1", "nobody", { approved: true })
    // @ts-expect-error is not assignable to parameter of type 'never'
    trigger(Batch, "b-1", "sum", 1)
  })

  it("has the payload that the node declares", () => {
    // @ts-expect-error Type 'string' is not assignable to type 'boolean'
    trigger(Order, "o-1", "approval", { approved: "yes" })
    // @ts-expect-error not assignable to parameter
    trigger(Order, "o-1", "approval", {})
    // @ts-expect-error not assignable to parameter of type 'number'
    trigger(Polled, "o-1", "poll", "42")
    // @ts-expect-error not assignable to parameter
    trigger(Polled, "o-1", "poll", { approved: true })
  })
})
