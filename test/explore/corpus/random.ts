import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import type { Graph } from "../../../src/definition/Graph.js"
import type * as Workflow from "../../../src/definition/Workflow.js"
import { Engine } from "../../../src/Engine.js"
import type { Client } from "../../../src/testing/Client.js"
import type { Subject } from "../../../src/testing/Subject.js"
import { graphs } from "../../runtime/graphs.js"
import { type Rule, rule } from "../../runtime/graphsRule.js"
import { loosen } from "../../runtime/loosen.js"
import { type Meaning, meaningOf } from "../../runtime/machineOracle.js"
import { enrich, type Features, hasStreams, orderless, showStreams } from "../../runtime/richGraphs.js"
import { runId } from "./kit.js"
import { definitionOf, Nudge, registered, signalled } from "./richHandlers.js"

/** What may be in a random graph, whether its handlers may end the run, and what they do besides. */
interface Kind extends Features {
  readonly merging: boolean
  readonly external: boolean
  readonly fatal: boolean
  /** When somebody cancels the run, in milliseconds after its start. */
  readonly cancelledAfter?: number
}

const kinds: ReadonlyArray<Kind> = [
  { merging: false, external: false, fatal: false },
  { merging: false, external: false, fatal: true },
  { merging: false, external: true, fatal: false },
  { merging: true, external: true, fatal: true },
  { merging: false, external: false, fatal: false, steps: true },
  { merging: true, external: true, fatal: false, steps: true, loose: true },
  { merging: true, external: false, fatal: true, undo: true },
  { merging: false, external: false, fatal: false, streams: true, children: true, signals: true },
  { merging: false, external: false, fatal: false, streams: true, undo: true, children: true, cancelledAfter: 60 },
  {
    ...{ merging: true, external: true, fatal: true, loose: true, streams: true },
    ...{ undo: true, children: true, signals: true, transactions: true }
  }
]

const isRich = ({ streams, undo }: Kind): boolean => streams === true || undo === true

/** Graphs drawn at a time until one has what is wanted of it, and how often: of those with much in them few have. */
const draws = { together: 200, times: 50 }

/** Firings of a graph in which handlers do much. */
const fewFirings = { least: 3, most: 4 }

const isOfKind = (graph: Graph, does: Rule, kind: Kind): boolean => {
  const { external, merging } = kind
  const merges = graph.nodes.some(({ inputs }) => inputs.some(({ from, mode }) => mode === "one" && from.length > 1))
  const waits = ["trigger", "resumable"].map((what) =>
    graph.nodes.some(({ kind, resumable }) => (what === "trigger" ? kind === what : resumable))
  )
  if (merges !== merging) return false
  if (!isRich(kind)) return waits.every((has) => has === external)
  return waits.some((has) => has) === external && isRichEnough(graph, does, kind)
}

/** Whether what such a kind is there for happens, and not too much of it. */
const isRichEnough = (graph: Graph, does: Rule, { fatal, streams, undo }: Kind): boolean => {
  if (streams === true && !hasStreams(graph)) return false
  const { firings, status } = meaning(graph, does)
  const completed = graph.nodes.map(({ id }) => firings.get(id)!.filter((each) => each.status === "completed").length)
  const count = completed.reduce((sum, each) => sum + each, 0)
  if (count < fewFirings.least || count > fewFirings.most) return false
  const undone = completed.filter((_, index) => index % 2 === 0).reduce((sum, each) => sum + each, 0)
  return (undo !== true || undone > 1) && (status === "failed") === fatal
}

/** What a graph without merging comes to, and about what one with it does. */
const meaning = (graph: Graph, does: Rule): Meaning =>
  meaningOf(graph, does, { input: {}, events: () => ["event 0", "event 1", "event 2"], merged: () => [] })

interface Drawn {
  readonly graph: Graph
  readonly does: Rule
}

const drawn = (seed: number, kind: Kind): Drawn => {
  const { external, fatal, merging } = kind
  const wanted = {
    maxNodes: external || isRich(kind) ? 4 : 5,
    manyPorts: external ? 1 : 2,
    merging,
    triggers: external,
    endless: false,
    resumable: external
  }
  for (let time = 0; time < draws.times; time++) {
    for (const graph of FastCheck.sample(graphs(wanted), { numRuns: draws.together, seed: seed + time * 100_003 })) {
      const does = orderless(rule(graph, seed, { fatal }))
      if (isOfKind(graph, does, kind)) return { graph: kind.streams === true ? showStreams(graph) : graph, does }
    }
  }
  throw new Error(`none of ${draws.together * draws.times} graphs is as wanted`)
}

