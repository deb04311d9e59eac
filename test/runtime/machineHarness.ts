import assert from "node:assert/strict"
import * as Duration from "effect/Duration"
import type { Graph, GraphNode } from "../../src/definition/Graph.js"
import type { AttemptOutcome, EncodedValue } from "../../src/model/Firing.js"
import type { Json } from "../../src/model/Json.js"
import { Limits } from "../../src/model/Limits.js"
import { comparePositions, externalHandle, type Message, type MessageRow } from "../../src/model/Message.js"
import type { CommandKind } from "../../src/model/Run.js"
import { isEnded } from "../../src/model/Status.js"
import { compilePlan, type Plan, type PlanNode } from "../../src/runtime/Plan.js"
import { fromRows } from "../../src/runtime/Rebuild.js"
import { type Decision, decide } from "../../src/runtime/RunMachine.js"
import { freshState, type RunEvent, type RunState, type StartFiring } from "../../src/runtime/RunState.js"
import type { Rule, RuleInputs, RuleOutcome } from "./graphsRule.js"
import { checkInvariants } from "./machineInvariants.js"
import { runId, Tables } from "./machineRows.js"
import { normalised } from "./machineStates.js"

/** A value with its stored text. */
export const encoded = (value: Json): EncodedValue => ({ text: JSON.stringify(value), value })

/** Bounds of one decision; whether one may start that must run alone follows from the slots unless told. */
export interface StepOptions {
  readonly slots?: number
  readonly alone?: boolean
}

/**
 * One run: the machine, the rows its commits made, and the firings whose handlers are at work.
 *
 * **Details** After every decision it compares the state with what the rows give, and asks whether the decision was
 * complete: nothing startable left lying, no timer forgotten, no state changed under the hands of its holder.
 */
export class Harness {
  readonly plan: Plan
  readonly tables: Tables
  readonly running = new Map<string, StartFiring>()
  /** Firings that have given something as a stream, by port. */
  readonly streamed = new Set<string>()
  state: RunState
  now = 1_000_000
  commits = 0
  hungry = false
  waitsAlone = false
  dueAt: number | undefined
  private readonly nodes: ReadonlyMap<string, GraphNode>

  constructor(
    readonly graph: Graph,
    readonly rule: Rule,
    /** How long the firings of a node may take, in milliseconds. */
    totals: { readonly [nodeId: string]: number } = {}
  ) {
    const timed = Object.entries(totals).map(([id, ms]) => [id, { totalTimeout: Duration.millis(ms) }] as const)
    this.plan = compilePlan(graph, new Map(timed))
    this.tables = new Tables(this.plan)
    this.state = freshState(this.plan, runId)
    this.nodes = new Map(graph.nodes.map((node) => [node.id, node]))
  }

  get status(): RunState["status"] {
    return this.state.status
  }

  get ended(): boolean {
    return isEnded(this.state.status)
  }

  /** Starts the run; each input port gets its own name unless told otherwise. */
  start(input: { readonly [port: string]: Json } = {}, options?: StepOptions): Decision {
    const values = this.graph.input.map((port) => [port, encoded(input[port] ?? port)] as const)
    return this.step([{ _tag: "Started", input: Object.fromEntries(values) }], options)
  }

  /** The event of a running firing's attempt ending as the rule says, or as told. */
  ends(nodeId: string, firing = 1, outcome?: AttemptOutcome): RunEvent {
    const start = this.running.get(`${nodeId}/${firing}`)
    assert.ok(start !== undefined, `${nodeId}/${firing} is not running`)
    return {
      _tag: "AttemptEnded",
      node: start.node,
      firing,
      attempt: start.firing.attempt,
      outcome: outcome ?? this.outcome(start)
    }
  }

  /** Ends an attempt and decides. */
  end(nodeId: string, firing = 1, outcome?: AttemptOutcome): Decision {
    return this.step([this.ends(nodeId, firing, outcome)])
  }

  /** The event of an input that has become visible. */
  arrives(nodeId: string, payload: Json): RunEvent {
    const value = encoded(payload)
    return { _tag: "InputArrived", seq: this.tables.deliver(nodeId, value.text), nodeId, payload: value }
  }

  /** The event of a command that has become visible. */
  asks(kind: CommandKind): RunEvent {
    return { _tag: "CommandArrived", seq: this.tables.request(kind), kind }
  }

  look(options?: StepOptions): Decision {
    return this.step([{ _tag: "Look" }], options)
  }

  /** Lets time pass up to the earliest timer. */
  wait(): Decision {
    assert.ok(this.dueAt !== undefined, "there is a timer")
    this.now = this.dueAt
    return this.look()
  }

