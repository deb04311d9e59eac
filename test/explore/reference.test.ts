import * as FastCheck from "effect/FastCheck"
import { describe, expect, it } from "vitest"
import type { LedgerEntry } from "../../src/testing/Ledger.js"
import { runId } from "./corpus/kit.js"
import { shapesOf, traitOf, wholes } from "./graphs/cases.js"
import { Reference, workEffect, workerOf } from "./graphs/reference.js"

const sampled = (numRuns: number) =>
  FastCheck.sample(wholes({ endings: ["completes"] }), { numRuns, seed: 1 })
    .map((whole) => ({ whole, reference: new Reference(whole) }))
    .filter(({ reference }) => reference.ends.length === 1 && reference.meaning.output !== undefined)

type Sampled = ReturnType<typeof sampled>[number]

/** What the world outside has seen when everything was done once. */
const everything = ({ reference, whole }: Sampled): ReadonlyArray<LedgerEntry> =>
  whole.graph.nodes.flatMap(({ child, id }) =>
    Array.from({ length: reference.isWild(id) ? 0 : reference.completed(id) }, (_, index) => ({
      ...{ key: `${id}/${index}`, effect: workEffect, runId, nodeId: child === undefined ? id : workerOf(id) },
      ...{ firing: index + 1, attempt: 1, requests: 1 }
    }))
  )

const run = (status: string, output: unknown) => ({ runId, status, output: JSON.stringify(output), failure: null })

describe("what a random graph must come to", () => {
  const all = sampled(150)

  it("is what it means, with each effect once, and nothing else", () => {
    const complaints = { status: 0, effects: 0, output: 0 }
    for (const one of all) {
      const { reference } = one
      const entries = everything(one)
      const output = reference.meaning.output as Readonly<Record<string, unknown>>
      expect(reference.judge(run("completed", output), entries)).toBeUndefined()
      if (reference.judge(run("failed", null), entries)?.startsWith("the run is failed")) complaints.status++
      if (entries.length > 0 && reference.judge(run("completed", output), entries.slice(1)) !== undefined)
        complaints.effects++
      if (entries.length > 0 && reference.judge(run("completed", output), [...entries, entries[0]!]) !== undefined)
        complaints.effects++
      const other = Object.fromEntries(Object.keys(output).map((name) => [name, "something else"]))
      if (reference.judge(run("completed", other), entries)?.startsWith("the output")) complaints.output++
    }
    const withEffects = all.filter((one) => everything(one).length > 0).length
    expect(complaints).toMatchObject({ status: all.length, effects: 2 * withEffects })
    // Of some graphs nothing that comes out is known.
    expect(complaints.output).toBeGreaterThan(0.8 * all.length)
    expect(all.length).toBeGreaterThan(100)
  })

  it("comes of nodes that do everything there is, mostly of some of which everything is known", () => {
    const done = new Set<string>()
    for (const { reference, whole } of all) {
      for (const node of whole.graph.nodes) {
        if (reference.completed(node.id) === 0) continue
        const trait = traitOf(whole, node.id)
        done.add(node.kind).add(trait.trouble).add(trait.pauses)
        if (node.resumable) done.add("resumable")
        for (const shape of shapesOf(node)) done.add(shape)
        for (const [what, does] of Object.entries(trait)) if (does === true) done.add(what)
      }
    }
    expect([...done].sort()).toEqual(
      [
        ...["task", "trigger", "resumable", "child", "unordered", "latest", "stream"],
        ...["error", "defect", "silence", "slowness", "spaced", "exponential", "typed"],
        ...["givesUp", "total", "undo", "steps", "helper", "signal", "answers", "enters", "streams", "shown"]
      ].sort()
    )
    const nodes = all.flatMap(({ reference, whole }) => whole.graph.nodes.map(({ id }) => reference.isWild(id)))
    expect(nodes.filter((wild) => wild).length).toBeLessThan(nodes.length / 4)
  })
})
