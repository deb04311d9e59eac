import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as HashMap from "effect/HashMap"
import type { StepHost } from "../definition/StepHost.js"
import type { AttemptOutcome } from "../model/Firing.js"
import type { RunId } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import { type RunCommand, type RunCommit, type TriggerInput, underFence } from "../model/Run.js"
import { isEnded, type ParkReason } from "../model/Status.js"
import { Alarm } from "./Alarm.js"
import { AttemptSite, attempt, outcomeOf, type StepKeeper } from "./Attempt.js"
import type { RunEnd } from "./Awaiters.js"
import { parseJson } from "./Codec.js"
import type { CommitOutcome, CommitSource } from "./Committer.js"
import { compensate } from "./Compensation.js"
import type { Fork, Forks } from "./Forks.js"
import type { HeldRun } from "./HeldRun.js"
import type { Plan } from "./Plan.js"
import type { RunEnvironment } from "./RunEnvironment.js"
import { RunHosts } from "./RunHosts.js"
import type { Deciding, Phase, RunExit } from "./RunLife.js"
import { type Budget, type Decision, decide } from "./RunMachine.js"
import { isAsleep, isRunnable, type RunEvent, type RunState, type StartFiring } from "./RunState.js"
import { firingName, placeOf } from "./StepOwner.js"
import type { StreamSession } from "./StreamSession.js"

/**
 * One live run: a mailbox, a fiber per firing, and the loop decide → commit → act.
 *
 * **Details** The run's own fiber (`live`) supervises: it sleeps until the run leaves and owns the fibers of the firings. The
 * loop is driven by what arrives, in the fibers of the firings and of the committer, because a fiber that is woken for each
 * step of each run costs more than the step: 345 µs of CPU a step that way, 204 µs this way, in `npm run bench`. The run's
 * state changes only after the commit that made the change true.
 */
export class RunFiber implements CommitSource, StepKeeper {
  readonly runId: RunId
  private state: RunState
  private phase: Phase = "new"
  private mailbox: Array<RunEvent> = []
  private deciding: Deciding | undefined
  private readonly firings = new Map<string, Fiber.RuntimeFiber<AttemptOutcome>>()
  /** Begins a fiber of the run itself, whose log lines bear its name. */
  readonly begin: Fork
  private readonly alarm: Alarm
  private finish: (exit: Exit.Exit<RunExit>) => void = () => undefined
  private readonly exit = Effect.unsafeMakeLatch(false)
  private readonly seen = new Set<string>()
  private readonly look = () => this.push({ _tag: "Look" })
  private draining = false
  /** Outcomes of firings that are not committed yet. */
  private unsettled = 0
  /** The last commit of a run that has ended. */
  ended: RunEnd | undefined
  private broken: { readonly reason: ParkReason; readonly why: string } | undefined
  private hosts: RunHosts | undefined

  constructor(
    readonly run: HeldRun,
    private readonly environment: RunEnvironment,
    private readonly forks: Forks
  ) {
    this.runId = run.state.runId
    this.state = run.state
    this.begin = forks.bare(HashMap.set(forks.words, "runId", this.runId))
    this.alarm = new Alarm(this.begin)
  }

  /** Puts an event into the mailbox. */
  push(event: RunEvent): void {
    this.mailbox.push(event)
    if (this.phase === "resting") this.enter()
  }

  /** Hands over what arrived from outside; what was handed over before is left out. */
  deliver(inputs: ReadonlyArray<TriggerInput>, commands: ReadonlyArray<RunCommand>): void {
    for (const { nodeId, payload: text, seq, signal } of inputs) {
      if (this.seen.has(`i${seq}`)) continue
      this.seen.add(`i${seq}`)
      if (signal !== null) {
        this.hosts?.signalled(nodeId)
        this.push({ _tag: "SignalArrived", seq, nodeId })
        continue
      }
      const parsed = parseJson(text)
      if (parsed._tag === "Right") {
        this.push({ _tag: "InputArrived", seq, nodeId, payload: { text, value: parsed.right } })
      } else {
        this.damaged(`trigger_inputs ${seq}: ${parsed.left.message}`)
      }
    }
    for (const { kind, seq } of commands) {
      if (this.seen.has(`c${seq}`)) continue
      this.seen.add(`c${seq}`)
      this.push({ _tag: "CommandArrived", seq, kind })
    }
  }

