import type { AttemptOutcome, EncodedValue, TakenInputs } from "../model/Firing.js"
import { emptyFrontier, type Frontier } from "../model/Frontier.js"
import type { RunId } from "../model/Ids.js"
import type { Message } from "../model/Message.js"
import type { CommandKind } from "../model/Run.js"
import type { RunStatus } from "../model/Status.js"
import type { StepRow } from "../model/StepRow.js"
import type { Plan, PlanNode, PlanPort } from "./Plan.js"

/** What a firing got on one handle: one message, or all of them. */
export type Taken = Message | ReadonlyArray<Message>

/** A firing that has not ended. */
export interface OpenFiring {
  readonly firing: number
  readonly status: "scheduled" | "running" | "suspended"
  readonly attempt: number
  readonly crashes: number
  /** Per handle of the node; `undefined` on the external handle until an event has come. */
  readonly taken: ReadonlyArray<Taken | undefined>
  readonly inputs: TakenInputs
  readonly reason: string | null
  readonly state: string | null
  readonly notBefore: number | null
  /** By when all its attempts have to be over, in milliseconds since the epoch; null if they have all the time. */
  readonly deadline: number | null
  /** When it started, in milliseconds since the epoch, as long as the frontier alone tells of it; null if it has a row. */
  readonly startedAt: number | null
}

/**
 * One edge into a handle.
 *
 * **Details** Messages wait in `early` until every earlier firing of the producer has ended (`expected` is the lowest that
 * has not), then they join the handle's queue. `next` is the first position not yet taken by a firing. Into a `stream` handle
 * nothing is queued, its reader finds it in the rows; `next` is the first that came. Into an `unordered` handle they join at once, and what was
 * taken beyond `next` is told by `ahead`: per firing of the producer, how many of its messages.
 */
export interface EdgeState {
  readonly expected: number
  readonly early: ReadonlyArray<Message>
  readonly next: readonly [firing: number, ordinal: number]
  readonly ahead: ReadonlyMap<number, number>
}

/** A handle: its queue, from `head` on, and its edges; of a `latest` handle, the message its last firing got. */
export interface HandleState {
  readonly queue: ReadonlyArray<Message>
  readonly head: number
  readonly edges: ReadonlyArray<EdgeState>
  readonly current: Message | undefined
}

/** A node of a run. `open` is in order of firing. `received` counts external events. An ended node keeps no handles. */
export interface NodeState {
  readonly next: number
  readonly open: ReadonlyArray<OpenFiring>
  readonly handles: ReadonlyArray<HandleState>
  readonly touched: boolean
  readonly ended: boolean
  /** At least one firing was not skipped. */
  readonly ran: boolean
  readonly received: number
}

/**
 * A run in memory: always what `fromRows` would give after the last commit.
 *
 * **Details** Whoever makes one of these objects, at a start, in a draft or from rows, names all its properties in the order of its
 * interface, so that it has one shape: copies by `...` have another, for which compiled code is compiled once more.
 *
 * **Details** `active` are the indices, rising, of nodes that have been touched and have not ended: those the frontier
 * tells of, and all that a decision looks at.
 */
export interface RunState {
  readonly plan: Plan
  readonly runId: RunId
  readonly status: RunStatus
  readonly version: number
  readonly nodes: ReadonlyArray<NodeState>
  readonly active: ReadonlyArray<number>
  readonly frontier: Frontier
  readonly cancelling: boolean
  readonly paused: boolean
}

/** The lowest firing of a node that has not ended: everything below is committed. */
export const lowestOpen = (node: NodeState): number =>
  node.ended ? Number.POSITIVE_INFINITY : (node.open[0]?.firing ?? node.next)

/** Whether a suspended firing waits for an event of its node, and not in a step for a time or a signal. */
export const waitsForEvent = (plan: PlanNode, firing: OpenFiring): boolean =>
  firing.status === "suspended" &&
  firing.taken[plan.external] === undefined &&
  (plan.kind === "trigger" || firing.state !== null)

/** Whether all that is open waits for a time of its own, and no event is asked for: a run's deadline is no such time. */
export const isAsleep = ({ active, nodes, plan }: RunState): boolean =>
  active.every((index) =>
    nodes[index]!.open.every((open) => open.notBefore !== null && !waitsForEvent(plan.nodes[index]!, open))
  )

/** Whether a firing that was interrupted by a stop can start elsewhere at once. */
export const isRunnable = ({ nodes }: RunState): boolean =>
  nodes.some((node) => node.open.some((open) => open.status === "scheduled" && open.notBefore === null))

/** Whether firings of a node have ended from the first one on, and each of them was skipped. */
export const isSkipped = (node: NodeState): boolean => !node.ran && (node.open[0]?.firing ?? node.next) > 1

/**
 * Whether nobody will ever read what a port still gets: every node that it leads to has ended.
 *
 * **Details** A node ends in a commit, whose frontier tells so to whoever has the run later, and never begins again: so this, once
 * it holds, holds for good. A node that fires for each message has not ended while some may come, and the workflow's output never
 * has before its run: both read to the end. A port that leads nowhere has no reader whose end could be seen.
 */
