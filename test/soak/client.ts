import { setTimeout as delay } from "node:timers/promises"
import * as Effect from "effect/Effect"
import type { RunEnd } from "../../src/runtime/Awaiters.js"
import { type Answer, type Call, type Delivery, perform } from "./calls.js"
import { type Acknowledged, appender } from "./ledger.js"
import type { Dice } from "./plan.js"
import type { Rig } from "./rig.js"
import { type Caller, type Script, scripts } from "./scripts.js"

/** How long the client waits before it asks again. */
const againAfterMs = 150

/** Longer than any time-out of the engine's connections, several times. */
const unansweredMs = 75_000

/** Runs under way at most: a client that gets no answers does not go on asking for more. */
const mostUnderWay = 300

/** A run that a script has followed to its end. */
export interface Finished {
  readonly runId: string
  readonly script: Script
  readonly v: number
  readonly end: Pick<RunEnd, "status" | "output" | "failure">
}

/**
 * Somebody outside who starts runs, sends events, often twice, and waits for results: through an engine of its own or through
 * any of the workers, asking again, and somebody else, when no answer comes.
 */
export class Client implements Caller {
  readonly finished = new Map<string, Finished>()
  readonly underWay = new Set<string>()
  /** Runs that wait for an event which comes after the next check. */
  readonly overNight = new Set<string>()
  triggers = 0
  retries = 0
  private readonly acknowledge: (line: Acknowledged) => void
  private count = 0
  private readonly morning: Array<() => void> = []

  constructor(
    private readonly rig: Rig,
    private readonly dice: Dice
  ) {
    this.acknowledge = appender(rig.acknowledged)
  }

  /** Asks until somebody answers; what was done is written down before anybody is told. */
  async call(call: Call): Promise<Answer> {
    for (;;) {
      const answer = await this.once(call)
      if (answer.outcome === "done") {
        const { kind, runId } = call
        this.acknowledge(
          "inputId" in call ? { kind, runId, nodeId: call.nodeId, inputId: call.inputId } : { kind, runId }
        )
      }
      if (answer.outcome !== "trouble") return answer
      this.retries++
      await delay(againAfterMs)
    }
  }

  private once(call: Call): Promise<Answer> {
    const worker = this.rig.workers[this.dice.below(this.rig.workers.length + 1)]
    return worker === undefined ? this.own(call) : worker.call(call)
  }

  /** An engine answers or fails, whatever befalls the database: the time-outs of its connections bound every call. */
  private own(call: Call): Promise<Answer> {
    const answered = this.rig.use((engine) => perform(engine, call))
    const late = new AbortController()
    const unanswered = delay(unansweredMs, undefined, { signal: late.signal }).then(
      (): Answer => {
        this.rig.report("unanswered", `the client's engine did not answer ${JSON.stringify(call)}`)
        return { outcome: "trouble", detail: "no answer" }
      },
      () => answered
    )
    return Promise.race([answered.finally(() => late.abort()), unanswered])
  }

  /** Sends an event, and sometimes again, at the same time or later. */
  async trigger(call: Delivery): Promise<void> {
    this.triggers++
    if (this.dice.chance(0.3)) await Promise.all([this.call(call), this.call(call)])
    else await this.call(call)
    if (this.dice.chance(0.2)) await this.call(call)
  }

  /** Waits for a run's end, as an application does. */
  async ended(runId: string): Promise<RunEnd> {
    for (;;) {
      const end = await this.rig.use((engine) =>
        engine.awaitEnd(runId).pipe(
          Effect.catchTag("DatabaseError", () => Effect.succeed(undefined)),
          Effect.orDie
        )
      )
      if (end !== undefined) return end
      await delay(againAfterMs)
    }
  }

  /** Lets some time pass. */
  pause(fromMs: number, toMs: number): Promise<void> {
    return delay(this.dice.between(fromMs, toMs))
  }

  /** Waits for the time after the next check. */
  async untilMorning(runId: string): Promise<void> {
    this.overNight.add(runId)
    await new Promise<void>((resolve) => this.morning.push(resolve))
    this.overNight.delete(runId)
  }

  /** A check is over. */
  wake(): void {
    this.overNight.clear()
    for (const resolve of this.morning.splice(0)) resolve()
  }

  /** Runs one script with one input to its end. */
  async follow(script: Script, v: number, prefix: string): Promise<Finished> {
    const runId = `${prefix}${++this.count}-${script.name}-${v}`
    this.underWay.add(runId)
    await this.call({ kind: "start", runId, workflow: script.workflow, v })
    // Whoever asks twice starts one run.
    if (this.dice.chance(0.1)) await this.call({ kind: "start", runId, workflow: script.workflow, v })
    await script.meanwhile?.(this, { runId, workflow: script.workflow, v })
    const end = await this.ended(runId)
    const finished = { runId, script, v, end }
    this.finished.set(runId, finished)
    this.underWay.delete(runId)
    return finished
  }

  /** Starts mixed runs at a steady pace until told to stop. */
  async load(options: {
    readonly perSecond: number
    readonly until: number
    readonly failed: (error: unknown) => void
  }) {
    const begun = performance.now()
    for (let started = 0; performance.now() < options.until; ) {
      const due = Math.floor(((performance.now() - begun) / 1_000) * options.perSecond)
      for (; started < due && this.underWay.size - this.overNight.size < mostUnderWay; started++) {
        const script = this.dice.pick(scripts)
        this.follow(script, this.dice.below(script.inputs), "run-").catch(options.failed)
      }
      // What could not be started while nobody answered is made up for later.
      await delay(50)
    }
  }
}
