import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "tstyche"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import * as Output from "../../src/definition/Output.js"
import * as Workflow from "../../src/definition/Workflow.js"

const { Number: N } = Schema
const Split = Node.make("split", { inputs: { n: N }, outputs: { parts: Output.many(N) } })
const Price = Node.make("price", { inputs: { x: Input.latest(N), y: Input.latest(N) }, outputs: { price: N } })
const Store = Node.make("store", { inputs: { page: Input.unordered(N) }, outputs: { stored: N } })

const begun = Workflow.make("w", { version: 1, input: { n: N } }).node("split", Split, ({ input }) => ({ n: input.n }))

describe("a loose handle", () => {
  it("gives one value to the handler", () => {
    Price.toLayer((inputs) => {
      expect(inputs).type.toBe<{ readonly x: number; readonly y: number }>()
      return Effect.succeed({ price: inputs.x * inputs.y })
    })
  })

  it("lets a node fire as often as anything comes to a latest handle", () => {
    const many = begun
      .node("price", Price, ({ input, split }) => ({ x: split.parts, y: input.n }))
      .output(({ price }) => ({ prices: price.price }))
    expect<Workflow.Output<typeof many>>().type.toBe<{ readonly prices: ReadonlyArray<number> }>()
    const once = begun
      .node("price", Price, ({ input }) => ({ x: input.n, y: input.n }))
      .output(({ price }) => ({ price: price.price }))
    expect<Workflow.Output<typeof once>>().type.toBe<{ readonly price: number }>()
  })

  it("is taken one by one where it is unordered", () => {
    const stored = begun
      .node("store", Store, ({ split }) => ({ page: split.parts }))
      .output(({ store }) => ({ stored: store.stored }))
    expect<Workflow.Output<typeof stored>>().type.toBe<{ readonly stored: ReadonlyArray<number> }>()
    // @ts-expect-error is not assignable
    begun.node("store", Store, () => ({ page: 1 }))
  })
})
