import * as Schema from "effect/Schema"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import * as Output from "../../src/definition/Output.js"
import * as Workflow from "../../src/definition/Workflow.js"

export const Item = Schema.Struct({ id: Schema.String, at: Schema.Date })
export const Receipt = Schema.Struct({ status: Schema.Literal("shipped", "declined"), amount: Schema.Number })
const Decision = Schema.Struct({ approved: Schema.Boolean })

export class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { code: Schema.Number }) {}

export const Reserve = Node.make("reserve", {
  inputs: { order: Item },
  outputs: { small: Output.optional(Item), large: Output.optional(Item), any: Item }
})

export const Approval = Node.trigger("approval", {
  payload: Decision,
  inputs: { reservation: Item },
  outputs: { approved: Output.optional(Item), rejected: Output.optional(Item) }
})

export const Charge = Node.make("charge", {
  inputs: { reservation: Item },
  outputs: { receipt: Receipt, note: Output.optional(Schema.String) },
  error: CardDeclined
})

export const Notify = Node.make("notify", { inputs: { problem: CardDeclined }, outputs: { receipt: Receipt } })

export const Split = Node.make("split", { inputs: { item: Item }, outputs: { parts: Output.many(Schema.Number) } })

export const Scale = Node.make("scale", {
  inputs: { part: Schema.Number, by: Input.shared(Schema.Number) },
  outputs: { part: Schema.Number }
})

export const Sum = Node.make("sum", { inputs: { parts: Input.all(Schema.Number) }, outputs: { total: Schema.Number } })

export const Poll = Node.make("poll", {
  inputs: { item: Item },
  outputs: { answer: Schema.String },
  resumable: { state: Schema.Struct({ asked: Schema.Number }), input: Schema.NumberFromString }
})

export const Ticks = Node.trigger("ticks", {
  payload: Schema.Number,
  outputs: { tick: Schema.Number },
  repeated: true
})

/** The order of the README: a route, an approval, a merge, a wired error. */
export const Order = Workflow.make("order", { version: 1, input: { order: Item } })
  .node("reserve", Reserve, ({ input }) => ({ order: input.order }))
  .node("approval", Approval, ({ reserve }) => ({ reservation: reserve.large }))
  .node("charge", Charge, ({ reserve, approval }) => ({ reservation: [reserve.small, approval.approved] }))
  .node("notify", Notify, ({ charge }) => ({ problem: charge.error }))
  .output(({ charge, notify, approval }) => ({
    receipt: Workflow.firstOf(charge.receipt, notify.receipt),
    rejected: approval.rejected
  }))

/** Fan-out, a shared value, and everything together again. */
export const Batch = Workflow.make("batch", { version: 3, input: { item: Item, by: Schema.Number } })
  .node("split", Split, ({ input }) => ({ item: input.item }))
  .node("scale", Scale, ({ input, split }) => ({ part: split.parts, by: input.by }))
  .node("sum", Sum, ({ scale }) => ({ parts: scale.part }))
  .output(({ split, sum }) => ({ parts: split.parts, total: sum.total }))