  private damaged(why: string, reason: ParkReason = "UndecodableRow"): void {
    this.broken ??= { reason, why }
    this.look()
  }

  /** Starts nothing more and gives the run up as soon as nothing of it runs. */
  drain(): void {
    this.draining = true
    this.look()
  }

  /** Leaves at once, writing nothing: another worker has the lease. */
  lose(): void {
    this.depart(Exit.succeed("Lost"))
  }

  /** Interrupts what runs: the grace time of a stop is over. */
  interruptFirings(): void {
    for (const fiber of this.firings.values()) fiber.unsafeInterruptAsFork(FiberId.none)
  }

  /** Ends when the run has left this worker, its fibers included. */
  get gone(): Effect.Effect<void> {
    return this.exit.await
  }

  /** Says that the run has left. */
  left(): void {
    this.exit.unsafeOpen()
  }

  /** Lives until the run leaves this worker; dies of a broken invariant. */
  readonly live: Effect.Effect<RunExit> = Effect.async<RunExit>((resume) => {
    this.finish = resume
    for (const start of this.run.starts) this.fork(start)
    this.deliver(this.run.inputs, this.run.commands)
    this.enter()
    return Effect.sync(() => this.depart(Exit.succeed("Lost")))
  })

  /** Interrupts what still runs, and ends when all of it has ended. */
  readonly firingsEnded: Effect.Effect<void> = Effect.suspend(() =>
    this.firings.size === 0 ? Effect.void : Effect.asVoid(Fiber.interruptAll(this.firings.values()))
  )

  private enter(): void {
    this.alarm.callOff()
    this.phase = "entered"
    this.environment.committer.enter(this)
  }

  /** Takes everything from the mailbox through one decision. */
  next(): RunCommit | undefined {
    if (this.phase !== "entered") return undefined
    return this.guarded(() => this.decide())
  }

  private decide(): RunCommit | undefined {
    const { clock, slots } = this.environment
    const at = clock.unsafeNow()
    const events = this.mailbox
    this.mailbox = []
    const decision = decide(this.state, events, this.budget(at, events))
    if (this.broken !== undefined) {
      this.park(this.broken.reason, this.broken.why)
      return undefined
    }
    slots.take(decision.start.length, decision.alone)
    // Beside one that runs alone others may wait for the same: their reader would only start to give way again.
    if (!decision.waitsAlone) slots.forgetAlone(this.look)
    if (decision.commit === undefined) {
      this.settle()
      this.hosts?.passed(events, decision.state)
      this.act(decision)
      return undefined
    }
    // In the order of decisions: whose commit is there first is chance.
    if (decision.hungry && !decision.waitsAlone && !this.draining) slots.onFree(this.look)
    const commit = underFence(decision.commit, this.run.fence)
    this.deciding = { decision, commit, at, events }
    this.phase = "committing"
    return commit
  }

  /** The fate of the commit it gave last. */
  committed(exit: Exit.Exit<CommitOutcome>): void {
    this.guarded(() => this.conclude(exit))
  }

  private conclude(exit: Exit.Exit<CommitOutcome>): void {
    const { clock, large, slots, tracing, trail } = this.environment
    const { at, commit, decision, events } = this.deciding!
    this.deciding = undefined
    // Out of memory meanwhile: whoever has the run now reads from its rows whether the commit is there.
    const applied = Exit.isSuccess(exit) && exit.value._tag === "Applied" && this.phase !== "gone"
    if (!applied) slots.release(decision.start.length)
    if (this.phase === "gone") return
    if (Exit.isFailure(exit)) return this.depart(Exit.failCause(exit.cause))
    if (exit.value._tag === "Rejected") return this.park("CommitRejected", exit.value.error.message)
    if (exit.value._tag === "Stale") return this.depart(Exit.succeed("Lost"))
    this.settle()
    trail.committed(commit, at, this.run.registered.definition)
    tracing.committed(this.run, commit, at, clock.unsafeNow())
    large.committed(this.run.registered.key.workflow, commit)
    this.hosts?.committed(commit, events, decision.state)
    if (isEnded(commit.status)) this.ended = commit
    const { parent } = commit.frontier
    if (this.ended !== undefined && parent !== undefined) this.environment.relook(parent.runId)
    this.act(decision)
  }

