import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { AttemptOutcome } from "../model/Firing.js"
import { Limits } from "../model/Limits.js"
import type { StepRow } from "../model/StepRow.js"
import type { StartFiring } from "./RunState.js"
import type { StepOwner } from "./StepOwner.js"

/** A step that waits; `looked`: how many signals had arrived when it looked for one. */
export interface Wait {
  readonly reason: string
  readonly resumeAt: number | undefined
  readonly row: StepRow | undefined
  readonly looked: number | undefined
}

/**
 * Which steps of an attempt are at work, which wait in rows, and which rest in memory for a short while.
 *
 * **Details** When some wait and none is at work, the attempt is interrupted from outside and ends as waiting: it starts again when
 * the first of the waits is over. When some rest and none is at work, the attempt goes on afterwards, as if it had started again:
 * how long a wait is kept in memory is a setting, and nobody's time-outs should depend on it.
 */
export class StepWaits {
  private readonly waits = new Set<Wait>()
  private atWork = 0
  private resting = 0
  private restUntil = Number.NEGATIVE_INFINITY
  private suspended = false

  constructor(
    private readonly owner: Pick<StepOwner, "interrupt" | "later" | "steady" | "streamsOf">,
    private readonly start: StartFiring
  ) {}

  /** A step begins. */
  enter(): void {
    this.note()
    this.atWork++
  }

  /** A step has ended, or waits in rows. */
  leave(): void {
    this.note()
    this.atWork--
    this.suspendLater()
  }

  /** When the attempt last did nothing but rest: now, while it does. */
  get restedAt(): number {
    return this.isResting ? this.owner.steady() : this.restUntil
  }

  private get isResting(): boolean {
    return this.resting > 0 && this.atWork === 0
  }

  private note(): void {
    if (this.isResting) this.restUntil = this.owner.steady()
  }

  /** Interrupts the attempt once some of its steps wait and none is at work. */
  private suspendLater(): void {
    if (this.isBusy || this.waits.size === 0 || this.suspended) return
    this.owner.later(() => {
      if (this.isBusy || this.waits.size === 0 || this.suspended) return
      this.suspended = true
      // Whoever reads is not to wait for it as long.
      this.owner.streamsOf(this.start)?.push()
      this.owner.interrupt(this.start)
    })
  }

  /** A step that rests goes on in this life: it is not to be interrupted. */
  private get isBusy(): boolean {
    return this.atWork > 0 || this.resting > 0
  }

  /** Waits for the attempt's interruption; the step is not at work meanwhile. */
  wait(wait: Wait): Effect.Effect<never> {
    return Effect.async<never>(() => {
      this.waits.add(wait)
      this.leave()
      return Effect.sync(() => {
        this.enter()
        if (!this.suspended) this.waits.delete(wait)
      })
    })
  }

  /** Sleeps in memory; the step is not at work meanwhile. */
  rest(ms: number): Effect.Effect<void> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        this.note()
        this.resting++
        this.atWork--
      }),
      () => Effect.sleep(Duration.millis(ms)),
      () =>
        Effect.sync(() => {
          this.note()
          this.resting--
          this.atWork++
        })
    )
  }

  /** What the attempt came to when it was interrupted because steps of it wait; nothing if it was not. */
  outcome(arrivals: number): Extract<AttemptOutcome, { _tag: "Waits" }> | undefined {
    if (!this.suspended) return undefined
    const waits = [...this.waits]
    const times = waits.flatMap(({ resumeAt }) => resumeAt ?? [])
    // A signal came after somebody had looked for it: he looks again at once.
    if (waits.some(({ looked }) => looked !== undefined && looked !== arrivals)) times.push(0)
    return {
      _tag: "Waits",
      reason: waits
        .map(({ reason }) => reason)
        .join(", ")
        .slice(0, Limits.reasonCharacters),
      ...(times.length === 0 ? {} : { resumeAt: Math.min(...times) }),
      steps: waits.flatMap(({ row }) => row ?? [])
    }
  }
}
