import { outputNode } from "../definition/Graph.js"
import type { Failure } from "../model/Failure.js"
import type { AttemptOutcome } from "../model/Firing.js"
import { externalProducer } from "../model/Message.js"
import type { CommandKind, RunCommit } from "../model/Run.js"
import type { Draft } from "./Draft.js"
import type { PlanNode } from "./Plan.js"
import { type OpenFiring, type RunEvent, type RunState, waitsForEvent } from "./RunState.js"
import { isKnownFailure, leaveUndo } from "./Undo.js"
import { withRead } from "./Unread.js"

/** What is said of a firing that was not over in time. */
export const tookTooLong = "all its attempts together took longer than its total time-out"

type Failed = Extract<AttemptOutcome, { _tag: "Failed" }>

/** What it comes to that the next attempt would begin when the time of all of them is over: that can be said at once. */
const withoutTime = ({ error: _, message, retryAt: __, ...outcome }: Failed): Failed => ({
  ...outcome,
  kind: "timeout",
  message: `the next attempt would begin after its total time-out; what this one failed of: ${message}`
})

/** The events of one decision, applied one after the other. */
export class Turn {
  failure: Failure | undefined
  /** A compensation that has failed for good. */
  gaveUp: Failure | undefined
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

  /** Whether nothing new starts, and what ends has no retries: the run is cancelled, or winds down. */
  private get stops(): boolean {
    const { undo } = this.draft
    return this.cancelling || (undo !== undefined && (undo.over !== undefined || this.failure !== undefined))
  }

