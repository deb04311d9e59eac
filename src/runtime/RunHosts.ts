import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { StepHost } from "../definition/StepHost.js"
import type { AttemptOutcome } from "../model/Firing.js"
import type { RunCommit } from "../model/Run.js"
import type { HeldRun } from "./HeldRun.js"
import type { RunEnvironment } from "./RunEnvironment.js"
import type { RunEvent, RunState, StartFiring } from "./RunState.js"
import { RunSteps } from "./RunSteps.js"
import { RunStreams } from "./RunStreams.js"
import { firingName, type Hands, stepOwner, wasOpen } from "./StepOwner.js"
import type { StreamSession } from "./StreamSession.js"

/** What stands behind the handlers of a live run: their steps and their streams, each made when the first of them is asked for. */
export class RunHosts {
  private steps: RunSteps | undefined
  private streams: RunStreams | undefined
  /** Firings of this life that were interrupted: they start again, in the same attempt. */
  private readonly interrupted = new Set<string>()

  constructor(
    private readonly run: HeldRun,
    private readonly environment: RunEnvironment,
    private readonly hands: Hands
  ) {}

  beginSteps(start: StartFiring): StepHost {
    return this.allSteps().begin(start)
  }

  beginStreams(start: StartFiring, state: RunState): StreamSession {
    this.streams ??= this.makeStreams(state)
    return this.streams.begin(start)
  }

  /** Whether a firing may have given something in an attempt before, or in this one before it was interrupted. */
  mayHaveGiven(start: StartFiring): boolean {
    return start.firing.attempt > 1 || wasOpen(this.run, start) || this.interrupted.has(firingName(start))
  }

  /** Whether somebody reads or gives a stream now. */
  get isStreaming(): boolean {
    return this.streams?.isBusy === true
  }

  /** Whether a firing reads or gives a stream now. */
  hasStreams(firing: string): boolean {
    return this.streams?.has(firing) === true
  }

  /** A signal to this node was handed over. */
  signalled(nodeId: string): void {
    this.steps?.signalled(nodeId)
  }

  /** A commit, and the events that led to it, are true. */
  committed(commit: RunCommit, events: ReadonlyArray<RunEvent>, state: RunState): void {
    if (commit.steps.length > 0) this.steps?.committed(commit.steps)
    if (this.streams === undefined) return
    this.streams.committed(state, commit, events)
    if (events.some(({ _tag }) => _tag === "Emitted")) this.environment.slots.endAlone()
  }

  /** These events changed nothing. */
  passed(events: ReadonlyArray<RunEvent>, state: RunState): void {
    this.streams?.committed(state, { messages: [] }, events)
  }

  /** A firing has run: nothing more of its streams is heard, and the slot that it may have lent is its own again. */
  ran(firing: string): void {
    this.streams?.ended(firing)
  }

  /** What an attempt came to that was interrupted because a step of it waits; nothing if it was not. */
  ended(start: StartFiring, exit: Exit.Exit<AttemptOutcome>): AttemptOutcome | undefined {
    if (this.streams !== undefined && Exit.isInterrupted(exit)) this.interrupted.add(firingName(start))
    return this.steps?.ended(start, exit)
  }

  private allSteps(): RunSteps {
    this.steps ??= new RunSteps({
      ...stepOwner(this.run, this.environment, this.hands),
      streamsOf: (start) => this.streams?.find(start)
    })
    return this.steps
  }

  private makeStreams(state: RunState): RunStreams {
    const { fork, interrupt, push, unreadable } = this.hands
    const steps = this.allSteps()
    return new RunStreams(
      {
        runId: state.runId,
        reader: this.environment.stepReader,
        push,
        fork,
        park: (reason, why) => unreadable(why, reason),
        checkpointOf: (start) =>
          Effect.map(
            steps.remembered(start),
            (journal) => journal.find("checkpoint", "checkpoint", "")?.value ?? undefined
          ),
        interrupt: (start) => interrupt(firingName(start)),
        slots: this.environment.slots,
        mayHaveGiven: (start) => this.mayHaveGiven(start)
      },
      state
    )
  }
}