export const isUnread = ({ targets }: PlanPort, nodes: ReadonlyArray<NodeState>): boolean =>
  targets.length > 0 && targets.every(({ node }) => nodes[node]!.ended)

/** How many firings of a node run. */
export const runningCount = (node: NodeState): number => {
  let count = 0
  for (const firing of node.open) if (firing.status === "running") count++
  return count
}

/** Nothing was taken out of order. */
export const noneAhead: ReadonlyMap<number, number> = new Map()

const freshEdge: EdgeState = { expected: 1, early: [], next: [0, 0], ahead: noneAhead }

/** An edge of events from outside, which come in their order. */
const freshOutside: EdgeState = { expected: Number.POSITIVE_INFINITY, early: [], next: [0, 0], ahead: noneAhead }

/** What a firing took, with one more input: one property after the other, since each copy by `...` would have a shape of its own. */
export const withInput = (inputs: TakenInputs, handle: string, taken: TakenInputs[string]): TakenInputs => {
  const all: Record<string, TakenInputs[string]> = {}
  for (const name in inputs) all[name] = inputs[name]!
  all[handle] = taken
  return all
}

/** What a run is told at its start and keeps: when it begins, by when it has to be over, whose child it is, its trace. */
export type Begins = Pick<Frontier, "startAt" | "deadline" | "parent" | "trace">

/** As most runs begin: at once, with all the time, for nobody. */
export const anyhow: Begins = {}

const freshNodes = new WeakMap<Plan, ReadonlyArray<NodeState>>()

/**
 * The nodes of a run before anything happened: the same objects for every run of a plan, as none is ever changed in place.
 *
 * **Details** Taking over 200 runs with 500 ended nodes each made 100,000 of them before.
 */
export const freshNodesOf = (plan: Plan): ReadonlyArray<NodeState> => {
  const known = freshNodes.get(plan)
  if (known !== undefined) return known
  const nodes = plan.nodes.map(
    (node): NodeState => ({
      next: 1,
      open: [],
      handles: node.handles.map((handle) => ({
        queue: [],
        head: 0,
        edges: handle.edges.map((edge) => (edge.node < 0 ? freshOutside : freshEdge)),
        current: undefined
      })),
      touched: false,
      ended: node.kind === "input",
      ran: node.kind === "input",
      received: 0
    })
  )
  freshNodes.set(plan, nodes)
  return nodes
}

/** A node that ended before the run was read from its rows. */
export const endedNode: NodeState = {
  next: 1,
  open: [],
  handles: [],
  touched: true,
  ended: true,
  ran: true,
  received: 0
}

/** One whose firings were all skipped. */
export const skippedNode: NodeState = {
  next: 2,
  open: [],
  handles: [],
  touched: true,
  ended: true,
  ran: false,
  received: 0
}

/** A run before anything happened. */
export const freshState = (plan: Plan, runId: RunId, begins: Begins = anyhow): RunState => ({
  plan,
  runId,
  status: "pending",
  version: 0,
  nodes: freshNodesOf(plan),
  active: [],
  frontier: begins === anyhow ? emptyFrontier : { ...emptyFrontier, ...begins },
  cancelling: false,
  paused: false
})

/** What happens to a run. */
export type RunEvent =
  | { readonly _tag: "Started"; readonly input: { readonly [port: string]: EncodedValue } }
  | {
      readonly _tag: "AttemptEnded"
      readonly node: number
      readonly firing: number
      readonly attempt: number
      readonly outcome: AttemptOutcome
    }
  | {
      readonly _tag: "InputArrived"
      readonly seq: string
      readonly nodeId: string
      readonly payload: EncodedValue
    }
  /** A signal for the steps of a node; its row is where they find it. */
  | { readonly _tag: "SignalArrived"; readonly seq: string; readonly nodeId: string }
  /** A step of a firing that runs has come so far; its handler goes on when that is committed. */
  | {
      readonly _tag: "StepReached"
      readonly node: number
      readonly firing: number
      readonly attempt: number
      readonly row: StepRow
    }
  /** Elements of a stream that a firing gives while it runs, from an ordinal on. */
  | {
      readonly _tag: "Emitted"
      readonly node: number
      readonly firing: number
      readonly attempt: number
      readonly port: string
      readonly from: number
      readonly values: ReadonlyArray<EncodedValue>
      /** Called when it is committed. */
      readonly committed: () => void
    }
  /** What arrived can't be read; it is kept as `dead`. */
  | { readonly _tag: "InputUnreadable"; readonly seq: string }
  | { readonly _tag: "CommandArrived"; readonly seq: string; readonly kind: CommandKind }
  /** Nothing but time, or room, has changed. */
  | { readonly _tag: "Look" }

/** A firing to fork once its commit is there. */
export interface StartFiring {
  readonly node: number
  readonly firing: OpenFiring
}
