import type { Graph } from "../../src/definition/Graph.js"
import { externalHandle } from "../../src/model/Message.js"
import type { FiringStatus } from "../../src/model/Status.js"
import type { Rule } from "./graphsRule.js"
import { handlers } from "./machineGraphs.js"
import { Harness } from "./machineHarness.js"
import type { Tables } from "./machineRows.js"

/** A run that has been started. */
export const started = (graph: Graph, rule: Rule = handlers()): Harness => {
  const harness = new Harness(graph, rule)
  harness.start()
  return harness
}

/** Ends what runs, oldest first, until nothing does. */
export const runOut = (harness: Harness): Harness => {
  for (let [key] = harness.running.keys(); key !== undefined; [key] = harness.running.keys()) {
    const [nodeId = "", firing] = key.split("/")
    harness.end(nodeId, Number(firing))
  }
  return harness
}

/** How the firings of a node stand, in order. */
export const statuses = ({ tables }: Harness, nodeId: string): ReadonlyArray<FiringStatus> =>
  tables.firingsOf(nodeId).map(({ status }) => status)

/** What each firing of a node took from a handle: a value, the cause of a tombstone, a count, or nothing. */
export const taken = ({ tables }: Harness, nodeId: string, handle: string): ReadonlyArray<unknown> =>
  tables.firingsOf(nodeId).map(({ inputs }) => {
    const input = inputs[handle]
    if (input === undefined) return "nothing"
    if ("all" in input) return input.all
    if ("read" in input) return input.read
    const [producer, firing, ordinal] = input.ref
    return contentOf(tables, { nodeId, handle, producer, firing, ordinal })
  })

/** What stands on a handle: values and causes of tombstones, in the order they were committed. */
export const inbox = ({ tables }: Harness, nodeId: string, handle: string): ReadonlyArray<unknown> =>
  tables.messagesOn(nodeId, handle).map((message) => contentOf(tables, message))

/** The values on a handle that were discarded. */
export const discarded = ({ tables }: Harness, nodeId: string, handle = externalHandle): ReadonlyArray<unknown> =>
  tables
    .messagesOn(nodeId, handle)
    .filter((message) => message.discarded)
    .map((message) => contentOf(tables, message))

const contentOf = (tables: Tables, ref: Parameters<Tables["message"]>[0]): unknown => {
  const content = tables.message(ref)!.content
  return content._tag === "Live" ? content.value : content.cause
}

/** The values that the handler of a running firing was given on a handle. */
export const given = ({ plan, running }: Harness, key: string, handle: string): unknown => {
  const start = running.get(key)!
  const value = start.firing.taken[plan.nodes[start.node]!.handles.findIndex(({ name }) => name === handle)]
  if (value === undefined) return undefined
  const contentValue = (message: { readonly content: { readonly _tag: string; readonly value?: unknown } }) =>
    message.content.value
  return "producer" in value ? contentValue(value) : value.map(contentValue)
}

/** What became of everything that arrived from outside, in order of arrival. */
export const arrivals = ({ tables }: Harness): ReadonlyArray<string> =>
  [...tables.inputs.values(), ...tables.commands.values()].map(({ status }) => status)
