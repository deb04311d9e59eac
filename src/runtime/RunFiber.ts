import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberMap from "effect/FiberMap"
import type * as Scope from "effect/Scope"
import type { AttemptOutcome } from "../model/Firing.js"
import type { RunId } from "../model/Ids.js"
import type { RunCommand, TriggerInput } from "../model/Run.js"
import { isEnded, type ParkReason } from "../model/Status.js"
import { attempt } from "./Attempt.js"
import type { RunEnd } from "./Awaiters.js"
import { parseJson } from "./Codec.js"
import type { Registered } from "./Definitions.js"
import type { RunEnvironment } from "./RunEnvironment.js"
import { type Decision, decide } from "./RunMachine.js"
import type { RunEvent, RunState, StartFiring } from "./RunState.js"

/** Why a run left this worker's memory. */
export type RunExit =
  /** It is over. */
  | "Ended"
  /** It waits, and its rows are all there is of it. */
  | "Evicted"
  /** Another worker holds it, or it was parked. */
  | "Lost"

/** A run this worker holds the lease of, as it was just started or rebuilt. */
export interface HeldRun {
  readonly registered: Registered
  readonly state: RunState
  readonly fence: number
  /** Firings whose commit is there and which only need their fibers. */
  readonly starts: ReadonlyArray<StartFiring>
}

/**
 * One live run: a mailbox, a fiber per firing, and the loop decide → commit → act.
 *
 * **Details** Only its own loop changes its state, and only after the commit that made the change true.
 */
export class RunFiber {
  readonly runId: RunId
  private state: RunState
  private mailbox: Array<RunEvent> = []
  private readonly latch = Effect.unsafeMakeLatch(false)
  private readonly exit = Effect.unsafeMakeLatch(false)
  private readonly seen = new Set<string>()
  private readonly look = () => this.push({ _tag: "Look" })
  private draining = false
  /** The last commit of a run that has ended. */
  ended: RunEnd | undefined
  private fibers: FiberMap.FiberMap<string, AttemptOutcome> | undefined
  private unreadable: string | undefined

  constructor(
    readonly run: HeldRun,
    private readonly environment: RunEnvironment
  ) {
    this.runId = run.state.runId
    this.state = run.state
  }

  /** Puts an event into the mailbox. */
  push(event: RunEvent): void {
    this.mailbox.push(event)
    this.latch.unsafeOpen()
  }

  /** Hands over what arrived from outside; what was handed over before is left out. */
  deliver(inputs: ReadonlyArray<TriggerInput>, commands: ReadonlyArray<RunCommand>): void {
    for (const { nodeId, payload: text, seq } of inputs) {
      if (this.seen.has(`i${seq}`)) continue
      this.seen.add(`i${seq}`)
      const parsed = parseJson(text)
      if (parsed._tag === "Right") {
        this.push({ _tag: "InputArrived", seq, nodeId, payload: { text, value: parsed.right } })
      } else {
        this.unreadable ??= `trigger_inputs ${seq}: ${parsed.left.message}`
        this.look()
      }
    }
    for (const { kind, seq } of commands) {
      if (this.seen.has(`c${seq}`)) continue
      this.seen.add(`c${seq}`)
      this.push({ _tag: "CommandArrived", seq, kind })
    }
  }

  /** Starts nothing more and gives the run up as soon as nothing of it runs. */
  drain(): void {
    this.draining = true
    this.look()
  }

  /** Interrupts what runs: the grace time of a stop is over. */
  interruptFirings(): void {
    for (const [, fiber] of this.fibers ?? []) fiber.unsafeInterruptAsFork(FiberId.none)
  }

  /** Ends when the run has left this worker, its fibers included. */
  get gone(): Effect.Effect<void> {
    return this.exit.await
  }

  /** Says that the run has left. */
  get left(): Effect.Effect<void> {
    return Effect.asVoid(this.exit.open)
  }

  /** Lives until the run leaves this worker. */
  readonly live: Effect.Effect<RunExit, never, Scope.Scope> = Effect.gen(this, function* () {
    const fibers = yield* FiberMap.make<string, AttemptOutcome>()
    this.fibers = fibers
    for (const start of this.run.starts) yield* this.fork(fibers, start)
    for (;;) {
      const turned = yield* this.turn(fibers)
      if (typeof turned === "string") return turned
      const exit = yield* this.rest(turned)
      if (exit !== undefined) return exit
    }
  })

