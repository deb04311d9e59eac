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

const kinds: ReadonlyArray<Kind> = [
  { merging: false, external: false, ending: "completes", plain: true },
  { merging: false, external: false, ending: "fails", plain: true },
  { merging: false, external: true, ending: "completes", plain: true },
  { merging: true, external: true, ending: "fails", plain: true },
  { merging: false, external: false, ending: "completes" },
  { merging: true, external: true, ending: "completes" },
  { merging: true, external: false, ending: "fails" },
  { merging: false, external: false, ending: "retried" },
  { merging: false, external: false, ending: "cancelled" },
  { merging: true, external: true, ending: "overdue" }
]

/** Graphs that are drawn, of which the one is taken in which most is done. */
const draws = 400

/** Firings of a graph that end well: each is paid for in every case. */
const fewFirings = { least: 2, most: 3 }

const isOfKind = (graph: Graph, { external, merging }: Kind): boolean => {
  const merges = graph.nodes.some(({ inputs }) => inputs.some(({ from, mode }) => mode === "one" && from.length > 1))
  const waits = graph.nodes.some(({ kind, resumable }) => kind === "trigger" || resumable)
  return merges === merging && waits === external
}

const flags = ["total", "undo", "steps", "helper", "signal", "answers", "enters", "streams"] as const

/** How many different things the nodes of a graph do that do something. */
const richness = (whole: Whole, { completed }: { readonly completed: (nodeId: string) => number }): number => {
  const done = new Set<string>()
  for (const node of whole.graph.nodes) {
    const trait: Trait = traitOf(whole, node.id)
    if (completed(node.id) === 0) continue
    done.add(node.kind).add(`trouble ${trait.trouble}`)
    for (const shape of shapesOf(node)) done.add(shape)
    for (const flag of flags) if (trait[flag] && node.child === undefined) done.add(flag)
  }
  return done.size
}

/** The graph of a kind in which most is done. */
const drawn = (seed: number, kind: Kind): Whole => {
  const { ending, external, merging, plain = false } = kind
  const wanted = {
    ...{ maxNodes: plain && !external ? 5 : 4, manyPorts: external ? 1 : 2, endings: [ending], plain },
    ...{ merging, triggers: external, resumable: external }
  }
  const best = FastCheck.sample(wholes(wanted), { numRuns: draws, seed })
    .filter(({ graph }) => isOfKind(graph, kind))
    .map((whole) => ({ whole, reference: new Reference(whole) }))
    .filter(({ reference }) => isRight(reference, ending, plain))
    .map(({ reference, whole }) => ({ whole, score: richness(whole, reference) }))
    .sort((a, b) => b.score - a.score)
  if (best[0] === undefined) throw new Error(`none of ${draws} graphs is as wanted`)
  // What a second worker shows, other subjects do.
  return { ...best[0].whole, workers: 1 }
}

/** Whether it is known what such a run comes to, and it does enough and not too much. */
const isRight = ({ completions, meaning, undoable, wild }: Reference, ending: Ending, plain: boolean): boolean => {
  if ((meaning.status === "failed") !== (ending === "fails") || completions < fewFirings.least) return false
  if (completions > fewFirings.most + Number(plain)) return false
  return plain || (wild === 0 && (ending !== "fails" || undoable > 1))
}

/** The random workflows of a seed. */
export const randoms = (seed: number): ReadonlyArray<Subject> =>
  kinds.map((kind, place) => subjectOf(drawn(seed * 100 + place, kind), `random${place}`))
