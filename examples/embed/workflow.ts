import { Effect, Schema } from "effect"
import { Node, NodeContext, Workflow } from "perdure"

const Address = Schema.Struct({ customerName: Schema.String, city: Schema.String })

const Label = Node.make("label", { inputs: { address: Address }, outputs: { label: Schema.String } })

/** What happens after an order was placed: nothing here knows of a database. */
export const Fulfilment = Workflow.make("fulfilment", { version: 1, input: { address: Address } })
  .node("label", Label, ({ input }) => ({ address: input.address }))
  .output(({ label }) => ({ label: label.label }))

export const LabelHandler = Label.toLayer(({ address }) =>
  Effect.map(NodeContext, ({ idempotencyKey }) => ({
    label: `${address.customerName}, ${address.city} (${idempotencyKey})`
  }))
)