  /** Decides, commits and acts, and checks all there is to check. */
  step(events: ReadonlyArray<RunEvent>, options: StepOptions = {}): Decision {
    const slots = options.slots ?? Number.POSITIVE_INFINITY
    const before = snapshot(this.state)
    for (const event of events) {
      if (event._tag !== "AttemptEnded") continue
      const key = `${this.plan.nodes[event.node]!.id}/${event.firing}`
      if (this.running.get(key)?.firing.attempt === event.attempt) this.running.delete(key)
    }
    const alone = (options.alone ?? slots > 0) && this.running.size === 0
    const decision = decide(this.state, events, { now: this.now, slots, alone })
    assert.equal(snapshot(this.state), before, "decide leaves the state it was given as it was")
    this.checkAlone(decision, alone)
    if (decision.commit === undefined) {
      assert.equal(decision.state, this.state, "without a commit nothing has changed")
      assert.deepEqual(decision.start, [], "without a commit nothing starts")
    } else this.commit(decision, slots)
    this.hungry = decision.hungry
    this.waitsAlone = decision.waitsAlone
    this.dueAt = decision.dueAt
    this.checkComplete(decision, slots)
    return decision
  }

  /** A firing of which processes died starts when nothing runs, and nothing starts with it. */
  private checkAlone(decision: Decision, mayRunAlone: boolean): void {
    const suspicious = decision.start.filter(
      ({ firing, node }) => firing.crashes >= Limits.crashesBeforeAlone && !this.plan.nodes[node]!.streams
    )
    assert.equal(decision.alone, suspicious.length > 0, "alone: a firing starts of which processes died")
    if (!decision.alone) return
    assert.ok(mayRunAlone, "it starts when nothing runs")
    assert.equal(decision.start.length, 1, "nothing starts with it")
  }

  private commit(decision: Decision, slots: number): void {
    const commit = decision.commit!
    this.tables.apply(commit)
    this.state = decision.state
    this.commits++
    assert.ok(decision.start.length <= slots || decision.alone, "no more starts than there are slots")
    if (this.state.paused || this.state.cancelling) assert.deepEqual(decision.start, [], "nothing new starts")
    for (const start of decision.start) this.fork(start)
    if (this.ended) this.running.clear()
    checkInvariants(this.tables, commit, this.streamed)
    this.checkRunning()
    this.checkRebuild()
    this.checkTotals()
  }

  private readonly deadlines = new Map<string, number | null>()

  /** A firing keeps the deadline it got when it opened, and does not wait beyond it. */
  private checkTotals(): void {
    for (const { id, totalMs } of this.plan.timed) {
      for (const { deadline, firing, status } of this.tables.firingsOf(id)) {
        const key = `${id}/${firing}`
        const first = this.deadlines.get(key)
        if (first === undefined) {
          assert.equal(deadline, status === "skipped" ? null : this.now + totalMs, `${key} got its time when it opened`)
        } else assert.equal(deadline, first, `${key} keeps its deadline`)
        this.deadlines.set(key, deadline)
        const waits = status === "scheduled" || status === "suspended"
        const isWaitedWith = this.state.cancelling || this.status === "recovering"
        if (waits && !isWaitedWith) assert.ok(deadline! > this.now, `${key} waits in vain`)
      }
    }
  }

  private fork(start: StartFiring): void {
    const plan = this.plan.nodes[start.node]!
    const key = `${plan.id}/${start.firing.firing}`
    assert.ok(!this.running.has(key), `${key} starts while it runs`)
    for (const [index, handle] of plan.handles.entries()) {
      const taken = start.firing.taken[index]
      if (handle.name === externalHandle) {
        assert.ok(taken !== undefined || plan.kind !== "trigger", `${key} starts without its event`)
      } else
        assert.ok(
          taken !== undefined || handle.mode === "stream" || plan.kind === "compensation",
          `${key} starts without ${handle.name}`
        )
    }
    this.running.set(key, start)
  }

  /** The firings that rows and state call running are those at work, and not more of a node than it admits. */
  private checkRunning(): void {
    const rows = this.tables.allFirings().filter(({ status }) => status === "running")
    assert.deepEqual(rows.map(({ firing, nodeId }) => `${nodeId}/${firing}`).sort(), [...this.running.keys()].sort())
    for (const plan of this.plan.nodes) {
      const count = rows.filter(({ nodeId }) => nodeId === plan.id).length
      assert.ok(count <= plan.concurrency, `${plan.id} runs ${count} times at once`)
    }
  }

  private checkRebuild(): void {
    const rebuilt = this.rebuilt()
    const [expected, actual] = [normalised(this.state), normalised(rebuilt)]
    if (JSON.stringify(expected) !== JSON.stringify(actual)) assert.deepEqual(actual, expected, "rows give the state")
  }

  /** The state that recovery would build. */
  rebuilt(): RunState {
    const rebuilt = fromRows(this.plan, this.tables.read())
    assert.ok(rebuilt._tag === "Right", rebuilt._tag === "Left" ? rebuilt.left : "")
    return rebuilt.right
  }

