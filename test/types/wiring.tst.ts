import * as Schema from "effect/Schema"
import { describe, expect, it } from "tstyche"
import * as Node from "../../src/definition/Node.js"
import type { Port } from "../../src/definition/Port.js"
import * as Workflow from "../../src/definition/Workflow.js"
import {
  Approval,
  Charge,
  Item,
  Notify,
  Poll,
  type Receipt,
  Reserve,
  Scale,
  Split,
  Sum,
  Ticks
} from "../definition/fixtures.js"

const draft = Workflow.make("order", { version: 1, input: { order: Item, by: Schema.Number } })
  .node("reserve", Reserve, ({ input }) => ({ order: input.order }))
  .node("split", Split, ({ reserve }) => ({ item: reserve.any }))

describe("a wire", () => {
  it("fits in type", () => {
    // @ts-expect-error Type 'number' is not assignable to type '{ readonly id: string; readonly at: Date; }'
    draft.node("x", Charge, ({ input }) => ({ reservation: input.by }))
  })

  it("fits in encoded form, as messages travel encoded", () => {
    const Local = Node.make("local", {
      outputs: { item: Schema.Struct({ id: Schema.String, at: Schema.DateFromSelf }) }
    })
    const local = draft.node("local", Local, () => ({}))
    // @ts-expect-error Type 'Date' is not assignable to type 'string'
    local.node("x", Charge, ({ local }) => ({ reservation: local.item }))
  })

  it("is there for every handle", () => {
    // @ts-expect-error Property 'reservation' is missing
    draft.node("x", Charge, () => ({}))
    // @ts-expect-error Property 'part' is missing
    draft.node("x", Scale, ({ input }) => ({ by: input.by }))
    // @ts-expect-error Source has 0 element(s)
    draft.node("x", Charge, () => ({ reservation: [] }))
  })

  it("leads to a handle that the node has", () => {
    // @ts-expect-error node \"charge\" has no handle \"other\"
    draft.node("x", Charge, ({ reserve }) => ({ reservation: reserve.any, other: reserve.any }))
  })

  it("comes from a port that the step has", () => {
    // @ts-expect-error Property 'nothing' does not exist
    draft.node("x", Charge, ({ reserve }) => ({ reservation: reserve.nothing }))
    // @ts-expect-error Property 'error' does not exist
    draft.node("x", Notify, ({ reserve }) => ({ problem: reserve.error }))
  })

  it("can't close a cycle, as no step sees a later one", () => {
    // @ts-expect-error Property 'x' does not exist
    draft.node("x", Charge, ({ x }) => ({ reservation: x.note }))
    // @ts-expect-error Property 'later' does not exist
    const early = draft.node("x", Charge, ({ later }) => ({ reservation: later.any }))
    early.node("later", Reserve, ({ reserve }) => ({ order: reserve.any }))
  })

  it("gives a shared handle at most one message", () => {
    draft.node("x", Scale, ({ input, split }) => ({ part: split.parts, by: input.by }))
    // @ts-expect-error the shared handle \"by\" takes a port with at most one message
    draft.node("x", Scale, ({ split }) => ({ part: split.parts, by: split.parts }))
    // @ts-expect-error is not assignable to type 'Port<number, number, boolean, boolean>'
    draft.node("x", Scale, ({ input }) => ({ part: input.by, by: [input.by, input.by] }))
  })
})

describe("a node id", () => {
  it("is taken once", () => {
    // @ts-expect-error Argument of type '"split"' is not assignable to parameter of type '"node id \"split\" is already taken"'
    draft.node("split", Split, ({ reserve }) => ({ item: reserve.any }))
  })

  it("is neither `input` nor `output`", () => {
    // @ts-expect-error node id \"input\" is reserved
    draft.node("input", Split, ({ reserve }) => ({ item: reserve.any }))
    // @ts-expect-error node id \"output\" is reserved
    draft.node("output", Split, ({ reserve }) => ({ item: reserve.any }))
  })

  it("is a literal", () => {
    // @ts-expect-error a node id must be a literal
    draft.node(String(1), Split, ({ reserve }) => ({ item: reserve.any }))
  })
})