  /** Takes everything from the mailbox through one decision and one commit. */
  private readonly turn = (fibers: FiberMap.FiberMap<string, AttemptOutcome>): Effect.Effect<Decision | RunExit> =>
    Effect.gen(this, function* () {
      const { clock, committer, large, slots, trail } = this.environment
      const now = yield* clock.now
      this.latch.unsafeClose()
      const events = this.mailbox
      this.mailbox = []
      const decision = decide(this.state, events, { now, slots: this.room(events) })
      const { commit, start } = decision
      if (this.unreadable !== undefined) return yield* this.park("UndecodableRow", this.unreadable)
      if (commit !== undefined) {
        slots.take(start.length)
        const full = { ...commit, fence: this.run.fence }
        const giveBack = Effect.sync(() => slots.release(start.length))
        const outcome = yield* Effect.onError(committer.commit(full), () => giveBack)
        if (outcome._tag !== "Applied") {
          yield* giveBack
          return outcome._tag === "Rejected" ? yield* this.park("CommitRejected", outcome.error.message) : "Lost"
        }
        yield* trail.committed(full, now)
        yield* large.committed(this.run.registered.key.workflow, full)
      }
      this.state = decision.state
      if (isEnded(this.state.status)) {
        this.ended = commit
        return "Ended"
      }
      for (const firing of start) yield* this.fork(fibers, firing)
      if (decision.interrupt) this.interruptFirings()
      return decision
    })

  private readonly park = (reason: ParkReason, detail: string): Effect.Effect<RunExit> =>
    Effect.as(this.environment.park({ runId: this.runId, fence: this.run.fence, reason, detail }), "Lost" as const)

  /** How many firings may start now. */
  private room(events: ReadonlyArray<RunEvent>): number {
    if (this.draining) return 0
    if (this.environment.settings.alwaysEvict && events.some((event) => event._tag !== "Look")) return 0
    return this.environment.slots.free
  }

  /** Forks a firing; what it comes to arrives in the mailbox, also when it dies. */
  private readonly fork = (fibers: FiberMap.FiberMap<string, AttemptOutcome>, start: StartFiring) =>
    Effect.map(
      FiberMap.run(
        fibers,
        `${start.node}/${start.firing.firing}`,
        attempt({
          runId: this.runId,
          registered: this.run.registered,
          start,
          now: this.environment.clock.now
        })
      ),
      (fiber) =>
        fiber.addObserver((exit) => {
          this.environment.slots.release(1)
          this.push({
            _tag: "AttemptEnded",
            node: start.node,
            firing: start.firing.firing,
            attempt: start.firing.attempt,
            outcome: outcomeOf(exit)
          })
        })
    )

  /** Waits for something to do; a run with nothing but waiting ahead leaves memory after its idle time. */
  private readonly rest = (decision: Decision): Effect.Effect<RunExit | undefined> =>
    Effect.gen(this, function* () {
      const { clock, settings, slots } = this.environment
      if (this.mailbox.length > 0) return undefined
      const quiet = !this.state.nodes.some((node) => node.open.some((open) => open.status === "running"))
      if (quiet && (this.draining || settings.alwaysEvict)) return yield* this.leave(decision)
      if (decision.hungry) slots.onFree(this.look)
      const waits = quiet && !decision.hungry
      const untilDue = decision.dueAt === undefined ? Number.POSITIVE_INFINITY : decision.dueAt - (yield* clock.now)
      const patience = Math.max(0, Math.min(untilDue, waits ? settings.idleMs : Number.POSITIVE_INFINITY))
      if (patience === Number.POSITIVE_INFINITY) {
        yield* this.latch.await
        return undefined
      }
      const woken = yield* Effect.timeoutOption(this.latch.await, Duration.millis(patience))
      if (woken._tag === "Some" || untilDue <= settings.idleMs || !waits) return undefined
      return yield* this.leave(decision)
    })

  /** Gives the run up, unless something for it has become visible meanwhile. */
  private readonly leave = (decision: Decision): Effect.Effect<RunExit | undefined> =>
    Effect.gen(this, function* () {
      const outcome = yield* this.environment.releaser.release({
        runId: this.runId,
        fence: this.run.fence,
        version: this.state.version,
        ready: !this.state.paused && (decision.hungry || this.runnable()),
        dueAt: decision.dueAt ?? null,
        force: this.draining
      })
      if (outcome === "Stale") return "Lost"
      // Whatever was pushed or became visible meanwhile is looked for again, in the rows.
      if (outcome === "Released" && (this.mailbox.length > 0 || decision.hungry)) this.environment.relook(this.runId)
      if (outcome === "Released") return "Evicted"
      this.environment.relook(this.runId)
      yield* this.latch.await
      return undefined
    })

  /** Whether a firing that was interrupted by a stop can start elsewhere at once. */
  private runnable(): boolean {
    return this.state.nodes.some((node) =>
      node.open.some((open) => open.status === "scheduled" && open.notBefore === null)
    )
  }

  /** Forgets what it asked of others. */
  forget(): void {
    this.environment.slots.forget(this.look)
  }
}

const outcomeOf = (exit: Exit.Exit<AttemptOutcome>): AttemptOutcome => {
  if (Exit.isSuccess(exit)) return exit.value
  if (Exit.isInterrupted(exit)) return { _tag: "Interrupted" }
  return { _tag: "Failed", kind: "defect", message: `the runtime itself failed: ${Cause.pretty(exit.cause)}` }
}
