import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Input from "../../../src/definition/Input.js"
import * as Node from "../../../src/definition/Node.js"
import { NodeContext } from "../../../src/definition/NodeContext.js"
import * as Output from "../../../src/definition/Output.js"
import * as Workflow from "../../../src/definition/Workflow.js"
import { effect, oneRun } from "./kit.js"

const { Number: N } = Schema

const split = Node.make("split", { inputs: { n: N }, outputs: { xs: Output.many(N) } })
const work = Node.make("work", { inputs: { x: N }, outputs: { y: N }, concurrency: 3 })
const store = Node.make("store", { inputs: { y: Input.unordered(N) }, outputs: { z: N }, concurrency: 1 })
const price = Node.make("price", { inputs: { y: Input.latest(N), n: Input.latest(N) }, outputs: { z: N } })

const looseWorkflow = Workflow.make("loose", { version: 1, input: { n: N } })
  .node("split", split, ({ input }) => ({ n: input.n }))
  .node("work", work, ({ split }) => ({ x: split.xs }))
  .node("store", store, ({ work }) => ({ y: work.y }))
  .node("price", price, ({ input, work }) => ({ y: work.y, n: input.n }))
  .output(({ price, store }) => ({ stored: store.z, prices: price.z }))

/** Everything is stored once, in whatever order; the last price is that of the last page. */
export const loose = oneRun({
  workflow: looseWorkflow,
  input: { n: 3 },
  handlers: Layer.mergeAll(
    split.toLayer(({ n }) => Effect.succeed({ xs: Array.from({ length: n }, (_, index) => index + 1) })),
    work.toLayer(({ x }) =>
      Effect.gen(function* () {
        const { firing } = yield* NodeContext
        yield* Effect.sleep(`${(4 - firing) * 20} millis`)
        yield* effect("work")
        return { y: x * 10 }
      })
    ),
    store.toLayer(({ y }) => Effect.as(effect("store"), { z: y })),
    price.toLayer(({ n, y }) => Effect.succeed({ z: n * y }))
  ),
  possible: ([run]) => {
    const output: { readonly stored: ReadonlyArray<number>; readonly prices: ReadonlyArray<number> } = JSON.parse(
      run?.output ?? '{"stored":[],"prices":[]}'
    )
    const stored = [...output.stored].sort((a, b) => a - b).join()
    const isRight = run?.status === "completed" && stored === "10,20,30" && output.prices.at(-1) === 90
    return isRight ? undefined : `the run is ${run?.status} with ${run?.output}`
  }
})
