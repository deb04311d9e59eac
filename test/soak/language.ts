import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import * as Output from "../../src/definition/Output.js"
import * as Signal from "../../src/definition/Signal.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { gives, outside } from "./outside.js"

const N = Schema.Number

/** What a handler waits for in the middle of its work. */
const Answer = Signal.make("answer", { payload: N })

const Paced = Node.make("paced", { inputs: { v: N }, outputs: { v: N }, signals: [Answer] })

/** A step, a sleep that is longer than a worker keeps a run for every other input, a signal, and a step again. */
export const Steps = Workflow.make("steps", { version: 1, input: { v: N } })
  .node("paced", Paced, ({ input }) => ({ v: input.v }))
  .output(({ paced }) => ({ v: paced.v }))

const PacedHandler = Paced.toLayer(({ v }) =>
  Effect.gen(function* () {
    const first = yield* Step.run("first", { success: N }, outside(Effect.succeed(v * 2), "first"))
    yield* Step.sleep("pause", v % 2 === 0 ? "150 millis" : "900 millis")
    const answer = yield* Step.awaitSignal(Answer)
    yield* Step.run("last", {}, outside(Effect.void, "last"))
    return yield* gives({ v: first + answer })
  })
)

const Half = Node.make("half", { inputs: { v: N }, outputs: { v: N } })

/** A workflow that is executed as a child. */
const Kid = Workflow.make("kid", { version: 1, input: { v: N } })
  .node("one", Half, ({ input }) => ({ v: input.v }))
  .node("two", Half, ({ one }) => ({ v: one.v }))
  .output(({ two }) => ({ v: two.v }))

const HalfHandler = Half.toLayer(({ v }) => gives({ v: v / 2 }))

const Parent = Node.make("parent", { inputs: { v: N }, outputs: { v: N } })

/** Two children, one after the other. */
export const Family = Workflow.make("family", { version: 1, input: { v: N } })
  .node("parent", Parent, ({ input }) => ({ v: input.v }))
  .output(({ parent }) => ({ v: parent.v }))

const ParentHandler = Parent.toLayer(({ v }) =>
  Effect.gen(function* () {
    const one = yield* Effect.orDie(Step.child("kid", Kid, { v }, { key: "1" }))
    const two = yield* Effect.orDie(Step.child("kid", Kid, { v: one.v }, { key: "2" }))
    return yield* gives({ v: two.v })
  })
)

const again = { retry: { schedule: Schedule.spaced("50 millis"), times: 30 } }
const Reserve = Node.make("reserve", { inputs: { v: N }, outputs: { v: N }, compensate: again })
const Pay = Node.make("pay", { inputs: { left: N, right: N }, outputs: { v: N } })

/** Two reservations side by side; where the payment fails, for even inputs, both are undone. */
export const Undone = Workflow.make("undone", { version: 1, input: { v: N } })
  .node("left", Reserve, ({ input }) => ({ v: input.v }))
  .node("right", Reserve, ({ input }) => ({ v: input.v }))
  .node("pay", Pay, ({ left, right }) => ({ left: left.v, right: right.v }))
  .output(({ pay }) => ({ v: pay.v }))

const Wait = Node.trigger("wait", { payload: N, inputs: { v: N }, outputs: { v: N } })

/** A reservation that is held until somebody says something, or cancels. */
export const Held = Workflow.make("held", { version: 1, input: { v: N } })
  .node("reserve", Reserve, ({ input }) => ({ v: input.v }))
  .node("wait", Wait, ({ reserve }) => ({ v: reserve.v }))
  .output(({ wait }) => ({ v: wait.v }))

const UndoneHandlers = Layer.mergeAll(
  Reserve.toLayer(
    ({ v }) => gives({ v: v + 1 }),
    () => outside(Effect.void, "undo")
  ),
  Pay.toLayer(({ left, right }) =>
    left % 2 === 1 ? outside(Effect.dieMessage("no money")) : gives({ v: left + right })
  ),
  Wait.toLayer(({ v }, more) => gives({ v: v + more }))
)

const Lines = Node.make("lines", { inputs: { v: N }, outputs: { line: Output.many(N) } })
const Double = Node.make("double", { inputs: { line: N }, outputs: { v: N }, concurrency: 4 })
const Total = Node.make("total", { inputs: { v: Input.stream(N) }, outputs: { total: N } })

/** A stream through three nodes, with a checkpoint after each eight elements. */
export const Streamed = Workflow.make("streamed", { version: 1, input: { v: N } })
  .node("lines", Lines, ({ input }) => ({ v: input.v }))
  .node("double", Double, ({ lines }) => ({ line: lines.line }))
  .node("total", Total, ({ double }) => ({ v: double.v }))
  .output(({ total }) => ({ total: total.total }))

const StreamedHandlers = Layer.mergeAll(
  Lines.toLayer(({ v }) => Effect.succeed({ line: Stream.range(1, 20 + v) })),
  Double.toLayer(({ line }) => Effect.succeed({ v: line * 2 })),
  Total.toLayer(({ v }) =>
    Effect.gen(function* () {
      const begin = Option.getOrElse(yield* Step.lastCheckpoint(N), () => 0)
      const total = yield* v.pipe(
        Stream.grouped(8),
        Stream.runFoldEffect(begin, (sum, group) => {
          const next = Chunk.reduce(group, sum, (a, b) => a + b)
          return Effect.as(Step.checkpoint(N, next), next)
        })
      )
      return yield* gives({ total })
    })
  )
)

/** All of them with their handlers. */
export const layer = Layer.mergeAll(
  Steps.layer,
  Kid.layer,
  Family.layer,
  Undone.layer,
  Held.layer,
  Streamed.layer
).pipe(Layer.provide(Layer.mergeAll(PacedHandler, HalfHandler, ParentHandler, UndoneHandlers, StreamedHandlers)))