describe("a port", () => {
  type ItemPort<Sure extends boolean, Many extends boolean> = Port<typeof Item.Type, typeof Item.Encoded, Sure, Many>
  type ReceiptPort<Sure extends boolean, Many extends boolean> = Port<
    typeof Receipt.Type,
    typeof Receipt.Encoded,
    Sure,
    Many
  >
  type NumberPort<Sure extends boolean, Many extends boolean> = Port<number, number, Sure, Many>

  it("of the input comes once", () => {
    draft.output((ports) => {
      expect(ports.input.order).type.toBe<ItemPort<true, false>>()
      return {}
    })
  })

  it("is not sure behind a route, an error or a merge of routes", () => {
    draft
      .node("approval", Approval, ({ reserve }) => ({ reservation: reserve.large }))
      .node("small", Charge, ({ reserve }) => ({ reservation: reserve.small }))
      .node("both", Charge, ({ reserve, approval }) => ({ reservation: [reserve.any, approval.approved] }))
      .node("sure", Charge, ({ reserve }) => ({ reservation: reserve.any }))
      .node("two", Charge, ({ reserve, input }) => ({ reservation: [reserve.any, input.order] }))
      .output((ports) => {
        expect(ports.reserve.any).type.toBe<ItemPort<true, false>>()
        expect(ports.reserve.small).type.toBe<ItemPort<false, false>>()
        expect(ports.approval.approved).type.toBe<ItemPort<false, false>>()
        expect(ports.small.receipt).type.toBe<ReceiptPort<false, false>>()
        expect(ports.both.receipt).type.toBe<ReceiptPort<false, true>>()
        expect(ports.sure.receipt).type.toBe<ReceiptPort<true, false>>()
        expect(ports.sure.error.sure).type.toBe<false>()
        expect(ports.two.receipt).type.toBe<ReceiptPort<true, true>>()
        return {}
      })
  })

  it("is many behind `many`, until an `all` or a single partner", () => {
    draft
      .node("scale", Scale, ({ split, input }) => ({ part: split.parts, by: input.by }))
      .node("sum", Sum, ({ scale }) => ({ parts: scale.part }))
      .node("merged", Sum, ({ scale, input }) => ({ parts: [scale.part, input.by] }))
      .node(
        "zip",
        Node.make("zip", { inputs: { a: Schema.Number, b: Schema.Number }, outputs: { c: Schema.Number } }),
        ({ split, input }) => ({ a: split.parts, b: input.by })
      )
      .output((ports) => {
        expect(ports.split.parts).type.toBe<NumberPort<false, true>>()
        expect(ports.scale.part).type.toBe<NumberPort<false, true>>()
        expect(ports.sum.total).type.toBe<NumberPort<true, false>>()
        expect(ports.merged.total).type.toBe<NumberPort<true, false>>()
        expect(ports.zip.c).type.toBe<NumberPort<false, false>>()
        return {}
      })
  })

  it("of a trigger is many if the trigger is repeated", () => {
    const Twice = Node.trigger("twice", { payload: Schema.Number, outputs: { tick: Schema.Number }, repeated: 2 })
    const Once = Node.trigger("once", {
      payload: Schema.Number,
      inputs: { part: Schema.Number },
      outputs: { tick: Schema.Number }
    })
    draft
      .node("ticks", Ticks, () => ({}))
      .node("twice", Twice, () => ({}))
      .node("once", Once, ({ split }) => ({ part: split.parts }))
      .output((ports) => {
        expect(ports.ticks.tick).type.toBe<NumberPort<true, true>>()
        expect(ports.twice.tick).type.toBe<NumberPort<true, true>>()
        expect(ports.once.tick).type.toBe<NumberPort<false, false>>()
        return {}
      })
  })

  it("of a resumable node is like that of any other", () => {
    draft
      .node("poll", Poll, ({ reserve }) => ({ item: reserve.any }))
      .output((ports) => {
        expect(ports.poll.answer).type.toBe<Port<string, string, true, false>>()
        return {}
      })
  })
})
