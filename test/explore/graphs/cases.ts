import * as FastCheck from "effect/FastCheck"
import type { Graph, GraphInput, GraphNode } from "../../../src/definition/Graph.js"
import { type GraphOptions, graphs } from "../../runtime/graphs.js"
import { type Rule, rule } from "../../runtime/graphsRule.js"
import { orderless } from "../../runtime/richGraphs.js"

/** What a node does besides its rule; where it can't do something, it doesn't. */
export interface Trait {
  /** A node that is a workflow of its own; handles that take what comes, or the newest; a reader of streams. */
  readonly shape: "plain" | "child" | "unordered" | "latest" | "stream"
  /** How the attempts fail that do: by a typed error, a defect, without a sign of life, or beyond their time. */
  readonly trouble: "error" | "defect" | "silence" | "slowness"
  /** What the pauses between attempts are; `typed`: what the error says. */
  readonly pauses: "spaced" | "exponential" | "typed"
  /** Where a run may fail and be tried again: whether the first failed attempt fails the run. */
  readonly givesUp: boolean
  /** All attempts together have a time. */
  readonly total: boolean
  readonly undo: boolean
  /** Steps: an effect, one that is tried again, and a sleep longer than a worker keeps a run. */
  readonly steps: boolean
  /** A child out of the middle of its work. */
  readonly helper: boolean
  /** Waits for a signal, for a while. */
  readonly signal: boolean
  /** Answers a query. */
  readonly answers: boolean
  /** Writes into the application's own table, in a transaction of its own client. */
  readonly enters: boolean
  /** Gives streams where it could give arrays, and reads them with checkpoints. */
  readonly streams: boolean
  /** What it gives is among the results of the workflow. */
  readonly shown: boolean
}

/** How a run is to end: `fails`: handlers may fail for good; `retried`: what fails is tried again; `overdue`: at a deadline. */
export type Ending = "completes" | "fails" | "retried" | "cancelled" | "overdue"

/** Something that is done to a run from outside, so many milliseconds after its start. */
export interface Deed {
  readonly at: number
  readonly does: "pause" | "resume" | "query" | "kill"
}

/** A workflow that nobody thought of, what its handlers do, and what is done to its run. */
export interface Whole {
  /** As the reference reads it. */
  readonly graph: Graph
  readonly seed: number
  readonly traits: ReadonlyArray<Trait>
  readonly ending: Ending
  /** When somebody cancels it, or its deadline passes. */
  readonly endsAt: number
  readonly deeds: ReadonlyArray<Deed>
  /** It begins so much later than it is started. */
  readonly startsIn: number
  readonly evicts: boolean
  readonly workers: number
}

/** What may be in the graphs that are drawn. */
export interface Wanted extends Partial<GraphOptions> {
  readonly endings?: ReadonlyArray<Ending>
  /** Nothing but what the rule says is done. */
  readonly plain?: boolean
  /** Nobody has a table of the application's own. */
  readonly withoutEntries?: boolean
}

const seldom = FastCheck.constantFrom(false, false, true)

const traits = ({ plain = false, withoutEntries = false }: Wanted): FastCheck.Arbitrary<Trait> => {
  const may = plain ? FastCheck.constant(false) : seldom
  return FastCheck.record({
    shape: plain
      ? FastCheck.constant<Trait["shape"]>("plain")
      : FastCheck.constantFrom<Trait["shape"]>("plain", "child", "unordered", "stream", "latest", "stream", "child"),
    trouble: plain
      ? FastCheck.constant<Trait["trouble"]>("error")
      : FastCheck.constantFrom<Trait["trouble"]>("error", "defect", "silence", "slowness"),
    pauses: FastCheck.constantFrom<Trait["pauses"]>("spaced", "exponential", "typed"),
    givesUp: may,
    total: may,
    undo: may,
    steps: may,
    helper: may,
    signal: may,
    answers: may,
    enters: withoutEntries ? FastCheck.constant(false) : may,
    streams: may,
    shown: FastCheck.boolean()
  })
}

const deeds = FastCheck.array(
  FastCheck.record({
    at: FastCheck.nat(3_000),
    does: FastCheck.constantFrom<Deed["does"]>("pause", "pause", "query", "kill")
  }),
  { maxLength: 3 }
)

/** What is paused is resumed a while later. */
const resumed = (drawn: ReadonlyArray<Deed>): ReadonlyArray<Deed> =>
  drawn
    .flatMap(
      ({ at, does }): ReadonlyArray<Deed> =>
        does === "pause"
          ? [
              { at, does },
              { at: at + pausedMs, does: "resume" }
            ]
          : [{ at, does }]
    )
    .sort((a, b) => a.at - b.at)

/** Longer than a worker keeps a run. */
const pausedMs = 700

