import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Failure } from "../model/Failure.js"
import { FailureText } from "../model/Failure.js"
import type { AttemptOutcome, EncodedValue } from "../model/Firing.js"
import type { FrontierUndo } from "../model/Frontier.js"
import { compensationNode, type Message } from "../model/Message.js"
import type { RunStatus } from "../model/Status.js"
import type { Draft } from "./Draft.js"
import type { PlanNode } from "./Plan.js"
import { type OpenFiring, runningCount, type Taken } from "./RunState.js"
import { isDue, resumeOpen, start } from "./Settle.js"
import type { Verdict } from "./Verdict.js"

/**
 * Compensation is dataflow backwards: a firing that may have to be undone leaves a message with its inputs and outputs for one
 * more node, and that node takes them from the last to the first when the run winds down. Nobody keeps them in memory.
 */

type Outputs = Extract<AttemptOutcome, { _tag: "Completed" }>["outputs"]

/** Leaves what it takes to undo a firing; without outputs nobody knows what it did. */
export const leaveUndo = (draft: Draft, plan: PlanNode, firing: OpenFiring, outputs: Outputs | null): void => {
  const { count, ...rest } = undoOf(draft)
  draft.undo = { count: count + 1, ...rest }
  draft.messages.push({
    nodeId: compensationNode,
    handle: compensationNode,
    producer: compensationNode,
    firing: count + 1,
    ordinal: 0,
    content: { _tag: "Live", text: recordText(plan, firing, outputs), value: null },
    discarded: false
  })
}

const undoOf = (draft: Draft): FrontierUndo => {
  if (draft.undo === undefined) throw new Error("nothing of this run compensates")
  return draft.undo
}

/** Texts are JSON already: nothing is parsed or written again. */
const recordText = (plan: PlanNode, { firing, taken }: OpenFiring, outputs: Outputs | null): string => {
  const inputs = plan.handles.flatMap(({ name }, index) =>
    index === plan.external ? [] : [`${JSON.stringify(name)}:${takenText(taken[index])}`]
  )
  const given = Object.entries(outputs ?? {}).map(([port, values]) => `${JSON.stringify(port)}:${listText(values)}`)
  const parts = [
    `"node":${JSON.stringify(plan.id)}`,
    `"firing":${firing}`,
    `"inputs":{${inputs.join(",")}}`,
    `"outputs":${outputs === null ? "null" : `{${given.join(",")}}`}`
  ]
  return `{${parts.join(",")}}`
}

const listText = (values: ReadonlyArray<EncodedValue>): string => `[${values.map(({ text }) => text).join(",")}]`

const takenText = (taken: Taken | undefined): string => {
  if (taken === undefined) return "null"
  return "producer" in taken ? messageText(taken) : `[${taken.map(messageText).join(",")}]`
}

const messageText = ({ content }: Message): string => (content._tag === "Live" ? content.text : "null")

/** Whether a failure says by itself that there is nothing to undo: a typed error, and nothing was tried before. */
export const isKnownFailure = (firing: OpenFiring, kind: Failure["kind"]): boolean =>
  kind === "error" && firing.attempt === 1 && firing.crashes === 0

/** Whether a handler may have done something in an open firing; one that waits for its first event has not begun. */
const mayHaveBegun = (plan: PlanNode, firing: OpenFiring): boolean =>
  plan.kind !== "trigger" ||
  firing.status !== "suspended" ||
  firing.taken[plan.external] !== undefined ||
  firing.attempt > 1 ||
  firing.crashes > 0

/**
 * What a run comes to that has failed or was cancelled, and whose nodes compensate: first whatever still runs ends, then one
 * firing after the other is undone.
 */
export const windDown = (
  draft: Draft,
  turn: { readonly failure: Failure | undefined; readonly gaveUp: Failure | undefined }
): Verdict => {
  const { cause } = noteOver(draft, turn.failure)
  if (turn.gaveUp !== undefined) {
    return verdictOf(draft, "failed", turn.gaveUp.message, JSON.stringify(turn.gaveUp))
  }
  const reason = cause === null ? null : messageOf(cause)
  if (someWork(draft)) return verdictOf(draft, cause === null ? "cancelling" : "compensating", reason, null)
  endOthers(draft)
  const { count } = undoOf(draft)
  const plan = undoPlan(draft)
  if (count === 0) return verdictOf(draft, cause === null ? "cancelled" : "failed", reason, cause)
  undoNext(draft, plan, count)
  const node = draft.nodes[plan.index]!
  const through = node.open.length === 0 && node.next > count
  if (through) return verdictOf(draft, "compensated", reason, cause)
  const full = draft.waitsAlone || draft.slots <= 0
  const startable = node.open.length === 0 || node.open.some((open) => isDue(open, draft.now))
  const times = node.open.flatMap(({ notBefore }) => (notBefore !== null && notBefore > draft.now ? [notBefore] : []))
  return {
    ...verdictOf(draft, "compensating", reason, null),
    hungry: full && startable,
    waitsAlone: full && startable && draft.waitsAlone,
    dueAt: times.length === 0 ? undefined : Math.min(...times)
  }
}

/** The first reason counts. */
const noteOver = (draft: Draft, failure: Failure | undefined): NonNullable<FrontierUndo["over"]> => {
  const { count, over } = undoOf(draft)
  if (over !== undefined) return over
  const first = { since: draft.state.version + 1, cause: failure === undefined ? null : JSON.stringify(failure) }
  draft.undo = { count, over: first }
  return first
}

const verdictOf = (draft: Draft, status: RunStatus, reason: string | null, failure: string | null): Verdict => ({
  active: draft.active(),
  status,
  reason,
  output: null,
  failure,
  hungry: false,
  waitsAlone: false,
  dueAt: undefined
})

const undoPlan = (draft: Draft): PlanNode => {
  const plan = draft.plan.undo
  if (plan === undefined) throw new Error("nothing of this run compensates")
  return plan
}

const decodeFailure = Schema.decodeOption(FailureText)

const messageOf = (failure: string): string | null =>
  Option.match(decodeFailure(failure), { onNone: () => null, onSome: ({ message }) => message })

/** Whether a firing of the run's own nodes still runs. */
const someWork = (draft: Draft): boolean =>
  draft
    .active()
    .some((index) => draft.plan.nodes[index]!.kind !== "compensation" && runningCount(draft.nodes[index]!) > 0)

/** Nothing of the run's own nodes goes on: what may have begun has to be undone, whatever it did. */
const endOthers = (draft: Draft): void => {
  for (const index of draft.active()) {
    const plan = draft.plan.nodes[index]!
    if (plan.kind === "compensation") continue
    for (const firing of draft.nodes[index]!.open.slice()) {
      if (plan.compensates && mayHaveBegun(plan, firing)) leaveUndo(draft, plan, firing, null)
      draft.end(plan, firing, "cancelled", null, null)
    }
  }
}

/** Lets what is under way go on, or takes the last message that was not taken. */
const undoNext = (draft: Draft, plan: PlanNode, count: number): void => {
  resumeOpen(draft, plan)
  const { next, open } = draft.nodes[plan.index]!
  if (open.length > 0 || next > count || draft.slots <= 0) return
  draft.edit(plan.index).next = next + 1
  start(draft, plan, {
    firing: next,
    status: "running",
    attempt: 1,
    crashes: 0,
    taken: [],
    inputs: { [compensationNode]: { ref: [compensationNode, count - next + 1, 0] } },
    reason: null,
    state: null,
    notBefore: null,
    deadline: null,
    startedAt: null
  })
}
