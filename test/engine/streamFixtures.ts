import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import type { NodeContext } from "../../src/definition/NodeContext.js"
import * as Output from "../../src/definition/Output.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Declined } from "./fixtures.js"

export const { Number: N } = Schema

export const Produce = Node.make("produce", { inputs: { count: N }, outputs: { n: Output.many(N) }, error: Declined })
const Double = Node.make("double", { inputs: { n: Input.stream(N) }, outputs: { n: Output.many(N) } })
export const Fold = Node.make("fold", { inputs: { n: Input.stream(N) }, outputs: { sum: N, count: N } })

export const Sum = Workflow.make("sum", { version: 1, input: { count: N } })
  .node("produce", Produce, ({ input }) => ({ count: input.count }))
  .node("double", Double, ({ produce }) => ({ n: produce.n }))
  .node("fold", Fold, ({ double }) => ({ n: double.n }))
  .output(({ fold }) => ({ sum: fold.sum, count: fold.count }))

export type Elements<E = never> = Stream.Stream<number, E, NodeContext>

interface Work {
  readonly produce?: (count: number) => Effect.Effect<Elements<Declined>, never, NodeContext>
  readonly double?: (n: Stream.Stream<number>) => Elements
  readonly fold?: (n: Stream.Stream<number>) => Effect.Effect<{ sum: number; count: number }, never, NodeContext>
}

const numbers = (count: number) => Effect.succeed(Stream.range(1, count))
export const twice = (n: Stream.Stream<number>) => Stream.map(n, (each) => each * 2)

const Total = Schema.Struct({ sum: N, count: N })

/** Folds a hundred at a time, each time durably. */
export const folded = (n: Stream.Stream<number>) =>
  Effect.gen(function* () {
    const begin = Option.getOrElse(yield* Step.lastCheckpoint(Total), () => ({ sum: 0, count: 0 }))
    return yield* n.pipe(
      Stream.grouped(100),
      Stream.runFoldEffect(begin, ({ count, sum }, chunk) => {
        const next = { sum: Chunk.reduce(chunk, sum, (a, b) => a + b), count: count + chunk.length }
        return Effect.as(Step.checkpoint(Total, next), next)
      })
    )
  })

export const summing = ({ double = twice, fold = folded, produce = numbers }: Work = {}) =>
  Sum.layer.pipe(
    Layer.provide([
      Produce.toLayer(({ count }) => Effect.map(produce(count), (n) => ({ n }))),
      Double.toLayer(({ n }) => Effect.succeed({ n: double(n) })),
      Fold.toLayer(({ n }) => fold(n))
    ])
  )

export const expected = (count: number) => ({ sum: count * (count + 1), count })
