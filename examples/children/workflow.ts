import { Effect, Layer, Schema } from "effect"
import { Node, Output, Step, Workflow } from "perdure"

const { String: S } = Schema

class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { item: S }) {}

const Pick = Node.make("pick", { inputs: { item: S }, outputs: { shelf: S }, error: OutOfStock })

/** One item: a workflow of its own, with runs of its own. */
const Picking = Workflow.make("picking", { version: 1, input: { item: S } })
  .node("pick", Pick, ({ input }) => ({ item: input.item }))
  .output(({ pick }) => ({ shelf: pick.shelf }))

const Split = Node.make("split", { inputs: { items: Schema.Array(S) }, outputs: { item: Output.many(S) } })
const Fetch = Node.make("fetch", { inputs: { item: S }, outputs: { line: S }, concurrency: 10 })

/** An order: each of its items is a child. */
export const Order = Workflow.make("picked-order", { version: 1, input: { items: Schema.Array(S) } })
  .node("split", Split, ({ input }) => ({ items: input.items }))
  .node("fetch", Fetch, ({ split }) => ({ item: split.item }))
  .output(({ fetch }) => ({ lines: fetch.line }))

/** A node that is a child workflow: its result and its typed failure come back as a step's. */
const FetchHandler = Fetch.toLayer(({ item }) =>
  Step.child("picking", Picking, { item }).pipe(
    Effect.map(({ shelf }) => ({ line: `${item} from ${shelf}` })),
    Effect.catchTag("RunFailed", ({ failure }) => Effect.succeed({ line: `${item}: ${failure.message}` })),
    Effect.catchTag("RunCancelled", () => Effect.succeed({ line: `${item}: cancelled` }))
  )
)

const PickHandler = Pick.toLayer(({ item }) =>
  item === "unicorn" ? new OutOfStock({ item }) : Effect.succeed({ shelf: `shelf ${item.length}` })
)

/** Both workflows with their handlers. */
export const Workflows = Layer.merge(
  Picking.layer.pipe(Layer.provide(PickHandler)),
  Order.layer.pipe(Layer.provide([Split.toLayer(({ items }) => Effect.succeed({ item: items })), FetchHandler]))
)
