import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import * as Input from "../../src/definition/Input.js"
import { InvalidWorkflow } from "../../src/definition/InvalidWorkflow.js"
import * as Node from "../../src/definition/Node.js"
import type { AnyPort } from "../../src/definition/Port.js"
import * as Workflow from "../../src/definition/Workflow.js"
import {
  Approval,
  Batch,
  Charge,
  Item,
  Notify,
  Order,
  Poll,
  Receipt,
  Reserve,
  Scale,
  Split,
  Sum,
  Ticks
} from "./fixtures.js"

type Ports = Record<string, Record<string, AnyPort>> & { readonly input: Record<string, AnyPort> }

/** The chain as code without types sees it. */
interface Untyped {
  readonly node: (id: string, node: unknown, wire: (ports: Ports) => unknown) => Untyped
  readonly output: (read: (ports: Ports) => unknown) => Workflow.WorkflowDefinition
}

const untyped = (
  options: { readonly version?: number; readonly name?: string; readonly input?: object } = {}
): Untyped =>
  Workflow.make(options.name ?? "order", {
    version: options.version ?? 1,
    input: { order: Item, by: Schema.Number, ...options.input }
  }) as unknown as Untyped

const issuesOf = (build: () => unknown): ReadonlyArray<string> => {
  try {
    build()
  } catch (error) {
    if (error instanceof InvalidWorkflow) return error.issues
    throw error
  }
  return []
}

describe("a workflow is data", () => {
  it("with its nodes, wires and results", () => {
    expect(Order.graph).toEqual({
      name: "order",
      version: 1,
      input: ["order"],
      nodes: [
        {
          id: "reserve",
          node: "reserve",
          kind: "task",
          repeated: 1,
          resumable: false,
          inputs: [{ name: "order", mode: "one", from: [{ node: "input", port: "order" }] }],
          outputs: [
            { name: "small", mode: "optional" },
            { name: "large", mode: "optional" },
            { name: "any", mode: "one" }
          ],
          hasError: false,
          concurrency: null
        },
        {
          id: "approval",
          node: "approval",
          kind: "trigger",
          repeated: 1,
          resumable: false,
          inputs: [{ name: "reservation", mode: "one", from: [{ node: "reserve", port: "large" }] }],
          outputs: [
            { name: "approved", mode: "optional" },
            { name: "rejected", mode: "optional" }
          ],
          hasError: false,
          concurrency: null
        },
        {
          id: "charge",
          node: "charge",
          kind: "task",
          repeated: 1,
          resumable: false,
          inputs: [
            {
              name: "reservation",
              mode: "one",
              from: [
                { node: "reserve", port: "small" },
                { node: "approval", port: "approved" }
              ]
            }
          ],
          outputs: [
            { name: "receipt", mode: "one" },
            { name: "note", mode: "optional" }
          ],
          hasError: true,
          concurrency: null
        },
        {
          id: "notify",
          node: "notify",
          kind: "task",
          repeated: 1,
          resumable: false,
          inputs: [{ name: "problem", mode: "one", from: [{ node: "charge", port: "error" }] }],
          outputs: [{ name: "receipt", mode: "one" }],
          hasError: false,
          concurrency: null
        }
      ],
      outputs: [
        {
          name: "receipt",
          mode: "first",
          from: [
            { node: "charge", port: "receipt" },
            { node: "notify", port: "receipt" }
          ]
        },
        { name: "rejected", mode: "option", from: [{ node: "approval", port: "rejected" }] }
      ]
    })
  })

  it("with the schemas that the runtime needs", () => {
    expect([...Order.nodes.keys()]).toEqual(["reserve", "approval", "charge", "notify"])
    expect(Order.nodes.get("charge")).toBe(Charge)
    expect(Order.input).toEqual({ order: Item })
    const order = { id: "o-1", at: "2026-01-02T03:04:05.000Z" }
    expect(Schema.decodeUnknownSync(Order.inputSchema)({ order })).toEqual({
      order: { id: "o-1", at: new Date(order.at) }
    })
    expect(Object.keys(Order.outputs)).toEqual(["receipt", "rejected"])
    expect(Order.outputs["receipt"]).toEqual({ mode: "first", schema: Receipt })
    expect(Batch.outputs["parts"]).toEqual({ mode: "array", schema: Schema.Number })
    expect(Batch.outputs["total"]?.mode).toBe("value")
  })

  it("whose results of several producers are read by whichever schema fits", () => {
    const Other = Node.make("other", { inputs: { order: Item }, outputs: { text: Schema.String } })
    const { outputs } = Workflow.make("order", { version: 1, input: { order: Item } })
      .node("charge", Charge, ({ input }) => ({ reservation: input.order }))
      .node("other", Other, ({ input }) => ({ order: input.order }))
      .output(({ charge, other }) => ({ either: Workflow.firstOf(charge.receipt, other.text) }))
    const read = Schema.decodeUnknownSync(outputs["either"]?.schema ?? Schema.Number)
    expect(read("text")).toBe("text")
    expect(read({ status: "shipped", amount: 1 })).toEqual({ status: "shipped", amount: 1 })
  })

  it("that may lack input, handles and outputs", () => {
    const Clock = Node.make("clock", {})
    const { graph } = Workflow.make("tick", { version: 1 })
      .node("clock", Clock, () => ({}))
      .output(() => ({}))
    expect(graph.input).toEqual([])
    expect(graph.nodes[0]).toMatchObject({ inputs: [], outputs: [], hasError: false })
    expect(graph.outputs).toEqual([])
  })

  it("that can be continued in two ways from one draft", () => {
    const draft = Workflow.make("order", { version: 1, input: { order: Item } }).node(
      "reserve",
      Reserve,
      ({ input }) => ({
        order: input.order
      })
    )
    const short = draft.output(({ reserve }) => ({ any: reserve.any }))
    const long = draft
      .node("charge", Charge, ({ reserve }) => ({ reservation: reserve.any }))
      .output(({ charge }) => ({ receipt: charge.receipt }))
    expect(short.graph.nodes).toHaveLength(1)
    expect(long.graph.nodes).toHaveLength(2)
  })

  it("whose shorter draft knows nothing of what a longer one has grown", () => {
    const start = untyped().node("reserve", Reserve, ({ input }) => ({ order: input["order"] }))
    const other: Array<ReadonlyArray<string>> = []
    const longer = start.node("late", Reserve, ({ reserve }) => ({ order: reserve!["any"] }))
    start.node("again", Reserve, (ports) => {
      other.push(Object.keys(ports))
      return { order: ports.input["order"] }
    })
    expect(other).toEqual([["input", "reserve"]])
    expect(issuesOf(() => start.output((ports) => ({ total: ports["late"]!["any"] })))).toEqual([
      expect.stringContaining("output: its wiring threw")
    ])
    expect(issuesOf(() => longer.node("late", Reserve, () => ({})).output(() => ({})))).toContain(
      'node id "late" is already taken'
    )
  })
})

