import { Effect, Layer, Schedule, Schema } from "effect"
import { Input, Node, Output, Step, Workflow } from "perdure"

const { String: S } = Schema

class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { item: S }) {
  override get message(): string {
    return `no ${this.item} left`
  }
}

const Pick = Node.make("pick", { inputs: { item: S }, outputs: { shelf: S }, error: OutOfStock })

/** One item: a workflow of its own, with runs of its own. */
const Picking = Workflow.make("picking", { version: 1, input: { item: S } })
  .node("pick", Pick, ({ input }) => ({ item: input.item }))
  .output(({ pick }) => ({ shelf: pick.shelf }))

/** The workflow as a node: its handles are the workflow's inputs, its ports the outputs, and there is no handler to write. */
const PickItem = Node.child("pick-item", Picking, {
  concurrency: 10,
  retry: { times: 1, schedule: Schedule.spaced("10 millis") }
})

const Wrap = Node.make("wrap", { inputs: { shelf: S }, outputs: { parcel: S } })

/** Something that only few orders need. */
const Wrapping = Workflow.make("wrapping", { version: 1, input: { shelf: S } })
  .node("wrap", Wrap, ({ input }) => ({ shelf: input.shelf }))
  .output(({ wrap }) => ({ parcel: wrap.parcel }))

const Split = Node.make("split", { inputs: { items: Schema.Array(S) }, outputs: { item: Output.many(S) } })
const Apologise = Node.make("apologise", { inputs: { why: Node.ChildFailure }, outputs: { sorry: S } })
const Pack = Node.make("pack", {
  inputs: { shelf: S, gift: Input.shared(Schema.Boolean) },
  outputs: { line: S },
  error: Node.ChildFailure
})

/** An order: each of its items is a child, and what becomes of a child is wired like anything else. */
export const Order = Workflow.make("picked-order", {
  version: 1,
  input: { items: Schema.Array(S), gift: Schema.Boolean }
})
  .node("split", Split, ({ input }) => ({ items: input.items }))
  .node("pick", PickItem, ({ split }) => ({ item: split.item }))
  .node("apologise", Apologise, ({ pick }) => ({ why: pick.error }))
  .node("pack", Pack, ({ input, pick }) => ({ shelf: pick.shelf, gift: input.gift }))
  .output(({ apologise, pack }) => ({ lines: pack.line, sorry: apologise.sorry }))

const ApologiseHandler = Apologise.toLayer(({ why }) =>
  Effect.succeed({ sorry: why._tag === "RunFailed" ? why.failure.message : "cancelled" })
)

/** A handler that decides whether there is a child: then it is a step. */
const PackHandler = Pack.toLayer(({ gift, shelf }) =>
  gift
    ? Effect.map(Step.child("wrapping", Wrapping, { shelf }), ({ parcel }) => ({ line: parcel }))
    : Effect.succeed({ line: shelf })
)

const PickHandler = Pick.toLayer(({ item }) =>
  item === "unicorn" ? new OutOfStock({ item }) : Effect.succeed({ shelf: `shelf ${item.length}` })
)

/** The workflows with their handlers. */
export const Workflows = Layer.mergeAll(
  Picking.layer.pipe(Layer.provide(PickHandler)),
  Wrapping.layer.pipe(Layer.provide(Wrap.toLayer(({ shelf }) => Effect.succeed({ parcel: `${shelf}, as a gift` })))),
  Order.layer.pipe(
    Layer.provide([Split.toLayer(({ items }) => Effect.succeed({ item: items })), ApologiseHandler, PackHandler])
  )
)
