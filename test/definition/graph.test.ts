import { createHash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { difference } from "../../src/definition/Difference.js"
import type { Graph, GraphInput, GraphNode } from "../../src/definition/Graph.js"
import { graphHash } from "../../src/definition/GraphHash.js"
import { GraphText } from "../../src/definition/GraphJson.js"
import { mermaid } from "../../src/definition/Mermaid.js"
import * as Node from "../../src/definition/Node.js"
import { plainSha256, sha256 } from "../../src/definition/Sha256.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Batch, Order } from "./fixtures.js"

const change = (graph: Graph, id: string, to: Partial<GraphNode>): Graph => ({
  ...graph,
  nodes: graph.nodes.map((node) => (node.id === id ? { ...node, ...to } : node))
})

const wire = (node: string, port: string): GraphInput => ({ name: "reservation", mode: "one", from: [{ node, port }] })

const name = FastCheck.constantFrom("a", "b")
const ref = FastCheck.record({ node: name, port: name })
const from = FastCheck.array(ref, { minLength: 1, maxLength: 2 })
const names = <A extends { readonly name: string }>(item: FastCheck.Arbitrary<A>) =>
  FastCheck.uniqueArray(item, { selector: (value) => value.name, maxLength: 2 })
const node = FastCheck.record<GraphNode>({
  id: name,
  node: name,
  kind: FastCheck.constantFrom("task", "trigger"),
  repeated: FastCheck.constantFrom(1, null),
  resumable: FastCheck.boolean(),
  inputs: names(FastCheck.record({ name, mode: FastCheck.constantFrom("one", "all"), from })),
  outputs: names(FastCheck.record({ name, mode: FastCheck.constantFrom("one", "many") })),
  hasError: FastCheck.boolean(),
  concurrency: FastCheck.constantFrom(null, 2)
})
const graph = FastCheck.record<Graph>({
  name,
  version: FastCheck.integer({ min: 1, max: 2 }),
  input: FastCheck.uniqueArray(name, { maxLength: 2 }),
  nodes: FastCheck.uniqueArray(node, { selector: ({ id }) => id, maxLength: 2 }),
  outputs: names(FastCheck.record({ name, mode: FastCheck.constantFrom("value", "option"), from }))
})

type Source = "same" | "turned" | "other"

/** What a mixture takes: from the first graph, turned or not, or from the second. */
const source = FastCheck.constantFrom<Source>("same", "turned", "other")

const pick = <A>(how: Source, a: ReadonlyArray<A>, b: ReadonlyArray<A>): ReadonlyArray<A> => {
  if (how === "other") return b
  return how === "same" ? a : [...a].reverse()
}

const property = FastCheck.constantFrom<keyof GraphNode>(
  "node",
  "kind",
  "repeated",
  "resumable",
  "inputs",
  "outputs",
  "hasError",
  "concurrency"
)

/** A graph and a mixture of it with another one: they differ in few places or in none, so that equals come up too. */
const graphs = FastCheck.tuple(graph, graph, FastCheck.boolean(), source, source, source, property).map(
  ([a, b, named, input, nodes, outputs, mixed]): readonly [Graph, Graph] => [
    a,
    {
      name: named ? a.name : b.name,
      version: named ? a.version : b.version,
      input: pick(input, a.input, b.input),
      nodes: pick(nodes, a.nodes, b.nodes).map((node, index) => ({
        ...node,
        [mixed]: (b.nodes[index] ?? node)[mixed]
      })),
      outputs: pick(outputs, a.outputs, b.outputs)
    }
  ]
)

describe("sha256", () => {
  it.each([
    ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    [
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ],
    ["a".repeat(1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"]
  ])("is that of the standard", (text, hash) => {
    expect(sha256(text)).toBe(hash)
    expect(plainSha256(text)).toBe(hash)
  })

  it.prop(
    "is that of Node for any text of any length",
    [FastCheck.string({ unit: "binary", maxLength: 300 })],
    ([text]) => [plainSha256, sha256].every((hash) => hash(text) === createHash("sha256").update(text).digest("hex"))
  )
})

describe("the structural hash", () => {
  it("stays what databases know it to be", () => {
    expect(Order.hash).toBe("fdb85aef85f198f208439bbe46bae70253430728535f1d6c72d6ea29af5ce568")
    expect(Batch.hash).toBe("97ee4a49a59a5ed63fafd37fade36c08ff3fbdbfe5cf0f895464474ea0761a30")
  })

  it("counts which workflow a node is, and in which version", () => {
    const of = (version: number) => {
      const inner = Workflow.make("inner", { version, input: { n: Schema.Number } }).output(({ input }) => ({
        n: input.n
      }))
      return Workflow.make("outer", { version: 1, input: { n: Schema.Number } })
        .node("called", Node.child("inner", inner), ({ input }) => ({ n: input.n }))
        .output(({ called }) => ({ n: called.n }))
    }
    const [first, second] = [of(1).graph, of(2).graph]
    expect(first.nodes[0]).toEqual({
      id: "called",
      node: "inner",
      kind: "task",
      repeated: 1,
      resumable: false,
      inputs: [{ name: "n", mode: "one", from: [{ node: "input", port: "n" }] }],
      outputs: [{ name: "n", mode: "one" }],
      hasError: true,
      concurrency: null,
      child: { workflow: "inner", version: 1 }
    })
    expect(Schema.decodeSync(GraphText)(Schema.encodeSync(GraphText)(first))).toEqual(first)
    expect(graphHash(second)).not.toBe(graphHash(first))
    expect(difference(first, second)).toEqual([
      'node "called": its handler is workflow inner version 2, not workflow inner version 1'
    ])
    expect(mermaid(first)).toContain('n0[["called: inner 1"]]')
  })

  it("does not count concurrency, nor the order of handles, ports and outputs", () => {
    expect(graphHash(change(Order.graph, "charge", { concurrency: 3 }))).toBe(Order.hash)
    const turned: Graph = {
      ...Order.graph,
      nodes: Order.graph.nodes.map((node) => ({
        ...node,
        inputs: [...node.inputs].reverse(),
        outputs: [...node.outputs].reverse()
      })),
      outputs: [...Order.graph.outputs].reverse()
    }
    expect(graphHash(turned)).toBe(Order.hash)
    expect(difference(Order.graph, turned)).toEqual([])
  })

  it("survives the stored form", () => {
    const text = Schema.encodeSync(GraphText)(Order.graph)
    expect(graphHash(Schema.decodeSync(GraphText)(text))).toBe(Order.hash)
  })
})

describe("the difference of two graphs", () => {
  const charge = Order.graph.nodes.find(({ id }) => id === "charge")
  if (charge === undefined) throw new Error("the fixture has a node charge")

  it("is nothing between equals", () => {
    expect(difference(Order.graph, structuredClone(Order.graph))).toEqual([])
  })

  it("says what happened to nodes", () => {
    const without: Graph = { ...Order.graph, nodes: Order.graph.nodes.filter(({ id }) => id !== "charge") }
    expect(difference(Order.graph, without)).toEqual(['node "charge" is gone'])
    expect(difference(without, Order.graph)).toEqual(['node "charge" is new'])
    const swapped: Graph = { ...Order.graph, nodes: [...Order.graph.nodes].reverse() }
    expect(difference(Order.graph, swapped)).toEqual([
      "the nodes stand in the order notify, charge, approval, reserve, not reserve, approval, charge, notify"
    ])
  })

  it("says what happened within a node", () => {
    const changed = change(Order.graph, "charge", {
      node: "pay",
      kind: "trigger",
      repeated: null,
      resumable: true,
      hasError: false,
      inputs: [{ ...wire("approval", "approved"), mode: "all" }],
      outputs: [
        { name: "receipt", mode: "many" },
        { name: "bill", mode: "one" }
      ]
    })
    expect(difference(Order.graph, changed)).toEqual([
      'node "charge": its definition is pay, not charge',
      'node "charge": its kind is trigger, not task',
      'node "charge": the number of its inputs from outside is any, not 1',
      'node "charge" can suspend itself',
      'node "charge" has no typed error any more',
      'node "charge": handle "reservation": its mode is all, not one',
      'node "charge": handle "reservation" comes from approval.approved, not from reserve.small, approval.approved',
      'node "charge": port "note" is gone',
      'node "charge": port "receipt": its mode is many, not one',
      'node "charge": port "bill" is new'
    ])
  })

  it("says what happened to name, version, input and outputs", () => {
    const changed: Graph = {
      ...Order.graph,
      name: "orders",
      version: 2,
      input: ["request"],
      outputs: [{ name: "rejected", mode: "option", from: [{ node: "reserve", port: "large" }] }]
    }
    expect(difference(Order.graph, changed)).toEqual([
      "the name is orders, not order",
      "the version is 2, not 1",
      'input "order" is gone',
      'input "request" is new',
      'output "receipt" is gone',
      'output "rejected" comes from reserve.large, not from approval.rejected'
    ])
  })

  it.prop(
    "is nothing exactly if the hashes are the same",
    [graphs],
    ([[a, b]]) => (difference(a, b).length === 0) === (graphHash(a) === graphHash(b)),
    { fastCheck: { numRuns: 2_000 } }
  )
})

describe("the picture", () => {
  it("is a Mermaid flowchart", () => {
    expect(mermaid(Order.graph)).toBe(`flowchart LR
  input([input])
  n0["reserve"]
  n1{{"approval"}}
  n2["charge"]
  n3["notify"]
  output([output])
  input -->|"order"| n0
  n0 -->|"large → reservation"| n1
  n0 -->|"small → reservation"| n2
  n1 -->|"approved → reservation"| n2
  n2 -.->|"error → problem"| n3
  n2 -->|"receipt"| output
  n3 -->|"receipt"| output
  n1 -->|"rejected"| output`)
  })

  it("says how a handle takes its messages, and of which node a step is", () => {
    expect(mermaid(Batch.graph)).toContain(`  input -->|"by → by (shared)"| n1`)
    expect(mermaid(Batch.graph)).toContain(`  n1 -->|"part → parts (all)"| n2`)
    expect(mermaid(change(Batch.graph, "sum", { node: "total" }))).toContain(`n2["sum: total"]`)
  })
})
