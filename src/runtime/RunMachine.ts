import { outputNode } from "../definition/Graph.js"
import type { Failure } from "../model/Failure.js"
import type { AttemptOutcome } from "../model/Firing.js"
import { externalProducer } from "../model/Message.js"
import type { CommandKind, RunCommit } from "../model/Run.js"
import { canMoveRun, isEnded, type RunStatus } from "../model/Status.js"
import type { StepRow } from "../model/StepRow.js"
import { Draft } from "./Draft.js"
import type { PlanNode } from "./Plan.js"
import { collectOutput } from "./RunOutput.js"
import {
  type HandleState,
  type OpenFiring,
  type RunEvent,
  type RunState,
  type StartFiring,
  waitsForEvent
} from "./RunState.js"
import { couldStart, settle } from "./Settle.js"
import { earliestTimer, suspensionReason } from "./Waits.js"

/**
 * What a decision comes to.
 *
 * **Details** `commit` lacks only the fence; without one nothing has changed. After the commit: fork `start`, interrupt
 * what runs if `interrupt`. `hungry`: a firing could start if there were a slot. `alone`: the only one of `start` must run
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
  if (turn.failure === undefined && !turn.cancelling) {
    markWaiting(draft)
    settle(draft, !turn.paused && !draft.early)
  }
  return conclude(draft, turn)
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

/** The events of one decision, applied one after the other. */
class Turn {
  failure: Failure | undefined
  cancelling: boolean
  paused: boolean
  readonly applied: Array<RunCommit["applied"][number]> = []
  readonly answered: Array<RunCommit["answered"][number]> = []

  constructor(
    private readonly draft: Draft,
    state: RunState
  ) {
    this.cancelling = state.cancelling
    this.paused = state.paused
  }

  apply(event: RunEvent): void {
    switch (event._tag) {
      case "Started":
        return this.started(event)
      case "AttemptEnded":
        return this.attemptEnded(event)
      case "InputArrived":
        return this.inputArrived(event)
      case "SignalArrived":
        return this.signalArrived(event)
      case "StepReached":
        return this.stepReached(event)
      case "InputUnreadable":
        this.applied.push({ seq: event.seq, status: "dead" })
        return
      case "CommandArrived":
        return this.commandArrived(event)
      case "Look":
        return
    }
  }

  private started(event: Extract<RunEvent, { _tag: "Started" }>): void {
    const { input, nodes } = this.draft.plan
    for (const port of input.ports) {
      const value = event.input[port.name]
      if (value === undefined) this.draft.bury(port, 1, "not_taken")
      else this.draft.emit(port, 1, 0, { _tag: "Live", ...value })
    }
    this.draft.close(input.index)
    this.draft.dirty.add(input.index)
    // Nodes that nothing leads to fire without being told.
    for (const node of nodes) {
      if (node.handles.every((_, index) => index === node.external)) this.draft.dirty.add(this.touch(node.index))
    }
  }

  private touch(index: number): number {
    this.draft.edit(index)
    return index
  }

  private attemptEnded(event: Extract<RunEvent, { _tag: "AttemptEnded" }>): void {
    const plan = this.draft.plan.nodes[event.node]!
    const firing = this.draft.nodes[event.node]!.open.find((open) => open.firing === event.firing)
    if (firing === undefined || firing.status !== "running" || firing.attempt !== event.attempt) return
    this.draft.dirty.add(event.node)
    switch (event.outcome._tag) {
      case "Completed":
        return this.completed(plan, firing, event.outcome)
      case "Failed":
        return this.failed(plan, firing, event.outcome)
      case "Suspended":
        return this.suspended(plan, firing, event.outcome)
      case "Waits":
        return this.waits(plan, firing, event.outcome)
      case "Interrupted":
        if (this.cancelling) this.draft.end(plan, firing, "cancelled", null, null)
        else this.draft.put(plan, { ...firing, status: "scheduled" })
    }
  }

