import * as Effect from "effect/Effect"
import { Limits } from "../model/Limits.js"
import type { RunCommit } from "../model/Run.js"
import type { PlanPort } from "./Plan.js"
import type { NodeState, RunEvent, RunState, StartFiring } from "./RunState.js"
import { firingName } from "./StepOwner.js"
import type { Gate, StreamOwner, StreamRun, Waiter } from "./StreamOwner.js"
import { StreamSession } from "./StreamSession.js"

/**
 * The streams of one live run: who reads how far, and who has to wait for whom.
 *
 * **Details** Made when the first stream of the run is read or given. Messages are counted here and read from their rows; none is
 * kept.
 */
export class RunStreams implements StreamRun {
  private readonly sessions = new Map<string, StreamSession>()
  private readonly gates = new Map<string, Gate>()
  private readonly waiting = new Set<{ readonly holds: () => boolean; readonly resume: () => void }>()

  constructor(
    readonly owner: StreamOwner,
    public state: RunState
  ) {
    for (const { handles, id } of state.plan.nodes) {
      for (const { mode, name } of handles) {
        if (mode === "stream") this.gates.set(`${id}.${name}`, { delivered: 0, read: 0 })
      }
    }
  }

  /** The streams of one attempt. */
  begin(start: StartFiring): StreamSession {
    const session = new StreamSession(this, start)
    this.sessions.set(firingName(start), session)
    return session
  }

  find(start: StartFiring): StreamSession | undefined {
    return this.sessions.get(firingName(start))
  }

  has(firing: string): boolean {
    return this.sessions.has(firing)
  }

  /** The attempt is over. */
  ended(firing: string): void {
    this.sessions.get(firing)?.close()
    this.sessions.delete(firing)
  }

  get isBusy(): boolean {
    return this.sessions.size > 0
  }

  gate(nodeId: string, handle: string): Gate {
    const gate = this.gates.get(`${nodeId}.${handle}`)
    if (gate === undefined) throw new Error(`${nodeId}.${handle} is no stream`)
    return gate
  }

  /** These events are true, and this is the state now. */
  committed(state: RunState, commit: Pick<RunCommit, "messages">, events: ReadonlyArray<RunEvent>): void {
    this.state = state
    for (const { discarded, handle, nodeId } of commit.messages) {
      const gate = discarded ? undefined : this.gates.get(`${nodeId}.${handle}`)
      if (gate !== undefined) gate.delivered++
    }
    for (const event of events) if (event._tag === "Emitted") event.committed()
    this.changed()
  }

  /** Lets those go on who waited for what is so now. */
  changed(): void {
    for (const waiter of this.waiting) {
      if (!waiter.holds()) continue
      waiter.resume()
    }
  }

  /** Ends when something holds; looked at after each commit. */
  until(holds: () => boolean, who?: Waiter): Effect.Effect<void> {
    return Effect.async<void>((resume) => {
      if (holds()) return resume(Effect.void)
      const over = () => {
        if (this.waiting.delete(waiter)) who?.goesOn()
      }
      const goOn = () => {
        over()
        resume(Effect.void)
      }
      const waiter = { holds, resume: goOn }
      this.waiting.add(waiter)
      who?.waits()
      return Effect.sync(over)
    })
  }

  /** Whether the consumers of a port are not too far behind. */
  hasRoom(port: PlanPort): boolean {
    return port.targets.every(({ node }) => this.backlog(node) < Limits.edgeCredits)
  }

  /** How much a node could take and has not: what one handle has and another lacks does not count. */
  private backlog(index: number): number {
    const plan = this.state.plan.nodes[index]!
    const node = this.state.nodes[index]!
    if (node.ended) return 0
    const lengths = plan.handles.flatMap(({ mode, name }, handle) => {
      if (mode === "stream") return this.unread(plan.id, name)
      return mode === "one" || mode === "unordered" ? waitingIn(node, handle) : []
    })
    return lengths.length === 0 ? 0 : Math.min(...lengths)
  }

  private unread(nodeId: string, handle: string): number {
    const { delivered, read } = this.gate(nodeId, handle)
    return delivered - read
  }
}

const waitingIn = ({ handles }: NodeState, handle: number): number => {
  const { edges, head, queue } = handles[handle]!
  return queue.length - head + edges.reduce((sum, { early }) => sum + early.length, 0)
}
