import * as FastCheck from "effect/FastCheck"
import type { Graph } from "../../../src/definition/Graph.js"
import type { Subject } from "../../../src/testing/Subject.js"
import { type Ending, shapesOf, type Trait, traitOf, type Whole, wholes } from "../graphs/cases.js"
import { Reference } from "../graphs/reference.js"
import { subjectOf } from "../graphs/subject.js"

/** What a random graph is to have, how its run is to end, and whether nodes do nothing but what its rule says. */
interface Kind {
  readonly merging: boolean
  readonly external: boolean
  readonly ending: Ending
  readonly plain?: boolean
}

/** With the place in the seed's row of draws: the dear ones, of 600 to 1,300 cases each, are left to `graphs.test.ts`, which draws from all. */
const kinds: ReadonlyArray<Kind & { readonly place: number }> = [
  { place: 0, merging: false, external: false, ending: "completes", plain: true },
  { place: 3, merging: true, external: true, ending: "completes" },
  { place: 4, merging: true, external: false, ending: "fails" }
]

/** Graphs drawn at a time, of which the one is taken that is worth most, and how often until one is as wanted. */
const draws = { together: 400, times: 20 }

/** Firings of a graph that end well: each is paid for in every case. */
const fewFirings = { least: 2, most: 3 }

const isOfKind = (graph: Graph, { external, merging }: Kind): boolean => {
  const merges = graph.nodes.some(({ inputs }) => inputs.some(({ from, mode }) => mode === "one" && from.length > 1))
  const waits = graph.nodes.some(({ kind, resumable }) => kind === "trigger" || resumable)
  return merges === merging && waits === external
}

const flags = ["total", "undo", "steps", "helper", "signal", "answers", "enters", "streams"] as const

/** How many different things the nodes of a graph do that do something, against what that costs in points. */
const worth = (whole: Whole, reference: Reference, plain: boolean): number => {
  if (plain) return 0
  const done = new Set<string>()
  let cost = 0
  for (const node of whole.graph.nodes) {
    const trait: Trait = traitOf(whole, node.id)
    const firings = reference.completed(node.id)
    if (node.kind === "trigger" || node.resumable) cost += reference.eventsOf(node)
    // One that fails for good does so after every attempt that it has.
    if (firings === 0) cost += reference.meaning.firings.get(node.id)!.some(({ status }) => status === "failed") ? 4 : 0
    if (firings === 0) continue
    done.add(node.kind).add(`trouble ${trait.trouble}`)
    for (const shape of shapesOf(node)) done.add(shape)
    const does = flags.filter((flag) => trait[flag] && node.child === undefined)
    for (const flag of does) done.add(flag)
    cost += firings * (1 + does.length / 2)
  }
  return done.size - cost / 2
}

/** The graph of a kind that is worth most. */
const drawn = (seed: number, kind: Kind): Whole => {
  const { ending, external, merging, plain = false } = kind
  const wanted = {
    ...{ maxNodes: plain && !external ? 5 : 4, manyPorts: external ? 1 : 2, endings: [ending], plain },
    ...{ merging, triggers: external, resumable: external }
  }
  for (let time = 0; time < draws.times; time++) {
    const [best] = FastCheck.sample(wholes(wanted), { numRuns: draws.together, seed: seed + time * 100_003 })
      .filter(({ graph }) => isOfKind(graph, kind))
      .map((whole) => ({ whole, reference: new Reference(whole) }))
      .filter(({ reference }) => isRight(reference, ending, plain))
      .map(({ reference, whole }) => ({ whole, score: worth(whole, reference, plain) }))
      .sort((a, b) => b.score - a.score)
    // What a second worker shows, and a run that leaves memory after each firing, other subjects do.
    if (best !== undefined) return { ...best.whole, workers: 1, evicts: false }
  }
  throw new Error(`none of ${draws.together * draws.times} graphs is as wanted`)
}

/** Whether it is known what such a run comes to, and it does enough and not too much. */
const isRight = ({ completions, meaning, undoable, wild }: Reference, ending: Ending, plain: boolean): boolean => {
  if ((meaning.status === "failed") !== (ending === "fails") || completions < fewFirings.least) return false
  if (completions > fewFirings.most) return false
  return plain || (wild === 0 && (ending !== "fails" || undoable > 1))
}

/** The random workflows of a seed. */
export const randoms = (seed: number): ReadonlyArray<Subject> =>
  kinds.map((kind) => subjectOf(drawn(seed * 100 + kind.place, kind), `random${kind.place}`))
