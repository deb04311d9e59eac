import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Input, Node, Output, Step, Workflow } from "../../src/index.js"

/** Messages between two checkpoints. */
const group = 500

const messageBytes = 100

/** The message of a number: it begins with it and is as long as all others. */
const messageOf = (number: number): string => `${number}`.padEnd(messageBytes, ".")

const numberOf = (message: string): number => Number.parseInt(message, 10)

const Total = Schema.Struct({ count: Schema.Int, sum: Schema.Number })

const Produce = Node.make("produce", {
  inputs: { messages: Schema.Int },
  outputs: { message: Output.many(Schema.String) }
})
const concurrency = 8
const Double = Node.make("double", {
  inputs: { message: Schema.String },
  outputs: { message: Schema.String },
  concurrency
})
const DoubleAll = Node.make("doubleAll", {
  inputs: { message: Input.stream(Schema.String) },
  outputs: { message: Output.many(Schema.String) }
})
const Fold = Node.make("fold", { inputs: { message: Input.stream(Schema.String) }, outputs: { total: Total } })

const begun = (name: string) =>
  Workflow.make(name, { version: 1, input: { messages: Schema.Int } }).node("produce", Produce, ({ input }) => ({
    messages: input.messages
  }))

/** Producer, map, fold: the map is a node with a concurrency of 8, of which each message is a firing. */
const Pipeline = begun("pipeline")
  .node("double", Double, ({ produce }) => ({ message: produce.message }))
  .node("fold", Fold, ({ double }) => ({ message: double.message }))
  .output(({ fold }) => ({ total: fold.total }))

/** The same with a map that is one firing, which takes and gives a stream, with a concurrency of 8 inside. */
const PipelineInside = begun("pipelineInside")
  .node("double", DoubleAll, ({ produce }) => ({ message: produce.message }))
  .node("fold", Fold, ({ double }) => ({ message: double.message }))
  .output(({ fold }) => ({ total: fold.total }))

/** These elements, then the word that all before is dealt with. */
const noted = (elements: Chunk.Chunk<string>, state: number) =>
  Stream.concat(Stream.fromChunk(elements), Stream.drain(Stream.fromEffect(Step.checkpoint(Schema.Int, state))))

const numbersFrom = (done: number, messages: number) => {
  const length = Math.min(group, messages - done)
  return length <= 0
    ? Option.none()
    : Option.some([Chunk.makeBy(length, (index) => messageOf(done + index + 1)), done + length] as const)
}

const produced = (begin: number, messages: number) =>
  Stream.unfold(begin, (done) =>
    Option.map(numbersFrom(done, messages), ([chunk, next]) => [[chunk, next] as const, next])
  ).pipe(Stream.flatMap(([chunk, next]) => noted(chunk, next)))

const work = (message: string) => Effect.sync(() => messageOf(numberOf(message) * 2))

const handlers = Layer.mergeAll(
  Produce.toLayer(({ messages }) =>
    Effect.map(Step.lastCheckpoint(Schema.Int), (begin) => ({
      message: produced(
        Option.getOrElse(begin, () => 0),
        messages
      )
    }))
  ),
  Double.toLayer(({ message }) => Effect.map(work(message), (message) => ({ message }))),
  DoubleAll.toLayer(({ message }) =>
    Effect.succeed({
      message: message.pipe(
        Stream.grouped(group),
        Stream.mapEffect((messages) => Effect.forEach(messages, work, { concurrency })),
        Stream.flatMap((messages) => noted(Chunk.fromIterable(messages), messages.length))
      )
    })
  ),
  Fold.toLayer(({ message }) =>
    Effect.gen(function* () {
      const begin = Option.getOrElse(yield* Step.lastCheckpoint(Total), () => ({ count: 0, sum: 0 }))
      const total = yield* message.pipe(
        Stream.grouped(group),
        Stream.runFoldEffect(begin, ({ count, sum }, messages) => {
          const next = {
            count: count + messages.length,
            sum: Chunk.reduce(messages, sum, (before, each) => before + numberOf(each))
          }
          return Effect.as(Step.checkpoint(Total, next), next)
        })
      )
      return { total }
    })
  )
)

/** The load as it is asked for. */
export const pipelineOf = (inside: boolean) => {
  const workflow = inside ? PipelineInside : Pipeline
  return { workflow, layer: Layer.merge(Pipeline.layer, PipelineInside.layer).pipe(Layer.provide(handlers)) }
}
