import * as Duration from "effect/Duration"
import type { Graph, InputMode, OutputMode, ResultMode } from "../definition/Graph.js"
import { errorPort, inputNode, outputNode } from "../definition/Graph.js"
import type { NodeDefinition } from "../definition/NodeDefinition.js"
import { compensationNode, externalHandle, externalProducer } from "../model/Message.js"

/** Where a port leads: a handle, and which of that handle's edges this is. */
export interface PlanTarget {
  readonly node: number
  readonly handle: number
  readonly edge: number
}

/** One producer of a handle. `node` is −1 for what comes from outside the graph. */
export interface PlanEdge {
  readonly node: number
  readonly producer: string
}

/**
 * A handle of a node.
 *
 * **Details** `liveOnly`: tombstones don't enter it, as nothing is aligned with what comes (`all`, `latest`, `stream`), or another
 * producer may still bring something (a merge).
 */
export interface PlanHandle {
  readonly name: string
  readonly mode: InputMode
  readonly liveOnly: boolean
  readonly edges: ReadonlyArray<PlanEdge>
}

export interface PlanPort {
  readonly name: string
  readonly mode: OutputMode
  /** `nodeId.port`, as messages carry it. */
  readonly producer: string
  readonly targets: ReadonlyArray<PlanTarget>
}

/**
 * A node as the run machine sees it.
 *
 * **Details** `exits` are its ports and, where something is wired to it, its error port. `external` is the index of its
 * external handle, −1 if it takes nothing from outside. `aligned`: each firing takes a message from every `one` or `unordered` handle.
 * `latest`, `unordered`: whether it has such handles.  `compensates`: what its firings did can be undone; `drains`: so they are
 * waited for when the run winds down, as they read no stream that may never end then.
 * `streams`: it reads a stream, or somebody behind it does, who runs as long as it does. `limit` is how many firings it can have at
 * most, `concurrency` how many may run at once, `mostOpen` how many may be open at once, as those that wait for a child are;
 * `totalMs` how long each may take, all its attempts together. `results` says how each handle of the output node is read.
 */
export interface PlanNode {
  readonly index: number
  readonly id: string
  readonly kind: "input" | "task" | "trigger" | "output" | "compensation"
  readonly handles: ReadonlyArray<PlanHandle>
  readonly ports: ReadonlyArray<PlanPort>
  readonly exits: ReadonlyArray<PlanPort>
  readonly external: number
  readonly aligned: boolean
  readonly latest: boolean
  readonly unordered: boolean
  readonly compensates: boolean
  readonly drains: boolean
  readonly streams: boolean
  readonly limit: number
  readonly concurrency: number
  readonly mostOpen: number
  readonly totalMs: number
  readonly errorPort: PlanPort | undefined
  readonly results: ReadonlyArray<ResultMode>
}

/** A graph compiled to indices: computed once per definition, shared by all its runs. `undo` is there where nodes compensate, `timed` are the nodes with a `totalMs`. */
export interface Plan {
  readonly nodes: ReadonlyArray<PlanNode>
  readonly byId: ReadonlyMap<string, PlanNode>
  readonly input: PlanNode
  readonly output: PlanNode
  readonly undo: PlanNode | undefined
  readonly timed: ReadonlyArray<PlanNode>
}

/** What a plan takes from the definition of a node beside its place in the graph. */
type Timed = Pick<NodeDefinition, "totalTimeout" | "child">

