import type { AttemptOutcome, StreamRead } from "../../src/model/Firing.js"
import type { PlanNode, PlanPort } from "../../src/runtime/Plan.js"
import type { RunEvent, StartFiring } from "../../src/runtime/RunState.js"
import { encoded, type Harness, readable } from "./machineHarness.js"

/** Whether nothing more will come on the streams of a node. */
const isWhole = ({ state }: Harness, plan: PlanNode): boolean =>
  plan.handles.every(
    ({ mode }, index) =>
      mode !== "stream" ||
      state.nodes[plan.index]!.handles[index]!.edges.every(({ expected }) => expected === Number.POSITIVE_INFINITY)
  )

/** How far a reader is that has read all there is by now, or a part of it. */
const readOf = (harness: Harness, plan: PlanNode, part: number): Readonly<Record<string, StreamRead>> =>
  Object.fromEntries(
    plan.handles.flatMap(({ mode, name }, index) => {
      if (mode !== "stream") return []
      const rows = readable(harness, plan, index)
      const read = rows.slice(0, Math.ceil(rows.length * part))
      const positions = Object.fromEntries(
        read.map(({ firing, ordinal, producer }) => [producer, [firing, ordinal + 1] as const])
      )
      return [[name, { positions, whole: part === 1 && isWhole(harness, plan) }]]
    })
  )

/** Nobody waits for it. */
const noop = (): void => undefined

interface Left {
  readonly port: PlanPort
  readonly from: number
  readonly values: ReadonlyArray<ReturnType<typeof encoded>>
}

/** The attempts of a run that stream, work in steps and wait in them. */
export class Streams {
  constructor(private readonly harness: Harness) {}

  private plan({ node }: StartFiring): PlanNode {
    return this.harness.plan.nodes[node]!
  }

  /** Whether a firing can come to its end: a reader waits for all that comes. */
  canEnd(start: StartFiring): boolean {
    return isWhole(this.harness, this.plan(start))
  }

  /** What a firing has still to give as a stream. */
  left(start: StartFiring): ReadonlyArray<Left> {
    const plan = this.plan(start)
    if (plan.kind === "compensation" || !this.canEnd(start)) return []
    const { result, suspends } = this.harness.ruled(start)
    if (result._tag !== "Complete" || Number(start.firing.state ?? 0) < suspends) return []
    return plan.ports.flatMap((port) => {
      if (port.mode !== "many" || port.targets.length === 0) return []
      const from = this.given(start, port)
      const values = (result.outputs[port.name] ?? []).slice(from).map(encoded)
      return values.length === 0 ? [] : [{ port, from, values }]
    })
  }

  /** How much of a port stands in the rows; all its consumers have the same. */
  private given({ firing }: StartFiring, { producer, targets: [target] }: PlanPort): number {
    const consumer = this.harness.plan.nodes[target!.node]!
    const rows = this.harness.tables.messagesOn(consumer.id, consumer.handles[target!.handle]!.name)
    const own = rows.filter((row) => row.producer === producer && row.firing === firing.firing)
    return own.filter(({ content }) => content._tag === "Live").length
  }

  private place({ firing, node }: StartFiring) {
    return { node, firing: firing.firing, attempt: firing.attempt }
  }

  /** Gives some of what is left on a port. */
  gives(start: StartFiring, { from, port, values }: Left, count = values.length): RunEvent {
    this.harness.streamed.add(`${port.producer}/${start.firing.firing}`)
    const given = { port: port.name, from, values: values.slice(0, count), committed: noop }
    return { _tag: "Emitted", ...this.place(start), ...given }
  }

  /** A step is remembered. */
  remembers(start: StartFiring): RunEvent {
    const { attempt, firing } = start.firing
    const what = { kind: "run", name: "step", key: "", status: "completed", value: "1" } as const
    const row = { ...what, nodeId: this.plan(start).id, firing, attempt, firingAttempt: attempt }
    return { _tag: "StepReached", ...this.place(start), row: { ...row, notBefore: null, inputSeq: null } }
  }

  /** A step waits for its time. */
  waits(start: StartFiring, resumeAt: number): AttemptOutcome {
    const row = this.remembers(start)
    const steps = row._tag === "StepReached" ? [{ ...row.row, name: "sleep", kind: "sleep" as const }] : []
    return { _tag: "Waits", reason: "sleep", resumeAt, steps }
  }

  /** The end of an attempt, after all it had still to give; what had been streamed is counted, not given again. */
  ends(start: StartFiring, part = 1): ReadonlyArray<RunEvent> {
    const plan = this.plan(start)
    const outcome = this.harness.outcome(start)
    const given = (port: PlanPort): boolean => this.harness.streamed.has(`${port.producer}/${start.firing.firing}`)
    const last = outcome._tag === "Completed" ? this.left(start).filter(({ port }) => given(port)) : []
    const events = last.map((each) => this.gives(start, each))
    return [
      ...events,
      { _tag: "AttemptEnded", ...this.place(start), outcome: this.withStreams(start, plan, outcome, part) }
    ]
  }

  private withStreams(start: StartFiring, plan: PlanNode, outcome: AttemptOutcome, part: number): AttemptOutcome {
    if (outcome._tag !== "Completed" && outcome._tag !== "Failed") return outcome
    const ports = plan.ports.filter((port) => this.harness.streamed.has(`${port.producer}/${start.firing.firing}`))
    const read = plan.handles.some(({ mode }) => mode === "stream") ? { read: readOf(this.harness, plan, part) } : {}
    const counts = ports.map((port) => {
      const all = outcome._tag === "Completed" ? (outcome.outputs[port.name] ?? []).length : this.given(start, port)
      return [port.name, all] as const
    })
    const streamed = counts.length === 0 ? {} : { streamed: Object.fromEntries(counts) }
    if (outcome._tag === "Failed") return { ...outcome, ...streamed, ...read }
    const outputs = { ...outcome.outputs, ...Object.fromEntries(counts.map(([name]) => [name, []])) }
    return { ...outcome, outputs, ...streamed, ...read }
  }
}