  /** Nothing more follows from what has happened, unless a slot were free. */
  private checkComplete(decision: Decision, slots: number): void {
    if (this.ended) return
    const { now, state } = this
    const again = decide(state, [{ _tag: "Look" }], { now, slots: 0 })
    assert.equal(again.commit, undefined, "a second look finds nothing to do")
    const roomy = decide(state, [{ _tag: "Look" }], { now, slots: Number.POSITIVE_INFINITY, alone: true })
    assert.equal(decision.hungry, roomy.start.length > 0, "hungry: a slot would let a firing start")
    const held = decision.alone || decision.waitsAlone
    assert.ok(!decision.hungry || held || slots < Number.POSITIVE_INFINITY, "hungry only for want of slots")
    assert.ok(!decision.waitsAlone || decision.hungry, "to run alone is to be had, too")
    assert.ok(decision.dueAt === undefined || decision.dueAt > now, "a timer is ahead")
    if (state.status === "suspended") assert.ok(this.running.size === 0 && !decision.hungry, "suspended: nothing to do")
    if (state.status === "running") assert.ok(this.running.size > 0 || decision.hungry, "running: something to do")
  }

  /** The process dies: memory is lost, another one rebuilds the run. */
  crash(): void {
    this.tables.takeOver()
    this.rebuild()
  }

  /** The run is given up and claimed again; what ran goes back without a crash. */
  handOver(): void {
    this.tables.claimAgain()
    this.rebuild()
  }

  private rebuild(): void {
    this.running.clear()
    this.state = this.rebuilt()
    this.look({ slots: 0 })
  }

  /** What the rule says of a firing that runs. */
  ruled(start: StartFiring): RuleOutcome {
    const plan = this.plan.nodes[start.node]!
    return this.rule(plan.id, inputsOf(plan, this.nodes.get(plan.id)!, start, this))
  }

  /** What the rule lets an attempt come to. */
  outcome(start: StartFiring): AttemptOutcome {
    const plan = this.plan.nodes[start.node]!
    if (plan.kind === "compensation") return { _tag: "Completed", outputs: {} }
    const { attempt, state } = start.firing
    const { flaky, result, suspends } = this.ruled(start)
    if (attempt <= flaky) {
      const retryAt = this.now + 10 * attempt
      return { _tag: "Failed", kind: "error", message: "flaky", error: encoded("flaky"), retryAt }
    }
    const suspended = state === null ? 0 : Number(state)
    const external = start.firing.taken[plan.external]
    assert.equal(suspended > 0, plan.kind !== "trigger" && external !== undefined, "it has a state: an event woke it")
    if (suspended < suspends) return { _tag: "Suspended", reason: "asked", state: String(suspended + 1) }
    switch (result._tag) {
      case "Complete": {
        const ports = Object.entries(result.outputs).map(([port, values]) => [port, values.map(encoded)] as const)
        return { _tag: "Completed", outputs: Object.fromEntries(ports) }
      }
      case "Fail":
        return { _tag: "Failed", kind: "error", message: "fails", error: encoded(result.error) }
      case "Die":
        return { _tag: "Failed", kind: "defect", message: result.message }
    }
  }
}

/** What a reader of a stream finds in the rows by now: of each producer as wired, what is in its order. */
export const readable = ({ state, tables }: Harness, plan: PlanNode, index: number): ReadonlyArray<MessageRow> => {
  const { edges, name } = plan.handles[index]!
  const rows = tables.messagesOn(plan.id, name).filter(({ content }) => content._tag === "Live")
  return edges.flatMap(({ producer }, edge) => {
    const expected = state.nodes[plan.index]?.handles[index]?.edges[edge]?.expected ?? 0
    const inOrder = rows.filter((row) => row.producer === producer && row.firing <= expected)
    return inOrder.sort(comparePositions)
  })
}

/** What a started firing's handler sees. */
const inputsOf = (plan: PlanNode, node: GraphNode, { firing }: StartFiring, harness: Harness): RuleInputs => {
  const handles = node.inputs.map(({ mode, name }, index) => {
    if (mode === "stream") return [name, readable(harness, plan, index).map(live)] as const
    const taken = firing.taken[index]!
    return [name, "producer" in taken ? live(taken) : taken.map(live)] as const
  })
  const inputs = { handles: Object.fromEntries(handles) }
  return node.kind === "trigger" ? { ...inputs, event: live(firing.taken[plan.external] as Message) } : inputs
}

const live = ({ content, ...ref }: Message): Json => {
  assert.ok(content._tag === "Live", `a handler gets the tombstone ${JSON.stringify(ref)}`)
  return content.value
}

/** A state as text, without its plan; what is infinite reads as `null`, which stands nowhere else in its place. */
const snapshot = (state: RunState): string => JSON.stringify({ ...state, plan: undefined })
