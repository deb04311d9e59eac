import { Chunk, Effect, Layer, Option, Schema, Stream } from "effect"
import { Input, Node, Output, Step, Workflow } from "perdure"

const { Number: N } = Schema

/** Gives its lines while it runs, in durable batches; it waits when the others are behind. */
const Read = Node.make("read", { inputs: { count: N }, outputs: { line: Output.many(N) } })

/** Fires for each line, eight at a time. */
const Parse = Node.make("parse", { inputs: { line: N }, outputs: { amount: N }, concurrency: 8 })

/** Reads everything as one stream, and says how far it is after each hundred. */
const Sum = Node.make("sum", { inputs: { amount: Input.stream(N) }, outputs: { total: N } })

export const Ledger = Workflow.make("ledger", { version: 1, input: { count: N } })
  .node("read", Read, ({ input }) => ({ count: input.count }))
  .node("parse", Parse, ({ read }) => ({ line: read.line }))
  .node("sum", Sum, ({ parse }) => ({ amount: parse.amount }))
  .output(({ sum }) => ({ total: sum.total }))

export const LedgerLayer = Ledger.layer.pipe(
  Layer.provide([
    Read.toLayer(({ count }) => Effect.succeed({ line: Stream.range(1, count) })),
    Parse.toLayer(({ line }) => Effect.succeed({ amount: line * 2 })),
    Sum.toLayer(({ amount }) =>
      Effect.gen(function* () {
        // After a crash: what was summed up by the last checkpoint, and the stream begins behind it.
        const begin = Option.getOrElse(yield* Step.lastCheckpoint(N), () => 0)
        const total = yield* amount.pipe(
          Stream.grouped(100),
          Stream.runFoldEffect(begin, (sum, group) => {
            const next = Chunk.reduce(group, sum, (a, b) => a + b)
            return Effect.as(Step.checkpoint(N, next), next)
          })
        )
        return { total }
      })
    )
  ])
)
