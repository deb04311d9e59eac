import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Input from "../../../src/definition/Input.js"
import * as Node from "../../../src/definition/Node.js"
import * as Output from "../../../src/definition/Output.js"
import * as Step from "../../../src/definition/Step.js"
import * as Workflow from "../../../src/definition/Workflow.js"
import { oneRun } from "./kit.js"

const { Number: N } = Schema

const produce = Node.make("produce", { inputs: { v: N }, outputs: { n: Output.many(N) } })
const map = Node.make("map", { inputs: { n: Input.stream(N) }, outputs: { n: Output.many(N) } })
const plain = Node.make("plain", { inputs: { n: N }, outputs: { n: N }, concurrency: 2 })
const fold = Node.make("fold", { inputs: { n: Input.stream(N) }, outputs: { v: N } })

const first = Node.make("first", { inputs: { n: Input.stream(N) }, outputs: { v: Output.many(N) } })

const streaming = Workflow.make("streams", { version: 1, input: { v: N } })
  .node("produce", produce, ({ input }) => ({ v: input.v }))
  .node("map", map, ({ produce }) => ({ n: produce.n }))
  .node("plain", plain, ({ map }) => ({ n: map.n }))
  .node("fold", fold, ({ plain }) => ({ n: plain.n }))
  .node("first", first, ({ map }) => ({ n: map.n }))
  .output(({ first, fold }) => ({ v: fold.v, first: first.v }))

/** Slow enough for several batches. */
const numbers = (count: number) => Stream.tap(Stream.range(1, count), () => Effect.sleep("7 millis"))

/** Elements after which the reader has had enough, long before the end. */
const enough = 3

/** A stream that is given without and one that is given with checkpoints, a node that fires for each, a durable fold, and a reader that leaves early. */
export const streams = {
  ...oneRun({
    workflow: streaming,
    input: { v: 9 },
    handlers: Layer.mergeAll(
      produce.toLayer(({ v }) => Effect.succeed({ n: numbers(v) })),
      map.toLayer(({ n }) =>
        Effect.succeed({
          n: n.pipe(
            Stream.grouped(2),
            Stream.flatMap((group) =>
              Stream.concat(
                Stream.fromIterable(group).pipe(Stream.map((each) => each * 10)),
                Stream.drain(Stream.fromEffect(Step.checkpoint(N, group.length)))
              )
            )
          )
        })
      ),
      first.toLayer(({ n }) =>
        Effect.map(Stream.runCollect(Stream.take(n, enough)), (v) => ({ v: Chunk.toReadonlyArray(v) }))
      ),
      plain.toLayer(({ n }) => Effect.succeed({ n: n + 1 })),
      fold.toLayer(({ n }) =>
        Effect.gen(function* () {
          const begin = Option.getOrElse(yield* Step.lastCheckpoint(N), () => 0)
          const v = yield* n.pipe(
            Stream.grouped(3),
            Stream.runFoldEffect(begin, (sum, group) => {
              const next = Chunk.reduce(group, sum, (a, b) => a + b)
              return Effect.as(Step.checkpoint(N, next), next)
            })
          )
          return { v }
        })
      )
    )
  }),
  streams: true
}
