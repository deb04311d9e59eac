import type { FrontierNode } from "../model/Frontier.js"
import { comparePositions, type Message } from "../model/Message.js"
import type { PlanNode } from "./Plan.js"
import { type EdgeState, type NodeState, noneAhead } from "./RunState.js"

/**
 * Handles whose messages are not taken one after the other: `latest` and `unordered`.
 *
 * **Details** In the frontier, beside the first position that may still be needed: `$untaken producer` is the first that was
 * not taken, `$current producer` is what the last firing of a `latest` handle got, `$ahead producer firing` is how many
 * messages of a later firing an `unordered` handle has taken.
 */

type Place = EdgeState["next"]
type Places = FrontierNode["from"][string]

const untaken = (producer: string) => `$untaken ${producer}`
const currentKey = (producer: string) => `$current ${producer}`
const aheadKey = (producer: string, firing: number) => `$ahead ${producer} ${firing}`

/** The first position of an edge that an open firing has taken. */
export const firstOpen = (plan: PlanNode, node: NodeState, handle: number, producer: string): Place | undefined => {
  let first: Message | undefined
  for (const open of node.open) {
    const taken = open.taken[handle]
    if (taken === undefined || !("producer" in taken) || taken.producer !== producer) continue
    if (first === undefined || comparePositions(taken, first) < 0) first = taken
    // Firings take an edge's messages in order, so the first one has the lowest; an event goes to whichever waits.
    if (handle !== plan.external && plan.handles[handle]!.mode === "one") break
  }
  return first === undefined ? undefined : [first.firing, first.ordinal]
}

const lower = (a: Place | undefined, b: Place): Place =>
  a === undefined || b[0] < a[0] || (b[0] === a[0] && b[1] < a[1]) ? b : a

/** What the frontier says of such a handle; nothing before anything was taken. */
export const looseFrom = (plan: PlanNode, node: NodeState, handle: number): Places | undefined => {
  const { current, edges } = node.handles[handle]!
  const places: Record<string, Place> = {}
  plan.handles[handle]!.edges.forEach(({ producer }, edge) => {
    const { ahead, next } = edges[edge]!
    if (next[0] === 0) return
    let first = lower(firstOpen(plan, node, handle, producer), next)
    if (current?.producer === producer) {
      const place: Place = [current.firing, current.ordinal]
      places[currentKey(producer)] = place
      first = lower(first, place)
    }
    for (const [firing, count] of ahead) places[aheadKey(producer, firing)] = [firing, count]
    places[untaken(producer)] = next
    places[producer] = first
  })
  return Object.keys(places).length === 0 ? undefined : places
}

/** The first position of an edge that was not taken, and what was taken beyond it, from the frontier. */
export const looseEdge = (places: Places | undefined, producer: string): Pick<EdgeState, "next" | "ahead"> => {
  const prefix = `$ahead ${producer} `
  const ahead = Object.entries(places ?? {}).filter(([key]) => key.startsWith(prefix))
  return {
    next: places?.[untaken(producer)] ?? [0, 0],
    ahead: ahead.length === 0 ? noneAhead : new Map(ahead.map(([, place]) => place))
  }
}

/** Whether a position of such an edge was not taken yet. */
export const isLeft = ({ ahead, next }: Pick<EdgeState, "next" | "ahead">, { firing, ordinal }: Message): boolean =>
  firing >= next[0] && (firing > next[0] || ordinal >= next[1]) && ordinal >= (ahead.get(firing) ?? 0)

/** What the last firing of a `latest` handle got, among the messages that were read. */
export const currentOf = (places: Places | undefined, messages: ReadonlyArray<Message>): Message | undefined =>
  messages.find(({ firing, ordinal, producer }) => {
    const place = places?.[currentKey(producer)]
    return place !== undefined && place[0] === firing && place[1] === ordinal
  })
