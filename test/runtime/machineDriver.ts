import assert from "node:assert/strict"
import * as FastCheck from "effect/FastCheck"
import type { Graph, GraphNode } from "../../src/definition/Graph.js"
import type { AttemptOutcome } from "../../src/model/Firing.js"
import type { CommandKind } from "../../src/model/Run.js"
import type { RunEvent, StartFiring } from "../../src/runtime/RunState.js"
import type { Rule } from "./graphsRule.js"
import { Harness } from "./machineHarness.js"
import { Streams } from "./machineStreams.js"

/** Chooses one of n possibilities; 0 is always one that brings the run on. */
type Choose = (possibilities: number) => number

/** A schedule: the choices in turn, then always the first possibility. Shrinks towards one event after the other. */
export type Schedule = ReadonlyArray<number>

export const schedules: FastCheck.Arbitrary<Schedule> = FastCheck.array(FastCheck.nat(5_000), {
  maxLength: 300,
  size: "max"
})

/** The schedule in which what started first ends first, alone, with room for everything. */
const plainSchedule: Schedule = []

const choosing = (schedule: Schedule): Choose => {
  let next = 0
  return (possibilities) => (next < schedule.length ? schedule[next++]! % possibilities : 0)
}

/**
 * What may happen besides handlers ending.
 *
 * **Details** `supply` bounds the events each node gets from outside in all; unlimited, a node that waits gets one, except
 * triggers without end, which get three. `crashes`: deaths and hand-overs between commits; `crashAfter` is one death after
 * exactly that commit. `commands` arrive in order at any moment; a paused run that has nothing else is resumed.
 */
export interface DriveOptions {
  readonly schedule?: Schedule
  readonly supply?: number
  readonly crashes?: boolean
  readonly crashAfter?: number
  readonly commands?: ReadonlyArray<CommandKind>
  /** How long the firings of a node may take, in milliseconds. */
  readonly totals?: { readonly [nodeId: string]: number }
  /** Firings give streams and read them, reach steps, and wait in these; readers may leave early. */
  readonly streams?: boolean
  readonly leavesEarly?: boolean
}

/** Drives a run until it has ended, or nothing can happen any more. */
export const drive = (graph: Graph, rule: Rule, options: DriveOptions = {}): Harness => {
  const harness = new Harness(graph, rule, options.totals)
  new Driver(harness, choosing(options.schedule ?? plainSchedule), options).drive()
  return harness
}

class Driver {
  private readonly sent = new Map<string, number>()
  private readonly external: ReadonlyArray<GraphNode>
  private readonly commands: Array<CommandKind>
  private crashed = false
  private readonly waited = new Set<string>()
  private readonly streams: Streams

  constructor(
    private readonly harness: Harness,
    private readonly choose: Choose,
    private readonly options: DriveOptions
  ) {
    this.external = harness.graph.nodes.filter(({ kind, resumable }) => kind === "trigger" || resumable)
    this.commands = [...(options.commands ?? [])]
    this.streams = new Streams(harness)
  }

  drive(): void {
    this.harness.start({}, { slots: this.slots() })
    for (let step = 0; !this.harness.ended; step++) {
      assert.ok(step < 20_000, "the run comes to an end")
      if (this.dies()) continue
      const events = this.events()
      if (this.choose(4) === 3) this.harness.now += this.choose(50)
      if (events.length > 0) this.harness.step(events, { slots: this.slots() })
      else if (!this.nudge()) return
    }
  }

  private dies(): boolean {
    const { crashAfter, crashes } = this.options
    if (crashAfter === this.harness.commits && !this.crashed) {
      this.crashed = true
      this.harness.crash()
      return true
    }
    const fate = crashes === true ? this.choose(16) : 0
    if (fate === 15) this.harness.crash()
    if (fate === 14) this.harness.handOver()
    return fate >= 14
  }

  private slots(): number {
    return [Number.POSITIVE_INFINITY, 1, 2, 0, 3][this.choose(5)]!
  }

  /** One to three things that happen before the run is looked at again. */
  private events(): ReadonlyArray<RunEvent> {
    const running = [...this.harness.running.keys()].filter((key) => this.mayMove(key))
    const events: Array<RunEvent> = []
    for (let left = 1 + this.choose(3); left > 0; left--) {
      const early = this.external.filter((node) => this.sentTo(node) < Math.min(2, this.supplyOf(node)))
      const kinds = running.length + early.length + Math.min(1, this.commands.length)
      if (kinds === 0) return events
      // With nothing running, an early event or a command may also wait for its moment.
      const chosen = this.choose(running.length === 0 ? kinds + 1 : kinds) - (running.length === 0 ? 1 : 0)
      if (chosen < 0) return events
      if (chosen < running.length) events.push(...this.progress(running.splice(chosen, 1)[0]!))
      else if (chosen < running.length + early.length) events.push(this.send(early[chosen - running.length]!))
      else events.push(this.harness.asks(this.commands.shift()!))
    }
    return events
  }

