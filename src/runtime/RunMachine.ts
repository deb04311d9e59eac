import type { Failure } from "../model/Failure.js"
import type { RunCommit } from "../model/Run.js"
import { canMoveRun, isEnded, type RunStatus } from "../model/Status.js"
import type { StepRow } from "../model/StepRow.js"
import { Draft } from "./Draft.js"
import { collectOutput } from "./RunOutput.js"
import type { HandleState, OpenFiring, RunEvent, RunState, StartFiring } from "./RunState.js"
import { couldStart, settle } from "./Settle.js"
import { Turn } from "./Turn.js"
import { windDown } from "./Undo.js"
import type { Verdict } from "./Verdict.js"
import { earliestTimer, suspensionReason } from "./Waits.js"

/**
 * What a decision comes to.
 *
 * **Details** `commit` lacks only the fence; without one nothing has changed. After the commit: fork `start`, interrupt
 * what runs if `interrupt`, but for what is waited for because it can be undone. `hungry`: a firing could start if there were a slot. `alone`: the only one of `start` must run
 * alone; `waitsAlone`: one that must has to wait for that, as `hungry` says too. `dueAt` (ms) is the earliest timer.
 */
export interface Decision {
  readonly state: RunState
  readonly commit: Omit<RunCommit, "fence"> | undefined
  readonly start: ReadonlyArray<StartFiring>
  readonly interrupt: boolean
  readonly hungry: boolean
  readonly alone: boolean
  readonly waitsAlone: boolean
  readonly dueAt: number | undefined
}

/**
 * What a decision may use: the time, how many firings may start, and whether one may that must run alone, which it may by
 * default where there is a slot.
 */
export interface Budget {
  readonly now: number
  readonly slots: number
  readonly alone?: boolean
}

/**
 * The run machine: from what is true and what has happened, what becomes true and what starts. Pure.
 *
 * **Details** The same function schedules a fresh run and a recovered one. All events of one call become one commit.
 */
export const decide = (state: RunState, events: ReadonlyArray<RunEvent>, budget: Budget): Decision => {
  if (isEnded(state.status) || state.status === "parked") return unchanged(state, undefined)
  const draft = new Draft(state, budget.now, budget.slots, budget.alone ?? budget.slots > 0)
  const turn = new Turn(draft, state)
  for (const event of events) turn.apply(event)
  turn.passDeadline()
  turn.passTotals()
  if (!turn.isOver) {
    markWaiting(draft)
    settle(draft, !turn.paused && !draft.early)
  }
  return conclude(draft, turn, turn.isOver && draft.undo !== undefined ? windDown(draft, turn) : goOn(draft, turn))
}

const unchanged = (state: RunState, dueAt: number | undefined, hungry = false, waitsAlone = false): Decision => ({
  state,
  commit: undefined,
  start: [],
  interrupt: false,
  hungry,
  alone: false,
  waitsAlone,
  dueAt
})

/** Nodes with a firing that may start now, those of a run that nobody has settled since it was started or reopened, and nodes whose next one may have found no room, are looked at again. */
const markWaiting = (draft: Draft): void => {
  for (const index of draft.state.active) {
    const node = draft.nodes[index]!
    const due = (open: OpenFiring) =>
      open.status === "scheduled" || (open.notBefore !== null && open.notBefore <= draft.now)
    if (draft.state.status === "pending" || draft.state.frontier.startAt !== undefined) draft.dirty.add(index)
    const queues = (handle: HandleState) => handle.queue.length > handle.head
    if (node.next === 1 || node.open.some(due) || node.handles.some(queues)) draft.dirty.add(index)
  }
}

