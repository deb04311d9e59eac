import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import * as Workflow from "../../src/definition/Workflow.js"

const { Number: N } = Schema

it("a latest handle stands beside shared ones only", () => {
  const b = Input.latest(N)
  const begun = Workflow.make("w", { version: 1, input: { n: N } })
  const zipping = Node.make("price", { inputs: { a: N, b }, outputs: { price: N } })
  const zip = begun.node("price", zipping, ({ input }) => ({ a: input.n, b: input.n }))
  expect(() => zip.output(() => ({}))).toThrow('node "price": a latest handle can\'t stand beside one of mode one')
  const gathering = Node.make("price", { inputs: { a: Input.all(N), b }, outputs: { price: N } })
  const gather = begun.node("price", gathering, ({ input }) => ({ a: input.n, b: input.n }))
  expect(() => gather.output(() => ({}))).toThrow("can't stand beside one of mode all")
})

it("a trigger can't have a latest handle", () => {
  const node = Node.trigger("price", { payload: N, inputs: { b: Input.latest(N) }, outputs: { price: N } })
  const define = () =>
    Workflow.make("w", { version: 1, input: { n: N } })
      .node("price", node, ({ input }) => ({ b: input.n }))
      .output(() => ({}))
  expect(define).toThrow('node "price": a trigger can\'t have a latest handle')
})

it("a stream handle stands beside shared and other stream handles only, and in no node that waits for events", () => {
  const a = Input.stream(N)
  const begun = Workflow.make("w", { version: 1, input: { n: N } })
  const zipping = Node.make("sum", { inputs: { a, b: N }, outputs: { sum: N } })
  const zip = begun.node("sum", zipping, ({ input }) => ({ a: input.n, b: input.n }))
  expect(() => zip.output(() => ({}))).toThrow('node "sum": a stream handle can\'t stand beside one of mode one')
  const trigger = Node.trigger("sum", { payload: N, inputs: { a }, outputs: { sum: N } })
  const triggered = begun.node("sum", trigger, ({ input }) => ({ a: input.n }))
  expect(() => triggered.output(() => ({}))).toThrow('node "sum": a trigger can\'t have a stream handle')
  const resumable = Node.make("sum", { inputs: { a }, outputs: { sum: N }, resumable: { state: N, input: N } })
  const resumed = begun.node("sum", resumable, ({ input }) => ({ a: input.n }))
  expect(() => resumed.output(() => ({}))).toThrow('node "sum": a resumable node can\'t have a stream handle')
})