describe("a port says the same by value as by type", () => {
  it("whether it surely comes and whether several can come", () => {
    const Twice = Node.trigger("twice", { payload: Schema.Number, outputs: { tick: Schema.Number }, repeated: 2 })
    const Zip = Node.make("zip", { inputs: { a: Schema.Number, b: Schema.Number }, outputs: { c: Schema.Number } })
    const Late = Node.trigger("late", {
      payload: Item,
      inputs: { part: Schema.Number },
      outputs: { tick: Schema.Number }
    })
    Workflow.make("order", { version: 1, input: { order: Item, by: Schema.Number } })
      .node("reserve", Reserve, ({ input }) => ({ order: input.order }))
      .node("approval", Approval, ({ reserve }) => ({ reservation: reserve.large }))
      .node("small", Charge, ({ reserve }) => ({ reservation: reserve.small }))
      .node("both", Charge, ({ reserve, approval }) => ({ reservation: [reserve.any, approval.approved] }))
      .node("list", Charge, ({ reserve }) => ({ reservation: [reserve.any] }))
      .node("split", Split, ({ reserve }) => ({ item: reserve.any }))
      .node("scale", Scale, ({ split, input }) => ({ part: split.parts, by: input.by }))
      .node("sum", Sum, ({ scale }) => ({ parts: scale.part }))
      .node("zip", Zip, ({ split, input }) => ({ a: split.parts, b: input.by }))
      .node("ticks", Ticks, () => ({}))
      .node("twice", Twice, () => ({}))
      .node("late", Late, ({ split }) => ({ part: split.parts }))
      .node("poll", Poll, ({ reserve }) => ({ item: reserve.any }))
      .output((ports) => {
        const said = ({ sure, many }: AnyPort) => `${sure ? "sure" : "unsure"} ${many ? "many" : "once"}`
        expect(said(ports.input.order)).toBe("sure once")
        expect(said(ports.reserve.any)).toBe("sure once")
        expect(said(ports.reserve.small)).toBe("unsure once")
        expect(said(ports.approval.approved)).toBe("unsure once")
        expect(said(ports.small.receipt)).toBe("unsure once")
        expect(said(ports.small.error)).toBe("unsure once")
        expect(said(ports.both.receipt)).toBe("unsure many")
        expect(said(ports.list.receipt)).toBe("sure many")
        expect(said(ports.split.parts)).toBe("unsure many")
        expect(said(ports.scale.part)).toBe("unsure many")
        expect(said(ports.sum.total)).toBe("sure once")
        expect(said(ports.zip.c)).toBe("unsure once")
        expect(said(ports.ticks.tick)).toBe("sure many")
        expect(said(ports.twice.tick)).toBe("sure many")
        expect(said(ports.late.tick)).toBe("unsure once")
        expect(said(ports.poll.answer)).toBe("sure once")
        return {}
      })
  })
})