/** Events sent to each node that takes some; a resumable one may take two for each of its firings. */
const mostEvents = 30

/** Signals sent to each node that waits for one; there may be more waits, which have their time. */
const mostSignals = 2

/** Sends to every node that takes something from outside one after the other until the run has ended. */
const feed = async (graph: Graph, workflow: Workflow.Any, features: Features, client: Client): Promise<void> => {
  let over = false
  const ended = client.ended(runId).then(() => {
    over = true
  })
  const takers = graph.nodes.filter(({ kind, resumable }) => kind === "trigger" || resumable)
  const waiters = graph.nodes.filter((node) => signalled(node, features))
  const rounds = takers.length > 0 ? mostEvents : Math.min(waiters.length, 1) * mostSignals
  for (let count = 0; count < rounds && !over; count++) {
    for (const { id } of takers) await client.trigger(runId, id, `event ${count}`, `${id} ${count}`)
    for (const { id } of count < mostSignals ? waiters : []) {
      await client.signal(workflow, runId, id as never, Nudge, `signal ${count}`, `${id} ${count}`)
    }
    await client.sleep(300)
  }
  await ended
}

/** Waits for the children that a run may have left behind. */
const childrenEnd = async (client: Client): Promise<void> => {
  const helpers = await client.call(Effect.flatMap(Engine, (engine) => engine.list({ workflow: "helper", limit: 99 })))
  if (Exit.isSuccess(helpers)) for (const helper of helpers.value) await client.ended(helper.runId)
}

/** The ways in which a run of a kind may end. */
const endsOf = ({ cancelledAfter, fatal, undo }: Kind): ReadonlyArray<string> => [
  "completed",
  ...(fatal ? ["failed"] : []),
  ...(cancelledAfter === undefined ? [] : ["cancelled"]),
  ...(undo === true ? ["compensated"] : [])
]

/** A workflow that nobody thought of: the graph and what its handlers do are drawn by the seed. */
const random = (seed: number, place: number, kind: Kind): Subject => {
  const { does, graph: strict } = drawn(seed * 100 + place, kind)
  const named: Graph = { ...strict, name: `random${place}` }
  const graph = enrich(kind.loose === true ? loosen(named, [1, 2, 0]) : named, kind)
  const definition = definitionOf(graph)
  // It was never written as a chain, so no type speaks of it.
  const workflow = definition as unknown as Workflow.Any
  const input = Object.fromEntries(graph.input.map((port) => [port, port]))
  const ends = endsOf(kind)
  const statusOf: Subject["possible"] = (runs) => {
    const status = runs.find((run) => run.runId === runId)?.status ?? "not there"
    return ends.includes(status) ? undefined : `the run is ${status}`
  }
  // What is merged comes in any order, and after a failure or a cancel others may or may not have ended.
  const isFree = kind.fatal || kind.merging || kind.cancelledAfter !== undefined
  return {
    name: graph.name,
    workflows: registered(definition, does, kind),
    script: async (client) => {
      await client.start(workflow, input, runId)
      if (kind.cancelledAfter !== undefined) {
        await client.sleep(kind.cancelledAfter)
        await client.command(runId, "cancel")
      }
      await feed(graph, workflow, kind, client)
      if (kind.children === true) await childrenEnd(client)
    },
    streams: kind.streams === true,
    undoes: kind.undo === true,
    ...(isFree ? { possible: statusOf } : {}),
    ...(isFree || kind.external ? {} : { expect: meansOf(strict, does) })
  }
}

/** Without merging the output is what the graph means, as the naive interpreter says. */
const meansOf =
  (graph: Graph, does: Rule): NonNullable<Subject["expect"]> =>
  (runs) => {
    const output = runs.find((run) => run.runId === runId)?.output ?? "null"
    const [is, means] = [sorted(JSON.parse(output)), sorted(meaning(graph, does).output)]
    return is === means ? undefined : `the output is ${is}, and the graph means ${means}`
  }

const sorted = (record: unknown): string =>
  JSON.stringify(Object.entries(record ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)))

/** The random workflows of a seed. */
export const randoms = (seed: number): ReadonlyArray<Subject> => kinds.map((kind, place) => random(seed, place, kind))