/** Compiles a graph; nodes keep their declaration order, so an index means the same for every process of a version. At most `childFanOut` children of one of its nodes live at once. */
export const compilePlan = (
  graph: Graph,
  definitions: ReadonlyMap<string, Timed> = new Map(),
  childFanOut = Number.POSITIVE_INFINITY
): Plan => {
  const drafts = draftNodes(graph)
  const indexOf = new Map(drafts.map((draft, index) => [draft.id, index]))
  const targets = new Map<string, Array<PlanTarget>>()
  drafts.forEach((draft, node) =>
    draft.handles.forEach((handle, handleIndex) =>
      handle.from.forEach((from, edge) => {
        const key = `${from.node}.${from.port}`
        const list = targets.get(key) ?? []
        list.push({ node, handle: handleIndex, edge })
        targets.set(key, list)
      })
    )
  )
  const port = (id: string, name: string, mode: OutputMode): PlanPort => ({
    name,
    mode,
    producer: `${id}.${name}`,
    targets: targets.get(`${id}.${name}`) ?? []
  })
  const streaming = streamingNodes(drafts)
  const nodes = drafts.map((draft, index): PlanNode => {
    const ports = draft.ports.map(({ name, mode }) => port(draft.id, name, mode))
    const errors = port(draft.id, errorPort, "optional")
    const errorExit = draft.hasError && errors.targets.length > 0 ? errors : undefined
    return {
      index,
      id: draft.id,
      kind: draft.kind,
      handles: draft.handles.map((handle) => ({
        name: handle.name,
        mode: handle.mode,
        liveOnly:
          handle.mode === "all" || handle.mode === "latest" || handle.mode === "stream" || handle.from.length > 1,
        edges:
          handle.name === externalHandle
            ? [{ node: -1, producer: externalProducer }]
            : handle.from.map((from) => ({ node: indexOf.get(from.node)!, producer: `${from.node}.${from.port}` }))
      })),
      ports,
      exits: errorExit === undefined ? ports : [...ports, errorExit],
      external: draft.handles.findIndex((handle) => handle.name === externalHandle),
      aligned: draft.aligned,
      latest: draft.handles.some(({ mode }) => mode === "latest"),
      unordered: draft.handles.some(({ mode }) => mode === "unordered"),
      compensates: draft.compensates,
      drains: draft.compensates && draft.handles.every(({ mode }) => mode !== "stream"),
      streams: streaming.has(draft.id),
      limit: draft.limit,
      concurrency: draft.concurrency,
      mostOpen:
        definitions.get(draft.id)?.child === undefined
          ? Number.POSITIVE_INFINITY
          : Math.min(draft.concurrency, childFanOut),
      totalMs: Duration.toMillis(definitions.get(draft.id)?.totalTimeout ?? Duration.infinity),
      errorPort: errorExit,
      results: draft.results
    }
  })
  const byId = new Map(nodes.map((node) => [node.id, node]))
  return {
    nodes,
    byId,
    input: byId.get(inputNode)!,
    output: byId.get(outputNode)!,
    undo: byId.get(compensationNode),
    timed: nodes.filter(({ totalMs }) => totalMs < Number.POSITIVE_INFINITY)
  }
}

interface Draft {
  readonly id: string
  readonly kind: PlanNode["kind"]
  readonly handles: ReadonlyArray<{
    readonly name: string
    readonly mode: InputMode
    readonly from: ReadonlyArray<{ node: string; port: string }>
  }>
  readonly ports: ReadonlyArray<{ readonly name: string; readonly mode: OutputMode }>
  readonly aligned: boolean
  readonly compensates: boolean
  readonly limit: number
  readonly concurrency: number
  readonly hasError: boolean
  readonly results: ReadonlyArray<ResultMode>
}

/** The nodes that read a stream, and all before them. */
const streamingNodes = (drafts: ReadonlyArray<Draft>): ReadonlySet<string> => {
  const streaming = new Set<string>()
  // Nodes stand behind those they are fed by.
  for (const { handles, id } of [...drafts].reverse()) {
    if (handles.some(({ mode }) => mode === "stream")) streaming.add(id)
    if (!streaming.has(id)) continue
    for (const { from } of handles) for (const { node } of from) streaming.add(node)
  }
  return streaming
}

const draftNodes = (graph: Graph): ReadonlyArray<Draft> => {
  const base = { aligned: false, compensates: false, limit: 1, concurrency: 1, hasError: false, results: [] }
  const external = { name: externalHandle, mode: "one", from: [] } as const
  return [
    {
      ...base,
      id: inputNode,
      kind: "input",
      handles: [],
      ports: graph.input.map((name) => ({ name, mode: "one" as const }))
    },
    ...graph.nodes.map((node): Draft => {
      const takesExternal = node.kind === "trigger" || node.resumable
      const takesAll = node.inputs.some((input) => input.mode === "all")
      const aligned = node.inputs.some((input) => input.mode === "one" || input.mode === "unordered")
      const taskLimit = aligned || node.inputs.some((input) => input.mode === "latest") ? null : 1
      const most = node.kind === "trigger" ? node.repeated : taskLimit
      return {
        id: node.id,
        kind: node.kind,
        handles: takesExternal ? [...node.inputs, external] : node.inputs,
        ports: node.outputs,
        aligned,
        compensates: node.compensates === true,
        limit: takesAll ? 1 : (most ?? Number.POSITIVE_INFINITY),
        concurrency: node.concurrency ?? Number.POSITIVE_INFINITY,
        hasError: node.hasError,
        results: []
      }
    }),
    {
      ...base,
      id: outputNode,
      kind: "output",
      handles: graph.outputs.map((result) => ({ name: result.name, mode: "all" as const, from: result.from })),
      ports: [],
      results: graph.outputs.map((result) => result.mode)
    },
    // The last, so that no other node's place depends on it.
    ...(graph.nodes.some((node) => node.compensates === true)
      ? [{ ...base, id: compensationNode, kind: "compensation" as const, handles: [], ports: [] }]
      : [])
  ]
}