  private completed(plan: PlanNode, firing: OpenFiring, outcome: Extract<AttemptOutcome, { _tag: "Completed" }>): void {
    const emitted: Record<string, number> = {}
    for (const port of plan.ports) {
      const values = outcome.outputs[port.name] ?? []
      emitted[port.name] = values.length
      values.forEach((value, ordinal) =>
        this.draft.emit(port, firing.firing, ordinal, { _tag: "Live", text: value.text, value: value.value })
      )
      if (values.length === 0 && port.mode !== "many") this.draft.bury(port, firing.firing, "not_taken")
    }
    if (plan.errorPort !== undefined) this.draft.bury(plan.errorPort, firing.firing, "not_taken")
    this.draft.end(plan, firing, "completed", emitted, null)
  }

  private failed(plan: PlanNode, firing: OpenFiring, outcome: Extract<AttemptOutcome, { _tag: "Failed" }>): void {
    const failure: Failure = {
      kind: outcome.kind,
      message: outcome.message,
      nodeId: plan.id,
      firing: firing.firing,
      attempt: firing.attempt,
      ...(outcome.error === undefined ? {} : { error: outcome.error.value })
    }
    if (outcome.retryAt !== undefined && !this.cancelling) {
      this.draft.put(plan, {
        ...firing,
        status: "scheduled",
        attempt: firing.attempt + 1,
        notBefore: outcome.retryAt,
        reason: outcome.message
      })
      return
    }
    this.draft.end(plan, firing, "failed", null, JSON.stringify(failure))
    if (plan.errorPort === undefined || outcome.error === undefined) {
      // A run that is being cancelled ends so, whatever else becomes of its firings.
      if (!this.cancelling) this.failure ??= failure
      return
    }
    for (const port of plan.ports) this.draft.bury(port, firing.firing, "failed")
    this.draft.emit(plan.errorPort, firing.firing, 0, { _tag: "Live", ...outcome.error })
  }

  private suspended(plan: PlanNode, firing: OpenFiring, outcome: Extract<AttemptOutcome, { _tag: "Suspended" }>): void {
    const event = firing.taken[plan.external]
    const handle = plan.handles[plan.external]?.name
    this.draft.put(plan, {
      ...firing,
      status: "suspended",
      reason: outcome.reason,
      state: outcome.state,
      notBefore: outcome.resumeAt ?? null,
      // The event that woke it is behind it: its row only tells how far the events are taken.
      ...(handle === undefined || event === undefined || !("producer" in event)
        ? {}
        : {
            taken: firing.taken.map((taken, index) => (index === plan.external ? undefined : taken)),
            inputs: { ...firing.inputs, [handle]: { all: event.firing } }
          })
    })
  }

  /** A step waits: the firing keeps all it took, for it starts again with it. */
  private waits(plan: PlanNode, firing: OpenFiring, outcome: Extract<AttemptOutcome, { _tag: "Waits" }>): void {
    const { reason, resumeAt, steps } = outcome
    this.draft.remember(steps)
    this.draft.put(plan, { ...firing, status: "suspended", reason, notBefore: resumeAt ?? null })
  }

  private stepReached({ attempt, firing, node, row }: Extract<RunEvent, { _tag: "StepReached" }>): void {
    const open = this.draft.nodes[node]!.open.find((candidate) => candidate.firing === firing)
    if (open?.status === "running" && open.attempt === attempt) this.draft.remember([row])
  }

  /** A run that has not ended by its deadline has failed. */
  passDeadline(): void {
    const { deadline } = this.draft.state.frontier
    if (deadline === undefined || this.draft.now < deadline || this.cancelling) return
    this.failure ??= { kind: "timeout", message: "its deadline has passed", nodeId: outputNode, firing: 1, attempt: 1 }
  }