/** Random workflows that use everything at once; they shrink to fewer nodes that do less, and to less that is done to them. */
export const wholes = (wanted: Wanted = {}): FastCheck.Arbitrary<Whole> => {
  const { endings = ["completes", "completes", "fails", "retried", "cancelled", "overdue"], maxNodes = 5 } = wanted
  return FastCheck.record({
    graph: graphs({ maxNodes, manyPorts: 2, endless: false, ...wanted }),
    seed: FastCheck.nat(1_000_000),
    traits: FastCheck.array(traits(wanted), { minLength: maxNodes, maxLength: maxNodes }),
    ending: FastCheck.constantFrom(...endings),
    endsAt: FastCheck.nat(1_500),
    deeds: wanted.plain === true ? FastCheck.constant([]) : deeds.map(resumed),
    startsIn: wanted.plain === true ? FastCheck.constant(0) : FastCheck.constantFrom(0, 0, 700),
    evicts: FastCheck.boolean(),
    workers: FastCheck.constantFrom(1, 1, 1, 2)
  }).map((whole) => ({ ...whole, graph: shaped(whole) }))
}

/** How often a run that has failed is tried again at most: where handlers give up, or only what undoes their work. */
const mostRetries = { handlers: 20, undoing: 3 }

/** How often the run of a workflow is tried again at most. */
export const retriesOf = ({ ending, graph, traits }: Whole): number => {
  const undoes = graph.nodes.some(({ compensates }) => compensates === true) && traits.some(({ givesUp }) => givesUp)
  return ending === "retried" ? mostRetries.handlers : Number(undoes) * mostRetries.undoing
}

/** The trait of a node. */
export const traitOf = ({ traits }: Pick<Whole, "traits">, nodeId: string): Trait =>
  traits[Number(nodeId.slice(1)) % traits.length]!

/** The shape that a node has among those it can have. */
const shapeOf = ({ inputs, kind, resumable }: GraphNode, { shape }: Trait): Trait["shape"] => {
  const only = (...modes: ReadonlyArray<string>) => inputs.every(({ mode }) => modes.includes(mode))
  const some = (mode: string) => inputs.some((input) => input.mode === mode)
  const isPlain = kind === "task" && !resumable
  const fits = {
    plain: true,
    child: isPlain && inputs.length > 0 && only("one"),
    unordered: some("one") && only("one", "shared"),
    latest: some("one") && only("one", "shared") && kind === "task",
    stream: isPlain && some("all") && only("all", "shared")
  }
  return fits[shape] ? shape : "plain"
}

const modeIn = (shape: Trait["shape"], { mode }: GraphInput): GraphInput["mode"] => {
  if (mode === "one") return shape === "unordered" || shape === "latest" ? shape : mode
  return mode === "all" && shape === "stream" ? shape : mode
}

/** The shapes that a node has. */
export const shapesOf = ({ child, inputs }: GraphNode): ReadonlyArray<string> => [
  ...(child === undefined ? [] : ["child"]),
  ...inputs.flatMap(({ mode }) => (mode === "one" || mode === "shared" || mode === "all" ? [] : [mode]))
]

/** What the workflow of a node is called that is one. */
const childName = (graph: Pick<Graph, "name">, nodeId: string): string => `${graph.name}.${nodeId}`

/** The graph with the shapes of its nodes, and with what they give among its results. */
const shaped = (whole: Whole): Graph => {
  const { graph } = whole
  const nodes = graph.nodes.map((node): GraphNode => {
    const trait = traitOf(whole, node.id)
    const shape = shapeOf(node, trait)
    const inputs = node.inputs.map((input) => ({ ...input, mode: modeIn(shape, input) }))
    const child = shape === "child" ? { child: { workflow: childName(graph, node.id), version: 1 } } : {}
    return {
      ...node,
      ...{ inputs, hasError: node.hasError || shape === "child" },
      ...child,
      // A run that undoes its work is not tried again.
      ...(trait.undo && whole.ending !== "retried" ? { compensates: true as const } : {})
    }
  })
  const shown = nodes.flatMap(({ id, outputs: [first] }) =>
    traitOf(whole, id).shown && first !== undefined
      ? [{ name: `of ${id}`, mode: "array" as const, from: [{ node: id, port: first.name }] }]
      : []
  )
  return { ...graph, nodes, outputs: [...graph.outputs, ...shown] }
}

/** The same workflow under another name. */
export const renamed = (whole: Whole, name: string): Whole => ({
  ...whole,
  graph: {
    ...whole.graph,
    name,
    nodes: whole.graph.nodes.map((node) =>
      node.child === undefined ? node : { ...node, child: { ...node.child, workflow: childName({ name }, node.id) } }
    )
  }
})

/** What the handlers of a workflow come to; a child that dies has failed. */
export const ruleOf = ({ ending, graph, seed }: Whole): Rule => {
  const does = orderless(rule(graph, seed, { fatal: ending === "fails" }))
  const children = new Set(graph.nodes.flatMap(({ child, id }) => (child === undefined ? [] : [id])))
  return (nodeId, inputs) => {
    const outcome = does(nodeId, inputs)
    const { result } = outcome
    if (result._tag !== "Die" || !children.has(nodeId)) return outcome
    return { ...outcome, result: { _tag: "Fail", error: { problem: result.message } } }
  }
}