  /** Whether the run does not go on as its graph says. */
  get isOver(): boolean {
    return this.failure !== undefined || this.stops
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
      case "Emitted":
        return this.emitted(event)
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
      else this.draft.emit(port, 1, 0, { _tag: "Live", text: value.text, value: value.value })
    }
    this.draft.close(input.index)
    this.draft.dirty.add(input.index)
    // Nodes that nothing leads to fire without being told.
    for (const node of nodes) {
      const isFree = node.kind !== "compensation" && node.handles.every((_, index) => index === node.external)
      if (isFree) this.draft.dirty.add(this.touch(node.index))
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
        // What can be undone is, whatever it did.
        if (this.stops && !plan.compensates && plan.kind !== "compensation")
          this.draft.end(plan, firing, "cancelled", null, null)
        else this.draft.put(plan, { ...firing, status: "scheduled" })
    }
  }

  private completed(plan: PlanNode, firing: OpenFiring, outcome: Extract<AttemptOutcome, { _tag: "Completed" }>): void {
    const emitted: Record<string, number> = {}
    for (const port of plan.ports) {
      const values = outcome.outputs[port.name] ?? []
      const count = outcome.streamed?.[port.name]
      emitted[port.name] = count ?? values.length
      if (count !== undefined) continue
      values.forEach((value, ordinal) =>
        this.draft.emit(port, firing.firing, ordinal, { _tag: "Live", text: value.text, value: value.value })
      )
      if (values.length === 0 && port.mode !== "many") this.draft.bury(port, firing.firing, "not_taken")
    }
    if (plan.errorPort !== undefined) this.draft.bury(plan.errorPort, firing.firing, "not_taken")
    if (plan.compensates) leaveUndo(this.draft, plan, firing, outcome.outputs)
    this.draft.end(plan, withRead(this.draft, plan, firing, outcome.read), "completed", emitted, null)
  }

  private failed(plan: PlanNode, firing: OpenFiring, outcome: Failed): void {
    const failure: Failure = {
      kind: outcome.kind,
      message: outcome.message,
      nodeId: plan.id,
      firing: firing.firing,
      attempt: firing.attempt,
      ...(outcome.error === undefined ? {} : { error: outcome.error.value })
    }
    if (outcome.retryAt !== undefined && (!this.stops || plan.kind === "compensation")) {
      if (firing.deadline !== null && outcome.retryAt >= firing.deadline) {
        return this.failed(plan, firing, withoutTime(outcome))
      }
      this.draft.put(plan, {
        ...firing,
        status: "scheduled",
        attempt: firing.attempt + 1,
        notBefore: outcome.retryAt,
        reason: outcome.message
      })
      return
    }
    if (plan.compensates && !isKnownFailure(firing, outcome.kind)) leaveUndo(this.draft, plan, firing, null)
    const isWired = plan.errorPort !== undefined && outcome.error !== undefined
    // One that fails its run may be tried again, and reads again.
    const ended = isWired ? withRead(this.draft, plan, firing, outcome.read) : firing
    this.draft.end(plan, ended, "failed", null, JSON.stringify(failure))
    if (plan.kind === "compensation") {
      this.gaveUp ??= failure
      return
    }
    if (plan.errorPort === undefined || outcome.error === undefined) {
      // A run that is being cancelled ends so, whatever else becomes of its firings.
      if (!this.stops) this.failure ??= failure
      return
    }
    for (const port of plan.ports) {
      // What it has given by then is there, and nothing stands for the rest: as for an empty one.
      if ((outcome.streamed?.[port.name] ?? 0) === 0) this.draft.bury(port, firing.firing, "failed")
    }
    const { text, value } = outcome.error
    this.draft.emit(plan.errorPort, firing.firing, 0, { _tag: "Live", text, value })
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

  private stepReached(event: Extract<RunEvent, { _tag: "StepReached" }>): void {
    const open = this.atWork(event)
    if (open === undefined) return
    this.draft.remember([event.row])
    if (event.row.kind === "checkpoint") this.progressed(event.node, open)
  }

  private emitted(event: Extract<RunEvent, { _tag: "Emitted" }>): void {
    const plan = this.draft.plan.nodes[event.node]!
    const open = this.atWork(event)
    const port = plan.ports.find(({ name }) => name === event.port)
    if (open === undefined || port === undefined) return
    event.values.forEach(({ text, value }, index) =>
      this.draft.emit(port, event.firing, event.from + index, { _tag: "Live", text, value })
    )
    this.progressed(event.node, open)
  }

  /** The firing that an event is about, if it still runs. */
  private atWork(event: { readonly node: number; readonly firing: number; readonly attempt: number }) {
    const open = this.draft.nodes[event.node]!.open.find((candidate) => candidate.firing === event.firing)
    return open?.status === "running" && open.attempt === event.attempt ? open : undefined
  }

  /** A long firing that gets on is no poison, however many processes have died meanwhile. */
  private progressed(node: number, open: OpenFiring): void {
    if (open.crashes > 0) this.draft.put(this.draft.plan.nodes[node]!, { ...open, crashes: 0 })
  }

  /** A run that has not ended by its deadline has failed. */
  passDeadline(): void {
    const { deadline } = this.draft.state.frontier
    if (deadline === undefined || this.draft.now < deadline || this.stops) return
    this.failure ??= { kind: "timeout", message: "its deadline has passed", nodeId: outputNode, firing: 1, attempt: 1 }
  }

  /** A firing whose time is over has failed, whatever it waits for; one that runs is ended by its attempt. */
  passTotals(): void {
    for (const plan of this.draft.plan.timed) {
      for (const open of this.draft.nodes[plan.index]!.open.slice()) {
        const isLate = open.status !== "running" && open.deadline !== null && open.deadline <= this.draft.now
        if (!isLate || this.isOver) continue
        this.failed(plan, open, { _tag: "Failed", kind: "timeout", message: tookTooLong })
        this.draft.dirty.add(plan.index)
      }
    }
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
        content: { _tag: "Live", text: event.payload.text, value: event.payload.value }
      }
    )
  }

  /** A trigger node takes as many events as it can have firings. */
  private full(plan: PlanNode, received: number): boolean {
    return plan.kind === "trigger" && received >= plan.limit
  }

  private fits(kind: CommandKind): boolean {
    if (this.isOver) return false
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