describe("a wrong workflow is refused", () => {
  it("with everything that is wrong at once", () => {
    const Odd = Node.make("odd node", {
      inputs: { $a: Schema.Number, b: Input.shared(Schema.Number), c: Schema.Number },
      outputs: { "": Schema.Number },
      retry: { times: -1, schedule: undefined as never },
      timeout: 0,
      concurrency: 1.5
    })
    const Many = Node.trigger("many", { payload: Item, outputs: { v: Schema.Number }, repeated: 0 as number })
    const issues = issuesOf(() =>
      untyped({ version: 0, name: "1st", input: { "bad port": Item } })
        .node("many", Many, () => ({}))
        .node("many", Many, () => ({}))
        .node("input", Many, () => ({}))
        .node("odd", Odd, ({ many, input }) => ({ $a: [], b: [input["by"], many?.["v"]], d: input["by"] }))
        .node("thrown", Many, ({ nobody }) => ({ v: nobody?.["v"]?.ref.node.length.toFixed(-1) }))
        .node("broken", Many, () => {
          throw new Error("no wiring today")
        })
        .output(({ input }) => ({ "a b": input["by"], none: Workflow.firstOf(...([] as never as [AnyPort])), two: 2 }))
    )
    const name = "is no name; a name is a letter or _ and then up to 99 letters, digits, _ or -"
    expect(issues).toEqual([
      `workflow name: "1st" ${name}`,
      "version must be a whole number from 1 to 2147483647, not 0",
      `input port: "bad port" ${name}`,
      'node id "many" is already taken',
      'node id "input" is reserved',
      'node "odd" has no handle "d"',
      'node "odd", handle "$a": needs at least one producer',
      'node "odd", handle "b": a shared handle takes one port with at most one message',
      'node "odd", handle "c": nothing is wired to it',
      'node "thrown" has no handle "v"',
      'node "broken": its wiring threw no wiring today',
      'node "many": repeated must be a whole number from 1 to 2147483647, not 0',
      `node name: "odd node" ${name}`,
      `node "odd node", handle: "$a" ${name}`,
      `node "odd node", port: "" ${name}`,
      'node "odd node": concurrency must be a whole number from 1 to 2147483647, not 1.5',
      'node "odd node": retry.times must be a whole number from 1 to 2147483647, not -1',
      'node "odd node": timeout must be longer than nothing',
      `output: "a b" ${name}`,
      'output "none": needs at least one producer',
      'output "two": not a port of an earlier step'
    ])
  })

  it("with a message that lists it", () => {
    const build = () =>
      untyped({ version: 0, name: "order" })
        .node("input", Sum, () => ({}))
        .output(() => ({}))
    expect(build).toThrow(InvalidWorkflow)
    expect(build).toThrow(
      'workflow order is invalid:\n- version must be a whole number from 1 to 2147483647, not 0\n- node id "input" is reserved\n- node "input", handle "parts": nothing is wired to it'
    )
  })

  it.each(["__proto__", "a.b", "é", "a".repeat(101), "-a"])("for a node id such as %s", (id) => {
    expect(
      issuesOf(() =>
        untyped()
          .node(id, Ticks, () => ({}))
          .output(() => ({}))
      )
    ).toHaveLength(1)
  })

  it("for a port that was taken from elsewhere, and for the same port twice in a merge", () => {
    const taken: Array<AnyPort> = []
    Workflow.make("other", { version: 1, input: { order: Item } }).output(({ input }) => {
      taken.push(input.order)
      return {}
    })
    const build = () =>
      untyped()
        .node("charge", Charge, () => ({ reservation: taken[0] }))
        .node("twice", Charge, ({ input }) => ({ reservation: [input["order"], input["order"]] }))
        .output(() => ({}))
    expect(issuesOf(build)).toEqual([
      'node "charge", handle "reservation": not a port of an earlier step',
      'node "twice", handle "reservation": input.order is wired twice'
    ])
  })

  it("for a port named error, and for two nodes of one name", () => {
    const Loud = Node.make("charge", { outputs: { error: Schema.Number } } as object)
    const build = () =>
      untyped()
        .node("charge", Charge, ({ input }) => ({ reservation: input["order"] }))
        .node("loud", Loud, () => ({}))
        .output(() => ({}))
    expect(issuesOf(build)).toEqual([
      'node "charge": the port "error" is reserved for the typed error',
      'two different nodes are named "charge"'
    ])
  })

  it("for a shared handle or a `maybe` fed with several messages", () => {
    const build = () =>
      untyped()
        .node("ticks", Ticks, () => ({}))
        .node("scale", Scale, ({ input, ticks }) => ({ part: input["by"], by: ticks?.["tick"] }))
        .output(({ ticks }) => ({ tick: Workflow.maybe(ticks?.["tick"] as never) }))
    expect(issuesOf(build)).toEqual([
      'node "scale", handle "by": a shared handle takes one port with at most one message',
      'output "tick": Workflow.maybe reads a port with at most one message'
    ])
  })
})

