import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Node from "../../../src/definition/Node.js"
import { NodeContext } from "../../../src/definition/NodeContext.js"
import * as Output from "../../../src/definition/Output.js"
import * as Workflow from "../../../src/definition/Workflow.js"
import { Ledger } from "../../../src/testing/Ledger.js"
import type { Outcome, Subject } from "../../../src/testing/Subject.js"
import { effect, oneRun, runId } from "./kit.js"

const { Number: N } = Schema

const again = { retry: { times: 9, schedule: Schedule.spaced("900 millis") } }

const split = Node.make("split", { inputs: { v: N }, outputs: { part: Output.many(N) }, compensate: again })
const book = Node.make("book", { inputs: { v: N }, outputs: { v: N }, concurrency: 2, compensate: again })
const beside = Node.make("beside", { inputs: { v: N }, outputs: { v: N } })
const pay = Node.make("pay", { inputs: { v: N }, outputs: { v: N } })

/** Fails the first time anybody asks for it, for longer than a run stays in memory. */
const undo = (name: string) =>
  Effect.gen(function* () {
    const { idempotencyKey, nodeId } = yield* NodeContext
    const fresh = yield* (yield* Ledger).record(`before undo ${name}`, idempotencyKey)
    if (fresh && nodeId === "split") return yield* Effect.dieMessage("not yet")
    yield* effect(`undo ${name}`)
  })

const handlers = Layer.mergeAll(
  split.toLayer(
    ({ v }) => Effect.as(effect("split"), { part: [v, v + 1, v + 2] }),
    () => undo("split")
  ),
  book.toLayer(
    ({ v }) => Effect.as(effect("book"), { v: v * 10 }),
    ({ v }, outputs) =>
      Option.isSome(outputs) && outputs.value.v !== v * 10
        ? Effect.dieMessage("these are the outputs of another firing")
        : undo("book")
  ),
  beside.toLayer(({ v }) => Effect.as(Effect.sleep("300 millis"), { v })),
  pay.toLayer(({ v }) => (v === 20 ? Effect.dieMessage("no money") : Effect.as(effect("pay"), { v })))
)

const graph = <const Name extends string>(name: Name) =>
  Workflow.make(name, { version: 1, input: { v: N } })
    .node("split", split, ({ input }) => ({ v: input.v }))
    .node("beside", beside, ({ input }) => ({ v: input.v }))
    .node("book", book, ({ split }) => ({ v: split.part }))
    .node("pay", pay, ({ book }) => ({ v: book.v }))
    .output(({ beside, pay }) => ({ v: pay.v, beside: beside.v }))

const endsAs =
  (...statuses: ReadonlyArray<string>) =>
  (runs: Outcome): string | undefined =>
    runs.every(({ status }) => statuses.includes(status)) ? undefined : `the runs are ${JSON.stringify(runs)}`

/** A run that fails in the middle, and undoes what it did; the first thing it did only at the second try. */
export const undone = oneRun({
  workflow: graph("undone"),
  input: { v: 1 },
  handlers,
  possible: endsAs("compensated")
})

const slow = Node.make("slow", { inputs: { v: N }, outputs: { v: N }, compensate: again })

const slowly = Workflow.make("slowly", { version: 1, input: { v: N } })
  .node("book", book, ({ input }) => ({ v: input.v }))
  .node("slow", slow, ({ book }) => ({ v: book.v }))
  .node("beside", beside, ({ book }) => ({ v: book.v }))
  .node("last", beside, ({ slow }) => ({ v: slow.v }))
  .output(({ beside, last }) => ({ v: last.v, beside: beside.v }))

/** A run that is cancelled while something runs that is waited for, and something that is not. */
export const undoCancel: Subject = {
  name: "undoCancel",
  workflows: slowly.layer.pipe(
    Layer.provide([
      handlers,
      slow.toLayer(
        ({ v }) => Effect.as(Effect.delay(effect("slow"), "150 millis"), { v }),
        () => undo("slow")
      )
    ])
  ) as Subject["workflows"],
  script: async (client) => {
    await client.start(slowly, { v: 2 }, runId)
    await client.sleep(50)
    await client.command(runId, "cancel")
    await client.ended(runId)
  },
  possible: endsAs("compensated", "cancelled", "completed")
}