  /** What a decision asks for, once it is true. */
  private act(decision: Decision): void {
    this.state = decision.state
    if (isEnded(this.state.status)) return this.depart(Exit.succeed("Ended"))
    for (const firing of decision.start) this.fork(firing)
    if (decision.interrupt) this.endFirings(this.run.registered.plan)
    this.rest(decision)
  }

  /** The outcomes that the last decision took up are committed. */
  private settle(): void {
    const arrived = this.mailbox.filter((event) => event._tag === "AttemptEnded").length
    const settled = this.unsettled - arrived
    this.unsettled = arrived
    this.environment.slots.settle(settled)
  }

  private park(reason: ParkReason, detail: string): void {
    this.phase = "leaving"
    const parking = this.environment.park({ runId: this.runId, fence: this.run.fence, reason, detail })
    this.begin(parking).addObserver((exit) => this.depart(Exit.as(exit, "Lost" as const)))
  }

  /** What may start now. */
  private budget(now: number, events: ReadonlyArray<RunEvent>): Budget {
    const { settings, slots } = this.environment
    // Who streams needs others beside it: nothing is evicted meanwhile.
    const mayEvict = settings.alwaysEvict && this.hosts?.isStreaming !== true
    const evicts = mayEvict && events.some((event) => event._tag !== "Look")
    if (this.draining || evicts) return { now, slots: 0, alone: false }
    return { now, slots: slots.free, alone: slots.freeAlone }
  }

  /** Forks a firing; what it comes to arrives in the mailbox, also when it dies. */
  private fork(start: StartFiring): void {
    const { firing, node } = start
    const key = firingName(start)
    const site = new AttemptSite(this.runId, this.run.registered, start, this.environment.clock, this)
    const words = HashMap.set(this.run.registered.words[node]!, "runId", this.runId)
    const { stepReader, tracing } = this.environment
    const isUndo = this.run.registered.plan.undo?.index === node
    const work = isUndo ? compensate(site, stepReader, (why) => this.damaged(why)) : attempt(site)
    const fiber = this.forks.begin(tracing.attempt(this.run, start, work), site.context, words)
    this.firings.set(key, fiber)
    fiber.addObserver((exit) => {
      // Given up already: whatever it still came to is not heard.
      if (this.firings.get(key) !== fiber) return
      this.ran(key)
      if (this.phase === "gone") return
      const outcome = this.hosts?.ended(start, exit) ?? outcomeOf(exit)
      this.push({ _tag: "AttemptEnded", node, firing: firing.firing, attempt: firing.attempt, outcome })
    })
  }

  private ran(key: string): void {
    this.firings.delete(key)
    this.hosts?.ran(key)
    if (this.phase === "gone") return this.environment.slots.release(1)
    this.environment.slots.end()
    this.unsettled++
  }

  /** Interrupts what runs, but for what can be undone; finalizers that take too long are not waited for. */
  private endFirings({ nodes, undo }: Plan): void {
    // Who gives a stream may wait for a reader that was interrupted.
    const drains = (node: number, key: string) => nodes[node]?.drains === true && this.hosts?.hasStreams(key) !== true
    const goesOn = (key: string, { node }: { node: number }) => node === undo?.index || drains(node, key)
    const ending = [...this.firings].filter(([key]) => !goesOn(key, placeOf(key)))
    for (const [, fiber] of ending) fiber.unsafeInterruptAsFork(FiberId.none)
    const late = () => {
      if (this.phase === "gone") return
      for (const [key, fiber] of ending) {
        if (this.firings.get(key) !== fiber) continue
        const { firing, node } = placeOf(key)
        const { attempt = 0 } = this.state.nodes[node]?.open.find((open) => open.firing === firing) ?? {}
        this.ran(key)
        this.push({ _tag: "AttemptEnded", node, firing, attempt, outcome: { _tag: "Interrupted" } })
      }
    }
    const grace = Effect.sleep(Duration.millis(Limits.interruptGraceMs))
    if (ending.length > 0) this.begin(Effect.zipRight(grace, Effect.sync(late)))
  }

