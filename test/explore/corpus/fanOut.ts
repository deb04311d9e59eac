import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Input from "../../../src/definition/Input.js"
import * as Node from "../../../src/definition/Node.js"
import * as Output from "../../../src/definition/Output.js"
import * as Workflow from "../../../src/definition/Workflow.js"
import type { Subject } from "../../../src/testing/Subject.js"
import { effect, oneRun } from "./kit.js"

const N = Schema.Number

const split = Node.make("split", { inputs: { n: N }, outputs: { items: Output.many(N) } })
const rate = Node.make("rate", { inputs: { n: N }, outputs: { rate: N } })
const convert = Node.make("convert", {
  inputs: { item: N, rate: Input.shared(N) },
  outputs: { v: N, odd: Output.optional(N) },
  concurrency: 2
})
const sum = Node.make("sum", { inputs: { values: Input.all(N) }, outputs: { total: N, empty: Output.many(N) } })
const zip = Node.make("zip", { inputs: { left: N, right: N }, outputs: { v: N } })

const workflow = Workflow.make("fanOut", { version: 1, input: { n: N, few: N } })
  .node("split", split, ({ input }) => ({ n: input.n }))
  .node("rate", rate, ({ input }) => ({ n: input.n }))
  .node("convert", convert, ({ rate, split }) => ({ item: split.items, rate: rate.rate }))
  .node("sum", sum, ({ convert }) => ({ values: convert.v }))
  .node("few", split, ({ input }) => ({ n: input.few }))
  .node("zip", zip, ({ convert, few }) => ({ left: convert.odd, right: few.items }))
  .node("none", sum, ({ sum }) => ({ values: sum.empty }))
  .output(({ none, sum, zip }) => ({ total: sum.total, none: none.total, zipped: zip.v }))

const handlers = Layer.mergeAll(
  split.toLayer(({ n }) => Effect.as(effect("split"), { items: Array.from({ length: n }, (_, index) => index + 1) })),
  rate.toLayer(({ n }) => Effect.as(effect("rate"), { rate: n * 10 })),
  convert.toLayer(({ item, rate }) =>
    Effect.as(effect("convert"), item % 2 === 1 ? { v: item * rate, odd: item } : { v: item * rate })
  ),
  sum.toLayer(({ values }) => Effect.as(effect("sum"), { total: values.reduce((a, b) => a + b, 0), empty: [] })),
  zip.toLayer(({ left, right }) => Effect.as(effect("zip"), { v: left * 100 + right }))
)

/** One becomes many, each with a value they share; all become one; a zip pairs what is left of two sides. */
export const fanOut = oneRun({ workflow, input: { n: 3, few: 2 }, handlers })

/** The same, given up and read back from its rows after every firing. */
export const evicted = oneRun({
  name: "evicted",
  workflow,
  input: { n: 3, few: 2 },
  handlers,
  settings: { alwaysEvict: true }
})

/** The same with one slot: firings wait for their turn. */
export const oneSlot = oneRun({ name: "oneSlot", workflow, input: { n: 3, few: 2 }, handlers, settings: { slots: 1 } })

const merge = Node.make("merge", { inputs: { v: N }, outputs: { v: N } })
const mergeWorkflow = Workflow.make("merging", { version: 1, input: { n: N } })
  .node("left", split, ({ input }) => ({ n: input.n }))
  .node("right", split, ({ input }) => ({ n: input.n }))
  .node("merge", merge, ({ left, right }) => ({ v: [left.items, right.items] }))
  .node("sum", sum, ({ merge }) => ({ values: merge.v }))
  .output(({ sum }) => ({ total: Workflow.maybe(sum.total) }))

/** Two producers into one handle: the order is not promised, the sum is. */
export const merging = oneRun({
  workflow: mergeWorkflow,
  input: { n: 2 },
  handlers: Layer.mergeAll(
    split.toLayer(({ n }) => Effect.succeed({ items: Array.from({ length: n }, (_, index) => index + 1) })),
    merge.toLayer(({ v }) => Effect.as(effect("merge"), { v })),
    sum.toLayer(({ values }) => Effect.succeed({ total: values.reduce((a, b) => a + b, 0), empty: [] }))
  )
})

/** Two workers, each with little room: runs and firings are found by whoever has some. */
export const twoWorkers: Subject = {
  name: "twoWorkers",
  workflows: workflow.layer.pipe(Layer.provide(handlers)),
  workers: 2,
  settings: { slots: 2, maxRuns: 1 },
  script: async (client) => {
    await client.start(workflow, { n: 2, few: 1 }, "r1")
    await client.start(workflow, { n: 1, few: 1 }, "r2")
    await client.ended("r1")
    await client.ended("r2")
  }
}