describe("a value that may not come is refused", () => {
  const draft = Workflow.make("order", { version: 1, input: { order: Item } })
    .node("charge", Charge, ({ input }) => ({ reservation: input.order }))
    .node("notify", Notify, ({ charge }) => ({ problem: charge.error }))
  const Ship = Node.make("ship", { inputs: { receipt: Receipt }, outputs: { label: Schema.String } })
  const Count = Node.make("count", { inputs: { labels: Input.all(Schema.String) }, outputs: { total: Schema.Number } })

  it("behind a node whose error is wired, however far", () => {
    const build = () =>
      draft
        .node("ship", Ship, ({ charge }) => ({ receipt: charge.receipt }))
        .output(({ charge, ship }) => ({ receipt: charge.receipt, label: ship.label }))
    expect(issuesOf(build)).toEqual([
      'output "receipt": charge.receipt may not come, as the error of node "charge" is wired; use Workflow.maybe or Workflow.firstOf',
      'output "label": ship.label may not come, as the error of node "charge" is wired; use Workflow.maybe or Workflow.firstOf'
    ])
  })

  it("behind a node whose error is an output", () => {
    const build = () =>
      Workflow.make("order", { version: 1, input: { order: Item } })
        .node("charge", Charge, ({ input }) => ({ reservation: input.order }))
        .output(({ charge }) => ({ receipt: charge.receipt, problem: charge.error }))
    expect(issuesOf(build)).toHaveLength(1)
  })

  it("unless it is read by maybe or firstOf", () => {
    const { graph } = draft.output(({ charge, notify }) => ({
      one: Workflow.maybe(charge.receipt),
      any: Workflow.firstOf(charge.receipt, notify.receipt)
    }))
    expect(graph.outputs.map(({ mode }) => mode)).toEqual(["option", "first"])
  })

  it("behind an `all` whose producers may all be skipped, but not if one surely runs", () => {
    const shipped = draft.node("ship", Ship, ({ charge }) => ({ receipt: charge.receipt }))
    expect(
      issuesOf(() =>
        shipped
          .node("count", Count, ({ ship }) => ({ labels: ship.label }))
          .output(({ count }) => ({ total: count.total }))
      )
    ).toEqual([
      'output "total": count.total may not come, as all producers of handle "labels" of node "count" may be skipped; use Workflow.maybe or Workflow.firstOf'
    ])
    expect(
      issuesOf(() =>
        shipped
          .node("count", Count, ({ ship, charge }) => ({ labels: [ship.label, charge.note] }))
          .output(({ count }) => ({ total: count.total }))
      )
    ).toEqual([])
    // Unless `all` gathers what a fan-out of any size gave.
    expect(Batch.graph.outputs.find(({ name }) => name === "total")?.mode).toBe("value")
  })
})