  /** The steps of an attempt whose handler uses some. */
  beginSteps(start: StartFiring): StepHost {
    return this.behindHandlers().beginSteps(start)
  }

  /** The streams of an attempt whose handler reads or gives some. */
  beginStreams(start: StartFiring): StreamSession {
    return this.behindHandlers().beginStreams(start, this.state)
  }

  mayHaveGiven(start: StartFiring): boolean {
    return this.behindHandlers().mayHaveGiven(start)
  }

  private behindHandlers(): RunHosts {
    this.hosts ??= new RunHosts(this.run, this.environment, {
      push: (event) => this.push(event),
      interrupt: (key) => this.firings.get(key)?.unsafeInterruptAsFork(FiberId.none),
      fork: this.begin,
      unreadable: (why, reason) => this.damaged(why, reason)
    })
    return this.hosts
  }

  /**
   * Waits for something to do; a run with nothing but waiting ahead leaves memory after its idle time, and at once if it waits for
   * nothing but times that are later: of 20,000 runs that went to sleep for an hour, 2,000 at a time stood in memory for nothing.
   */
  private rest(decision: Decision): void {
    const { clock, idleMs, settings, slots } = this.environment
    if (this.mailbox.length > 0) return this.enter()
    const quiet = !this.state.nodes.some((node) => node.open.some((open) => open.status === "running"))
    if (quiet && (this.draining || settings.alwaysEvict)) return this.release(decision)
    const waits = quiet && !decision.hungry
    const untilDue = decision.dueAt === undefined ? Number.POSITIVE_INFINITY : decision.dueAt - clock.unsafeNow()
    const most = waits ? idleMs() : Number.POSITIVE_INFINITY
    if (decision.dueAt !== undefined && untilDue > most && isAsleep(this.state)) return this.release(decision)
    this.phase = "resting"
    if (decision.waitsAlone) slots.onFreeAlone(this.look)
    else if (decision.hungry) slots.onFree(this.look)
    const patience = Math.max(0, Math.min(untilDue, most))
    if (patience === Number.POSITIVE_INFINITY) return
    const then = untilDue <= most ? this.look : () => this.release(decision)
    this.alarm.set(patience, () => this.guarded(then))
  }

  /** Gives the run up, unless something for it has become visible meanwhile. */
  private release(decision: Decision): void {
    this.phase = "leaving"
    const release = this.environment.releaser.release({
      runId: this.runId,
      fence: this.run.fence,
      version: this.state.version,
      ready: !this.state.paused && (decision.hungry || isRunnable(this.state)),
      dueAt: decision.dueAt ?? null,
      force: this.draining
    })
    this.begin(release).addObserver((exit) => {
      if (this.phase !== "leaving") return
      if (Exit.isFailure(exit)) return this.depart(Exit.failCause(exit.cause))
      if (exit.value === "Stale") return this.depart(Exit.succeed("Lost"))
      const { relook } = this.environment
      if (exit.value === "Released") {
        // Whatever was pushed or became visible meanwhile is looked for again, in the rows.
        if (this.mailbox.length > 0 || decision.hungry) relook(this.runId)
        return this.depart(Exit.succeed("Evicted"))
      }
      relook(this.runId)
      this.phase = "resting"
      if (this.mailbox.length > 0) this.enter()
    })
  }

  /** Out of memory: nothing that still arrives is heard. */
  private depart(exit: Exit.Exit<RunExit>): void {
    if (this.phase === "gone") return
    this.phase = "gone"
    this.alarm.callOff()
    this.environment.slots.settle(this.unsettled)
    this.unsettled = 0
    this.environment.slots.forget(this.look)
    this.finish(exit)
  }

  /** A broken invariant ends this run's life here, and nobody else's. */
  private guarded<A>(step: () => A): A | undefined {
    try {
      return step()
    } catch (defect) {
      this.depart(Exit.die(defect))
      return undefined
    }
  }
}