  /** What a running firing comes to next, alone. */
  private progress(key: string): ReadonlyArray<RunEvent> {
    const start = this.harness.running.get(key)!
    if (this.options.streams !== true) return [this.ending(key)]
    if (this.isInterrupted(start)) return [this.ending(key, { _tag: "Interrupted" })]
    const what = this.choose(6)
    const [left] = this.streams.left(start)
    if (what === 1 && left !== undefined) {
      return [this.streams.gives(start, left, 1 + this.choose(left.values.length))]
    }
    if (what === 2) return [this.streams.remembers(start)]
    if (what === 3 && !this.waited.has(key)) {
      this.waited.add(key)
      return [this.ending(key, this.streams.waits(start, this.harness.now + 20))]
    }
    if (what === 4) return [this.ending(key, { _tag: "Interrupted" })]
    return this.streams.ends(start, this.streams.canEnd(start) ? 1 : 0.5)
  }

  /** When the run winds down all are interrupted but those that are waited for. */
  private isInterrupted({ node }: StartFiring): boolean {
    const { cancelling, frontier, plan } = this.harness.state
    const { drains, kind } = plan.nodes[node]!
    return (cancelling || frontier.undo?.over !== undefined) && !drains && kind !== "compensation"
  }

  /** A reader of streams moves when all is there, and some leave early. */
  private mayMove(key: string): boolean {
    const start = this.harness.running.get(key)!
    if (this.options.streams !== true || this.isInterrupted(start) || this.streams.canEnd(start)) return true
    return this.options.leavesEarly === true && this.choose(16) === 15
  }

  private ending(key: string, always?: AttemptOutcome): RunEvent {
    const [nodeId = "", firing] = key.split("/")
    const interrupted = this.choose(12) === 11
    return this.harness.ends(nodeId, Number(firing), always ?? (interrupted ? { _tag: "Interrupted" } : undefined))
  }

  private sentTo(node: GraphNode): number {
    return this.sent.get(node.id) ?? 0
  }

  private supplyOf(node: GraphNode): number {
    const aligned = node.inputs.some(({ mode }) => mode === "one") && node.inputs.every(({ mode }) => mode !== "all")
    const endless = node.kind === "trigger" && node.repeated === null && !aligned
    return this.options.supply ?? (endless ? 3 : Number.POSITIVE_INFINITY)
  }

  /** The k-th event of a node is the same in every schedule. */
  private send(node: GraphNode): RunEvent {
    const count = this.sentTo(node) + 1
    this.sent.set(node.id, count)
    return this.harness.arrives(node.id, `event ${count} for ${node.id}`)
  }

  /** Makes something happen in a run in which nothing moves; gives false if nothing can. */
  private nudge(): boolean {
    const { harness } = this
    if (harness.waitsAlone) this.giveWay()
    else if (harness.hungry) harness.look({ slots: Math.max(1, this.slots()) })
    else if (harness.dueAt !== undefined) harness.wait()
    else if (harness.status === "paused") harness.step([harness.asks("resume")], { slots: this.slots() })
    else {
      const waiting = this.external.filter((node) => this.waits(node) && this.sentTo(node) < this.supplyOf(node))
      const command = waiting.length > 0 ? undefined : this.commands.shift()
      if (waiting.length > 0) harness.step([this.send(waiting[this.choose(waiting.length)]!)], { slots: this.slots() })
      else if (command !== undefined) harness.step([harness.asks(command)], { slots: this.slots() })
      else return false
    }
    return true
  }

  /** Readers that wait give way to a firing that must run alone: they are interrupted, and nothing else starts before it. */
  private giveWay(): void {
    const { harness } = this
    const events = [...harness.running.keys()].map((key) => this.ending(key, { _tag: "Interrupted" }))
    if (events.length > 0) harness.step(events, { slots: 0 })
    else harness.look({ slots: 0, alone: true })
  }

  private waits({ id }: GraphNode): boolean {
    return this.harness.tables.firingsOf(id).some(({ status }) => status === "suspended")
  }
}