/** What a run comes to that goes on as its graph says, or whose nodes leave nothing to be undone. */
const goOn = (draft: Draft, turn: Turn): Verdict => {
  const { output } = draft.plan
  const going = !turn.isOver
  const active = draft.active()
  const done = going && active.length === 1 && active[0] === output.index
  const result = done ? collectOutput(draft, output) : undefined
  if (result?._tag === "Missing") {
    turn.failure = result.failure
    if (draft.undo !== undefined) return windDown(draft, turn)
  }
  const { failure } = turn
  const running = active.some(isAtWork, draft)
  const moving = going && !turn.paused
  const early = moving && draft.early
  const full = draft.waitsAlone || draft.slots <= 0
  const hungry = moving && !early && full && active.some(mayStart, draft)
  const status = statusOf({ failure, done, turn, running, hungry, before: draft.state.status })
  const ended = isEnded(status)
  if (ended) cancelOpen(draft, active)
  return {
    active,
    status,
    reason: status === "suspended" ? suspensionReason(draft, active) : (failure?.message ?? null),
    output: result?._tag === "Output" ? result.text : null,
    failure: failure === undefined ? null : JSON.stringify(failure),
    hungry,
    waitsAlone: hungry && draft.waitsAlone,
    dueAt: moving ? earliestTimer(draft, active) : undefined
  }
}

const isRunning = (open: OpenFiring): boolean => open.status === "running"

/** For the methods of arrays that take a `this`: a function of its own for each decision would be compiled anew and anew. */
function isAtWork(this: Draft, index: number): boolean {
  return this.nodes[index]!.open.some(isRunning)
}

function mayStart(this: Draft, index: number): boolean {
  return couldStart(this, this.plan.nodes[index]!)
}

const conclude = (draft: Draft, turn: Turn, verdict: Verdict): Decision => {
  const { active, dueAt, failure, hungry, output, reason, status, waitsAlone } = verdict
  const ended = isEnded(status)
  // A run exists from its first commit on, even if nothing of it can start.
  const changed =
    draft.state.version === 0 ||
    draft.rows.size > 0 ||
    draft.rowless.size > 0 ||
    draft.messages.length > 0 ||
    turn.applied.length > 0 ||
    turn.answered.length > 0 ||
    draft.steps !== undefined ||
    status !== draft.state.status
  if (!changed) return unchanged(draft.state, dueAt, hungry, waitsAlone)
  if (!canMoveRun(draft.state.status, status)) throw new Error(`run can't go from ${draft.state.status} to ${status}`)
  const state = draft.finish(active, status)
  return {
    state,
    commit: {
      runId: state.runId,
      version: state.version,
      status,
      reason,
      frontier: state.frontier,
      firings: [...draft.rows.values()],
      started: [...draft.rowless.values()],
      messages: draft.messages,
      discarded: draft.discarded,
      ...(draft.unread === undefined ? {} : { unread: draft.unread }),
      applied: turn.applied,
      answered: turn.answered,
      steps: draft.steps ?? noSteps,
      output,
      failure
    },
    start: ended ? [] : draft.starts,
    interrupt: ended || turn.isOver,
    hungry: hungry && !ended,
    alone: !ended && draft.startsAlone,
    waitsAlone: waitsAlone && !ended,
    dueAt: ended ? undefined : dueAt
  }
}

const statusOf = (facts: {
  readonly failure: Failure | undefined
  readonly done: boolean
  readonly turn: Turn
  readonly running: boolean
  readonly hungry: boolean
  readonly before: RunStatus
}): RunStatus => {
  if (facts.failure !== undefined) return "failed"
  if (facts.turn.cancelling) return facts.running ? "cancelling" : "cancelled"
  if (facts.done) return "completed"
  if (facts.turn.paused) return "paused"
  if (facts.running) return "running"
  if (!facts.hungry) return "suspended"
  return facts.before === "pending" || facts.before === "recovering" ? facts.before : "running"
}

const cancelOpen = (draft: Draft, active: ReadonlyArray<number>): void => {
  for (const index of active) {
    for (const firing of draft.nodes[index]!.open.slice()) {
      draft.end(draft.plan.nodes[index]!, firing, "cancelled", null, null)
    }
  }
}

const noSteps: ReadonlyArray<StepRow> = []
