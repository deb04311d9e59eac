import { it } from "@effect/vitest"
import { describe, expect } from "vitest"
import { doubtfulResults } from "../../src/definition/Arrival.js"
import type { Graph, PortRef } from "../../src/definition/Graph.js"
import { graphs } from "./graphs.js"

/** Ports that a step is wired to and that no step before it has. */
const unknownPorts = (graph: Graph): ReadonlyArray<PortRef> => {
  const known = new Set(graph.input.map((port) => `input.${port}`))
  const unknown: Array<PortRef> = []
  const check = (from: ReadonlyArray<PortRef>) =>
    unknown.push(...from.filter(({ node, port }) => !known.has(`${node}.${port}`)))
  for (const { hasError, id, inputs, outputs } of graph.nodes) {
    for (const { from } of inputs) check(from)
    for (const { name } of outputs) known.add(`${id}.${name}`)
    if (hasError) known.add(`${id}.error`)
  }
  for (const { from } of graph.outputs) check(from)
  return unknown
}

describe("random graphs", () => {
  it.prop("are ones that a workflow definition could have", { graph: graphs() }, ({ graph }) => {
    expect(unknownPorts(graph)).toEqual([])
    expect(doubtfulResults(graph)).toEqual([])
    for (const { inputs } of graph.nodes) {
      for (const { from, mode } of inputs) {
        expect(new Set(from.map(({ node, port }) => `${node}.${port}`)).size).toBe(from.length)
        if (mode === "shared") expect(from).toHaveLength(1)
      }
    }
  })
})
