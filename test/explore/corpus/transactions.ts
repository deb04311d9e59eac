import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Node from "../../../src/definition/Node.js"
import * as Output from "../../../src/definition/Output.js"
import * as Workflow from "../../../src/definition/Workflow.js"
import { effect, enter, oneRun } from "./kit.js"

const { Number: N } = Schema

const split = Node.make("split", { inputs: { v: N }, outputs: { part: Output.many(N) } })
const book = Node.make("book", { inputs: { v: N }, outputs: { v: N }, concurrency: 1 })

const booking = Workflow.make("transactions", { version: 1, input: { v: N } })
  .node("split", split, ({ input }) => ({ v: input.v }))
  .node("book", book, ({ split }) => ({ v: split.part }))
  .output(({ book }) => ({ v: book.v }))

/** Handlers that write into a table of the application's, in transactions of its own client, and then do something outside. */
export const transactions = oneRun({
  workflow: booking,
  input: { v: 1 },
  handlers: Layer.mergeAll(
    split.toLayer(({ v }) => Effect.succeed({ part: [v, v + 1] })),
    book.toLayer(({ v }) => Effect.as(Effect.zipRight(enter, effect("book")), { v: v * 10 }))
  )
})
