import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import * as Output from "../../src/definition/Output.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"

const { Number: N, String: S } = Schema

const messageLength = 100

/** The reader takes so many at a time, and so long for them: far longer than to give them. */
const group = 500
const pause = "80 millis"

const Lines = Node.make("lines", { inputs: { count: N }, outputs: { line: Output.many(S) } })
const Total = Schema.Struct({ count: N, length: N })
const Slow = Node.make("slow", { inputs: { line: Input.stream(S) }, outputs: { total: Total } })

/** One who gives many messages, and one who takes his time over them. */
export const Load = Workflow.make("load", { version: 1, input: { count: N } })
  .node("lines", Lines, ({ input }) => ({ count: input.count }))
  .node("slow", Slow, ({ lines }) => ({ line: lines.line }))
  .output(({ slow }) => ({ total: slow.total }))

/** What it must come to. */
export const totalOf = (count: number) => ({ count, length: count * messageLength })

export const load = Load.layer.pipe(
  Layer.provide([
    Lines.toLayer(({ count }) =>
      Effect.succeed({ line: Stream.map(Stream.range(1, count), (n) => `${n}`.padEnd(messageLength, ".")) })
    ),
    Slow.toLayer(({ line }) =>
      Effect.gen(function* () {
        const begin = Option.getOrElse(yield* Step.lastCheckpoint(Total), () => ({ count: 0, length: 0 }))
        const total = yield* line.pipe(
          Stream.grouped(group),
          Stream.runFoldEffect(begin, ({ count, length }, lines) => {
            const next = {
              count: count + lines.length,
              length: Chunk.reduce(lines, length, (sum, l) => sum + l.length)
            }
            return Effect.sleep(pause).pipe(Effect.zipRight(Step.checkpoint(Total, next)), Effect.as(next))
          })
        )
        return { total }
      })
    )
  ])
)