  /** Whoever waits in a step looks again: which of them the signal is for, its step finds out. */
  private signalArrived({ nodeId, seq }: Extract<RunEvent, { _tag: "SignalArrived" }>): void {
    const plan = this.draft.plan.byId.get(nodeId)
    const node = plan === undefined ? undefined : this.draft.nodes[plan.index]!
    if (plan === undefined || node === undefined || node.ended) {
      this.applied.push({ seq, status: "dead" })
      return
    }
    this.applied.push({ seq, status: "applied" })
    for (const open of node.open.slice()) {
      if (open.status !== "suspended" || waitsForEvent(plan, open)) continue
      this.draft.put(plan, { ...open, status: "scheduled", notBefore: null })
      this.draft.dirty.add(plan.index)
    }
  }

  private inputArrived(event: Extract<RunEvent, { _tag: "InputArrived" }>): void {
    const plan = this.draft.plan.byId.get(event.nodeId)
    const node = plan === undefined ? undefined : this.draft.nodes[plan.index]!
    if (plan === undefined || node === undefined || plan.external < 0 || node.ended || this.full(plan, node.received)) {
      this.applied.push({ seq: event.seq, status: "dead" })
      return
    }
    this.applied.push({ seq: event.seq, status: "applied" })
    const received = node.received + 1
    this.draft.edit(plan.index).received = received
    this.draft.deliver(
      { node: plan.index, handle: plan.external, edge: 0 },
      {
        producer: externalProducer,
        firing: received,
        ordinal: 0,
        content: { _tag: "Live", ...event.payload }
      }
    )
  }

  /** A trigger node takes as many events as it can have firings. */
  private full(plan: PlanNode, received: number): boolean {
    return plan.kind === "trigger" && received >= plan.limit
  }

  private fits(kind: CommandKind): boolean {
    if (this.cancelling || this.failure !== undefined) return false
    if (kind === "cancel") return true
    if (kind === "pause") return !this.paused
    return kind === "resume" && this.paused
  }

  private commandArrived(event: Extract<RunEvent, { _tag: "CommandArrived" }>): void {
    const fits = this.fits(event.kind)
    this.answered.push({ seq: event.seq, status: fits ? "applied" : "refused", kind: event.kind })
    if (!fits) return
    this.cancelling = event.kind === "cancel"
    this.paused = event.kind === "pause"
  }
}

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

const conclude = (draft: Draft, turn: Turn): Decision => {
  const { output } = draft.plan
  const going = turn.failure === undefined && !turn.cancelling
  const active = draft.active()
  const done = going && active.length === 1 && active[0] === output.index
  const result = done ? collectOutput(draft, output) : undefined
  const failure = turn.failure ?? (result?._tag === "Missing" ? result.failure : undefined)
  const running = active.some((index) => draft.nodes[index]!.open.some((open) => open.status === "running"))
  const moving = going && !turn.paused
  const early = moving && draft.early
  const full = draft.waitsAlone || draft.slots <= 0
  const hungry = moving && !early && full && active.some((index) => couldStart(draft, draft.plan.nodes[index]!))
  const waitsAlone = hungry && draft.waitsAlone
  const dueAt = moving ? earliestTimer(draft, active) : undefined
  const status = statusOf({ failure, done, turn, running, hungry, before: draft.state.status })
  const ended = isEnded(status)
  if (ended) cancelOpen(draft, active)
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
  const state = draft.finish(active, status, turn.cancelling, turn.paused)
  return {
    state,
    commit: {
      runId: state.runId,
      version: state.version,
      status,
      reason: status === "suspended" ? suspensionReason(draft, active) : (failure?.message ?? null),
      frontier: state.frontier,
      firings: [...draft.rows.values()],
      started: [...draft.rowless.values()],
      messages: draft.messages,
      discarded: draft.discarded,
      applied: turn.applied,
      answered: turn.answered,
      steps: draft.steps ?? noSteps,
      output: result?._tag === "Output" ? result.text : null,
      failure: failure === undefined ? null : JSON.stringify(failure)
    },
    start: ended ? [] : draft.starts,
    interrupt: ended || turn.cancelling,
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
