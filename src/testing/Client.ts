import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Signal from "../definition/Signal.js"
import type * as Workflow from "../definition/Workflow.js"
import { Engine, type StartOptions } from "../Engine.js"
import type { TestWorker } from "./TestWorker.js"
import type { World } from "./World.js"

/** What the client was told is durable. */
export type Acknowledged =
  | { readonly kind: "start"; readonly runId: string }
  | { readonly kind: "trigger"; readonly runId: string; readonly nodeId: string; readonly inputId: string }

/** How long a client waits before it asks again. */
const againAfterMs = 200

/**
 * Somebody outside who starts runs, sends events and waits for results, and asks again when no answer comes.
 *
 * **Details** Everything it asks for is idempotent: by run id, by input id, or by nature.
 */
export class Client {
  readonly acknowledged: Array<Acknowledged> = []
  private worker: TestWorker | undefined
  private readonly changes: Array<() => void> = []
  /** Whether a call waits to be told of a worker: one that is stopped may go on before anybody has looked. */
  private waits = false

  constructor(private readonly world: World) {}

  /** From now on calls go to this worker; those under way are made again. */
  serve(worker: TestWorker): void {
    this.worker = worker
    this.waits = false
    for (const call of this.changes.splice(0)) call()
  }

  /** Whether calls go to a worker that is at work. */
  get isServed(): boolean {
    return this.worker?.life === "live" && !this.waits
  }

  /** Lets time pass. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.world.clock.sleepUntil(this, this.world.clock.now + ms, resolve))
  }

  /** Makes a call until it is answered; trouble with the database is no answer. */
  call<A, E>(effect: Effect.Effect<A, E, Engine>): Promise<Exit.Exit<A, E>> {
    return this.callWith(() => effect)
  }

  private async callWith<A, E>(
    effectOf: (worker: TestWorker) => Effect.Effect<A, E, Engine>
  ): Promise<Exit.Exit<A, E>> {
    for (;;) {
      const { worker } = this
      const changed = new Promise<"died">((resolve) => this.changes.push(() => resolve("died")))
      if (worker === undefined || worker.life !== "live") {
        this.waits = true
        await changed
        continue
      }
      const exit = await Promise.race([worker.call(effectOf(worker)), changed])
      if (exit === "died") {
        if (this.worker === worker) await changed
        continue
      }
      if (!isTrouble(exit)) return exit
      await this.sleep(againAfterMs)
    }
  }

  /** Starts a run. */
  async start<W extends Workflow.Any>(
    workflow: W,
    input: Workflow.Input<W>,
    runId: string,
    options: Omit<StartOptions, "runId"> = {}
  ) {
    const start = Effect.flatMap(Engine, (engine) => engine.start(workflow, input, { ...options, runId }))
    const exit = await this.call(start)
    if (Exit.isSuccess(exit)) this.acknowledged.push({ kind: "start", runId })
    return exit
  }

  /** Starts a run in a transaction of the application's own. */
  async startJoined<W extends Workflow.Any>(workflow: W, input: Workflow.Input<W>, runId: string) {
    const exit = await this.callWith(({ sql }) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        return yield* engine.inTransaction(yield* sql, engine.start(workflow, input, { runId }))
      })
    )
    if (Exit.isSuccess(exit)) this.acknowledged.push({ kind: "start", runId })
    return exit
  }

  /** Sends an event in a transaction of the application's own. */
  async triggerJoined<W extends Workflow.Any, const Id extends Workflow.ExternalNodes<W>>(
    workflow: W,
    runId: string,
    nodeId: Id,
    payload: Workflow.Payload<W, Id>,
    inputId: string
  ) {
    const exit = await this.callWith(({ sql }) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const trigger = engine.trigger(workflow, runId, nodeId, payload, { inputId })
        return yield* engine.inTransaction(yield* sql, trigger)
      })
    )
    if (Exit.isSuccess(exit)) this.acknowledged.push({ kind: "trigger", runId, nodeId, inputId })
    return exit
  }

  /** Sends an event. */
  async trigger(runId: string, nodeId: string, payload: unknown, inputId: string) {
    const exit = await this.call(
      Effect.flatMap(Engine, (engine) => engine.triggerEncoded({ runId, nodeId, inputId, payload }))
    )
    if (Exit.isSuccess(exit)) this.acknowledged.push({ kind: "trigger", runId, nodeId, inputId })
    return exit
  }

  /** Sends a signal to the steps of a node. */
  async signal<W extends Workflow.Any, S extends Signal.Signal>(
    workflow: W,
    runId: string,
    nodeId: Workflow.NodeId<W>,
    signal: S,
    payload: Signal.Payload<S>,
    inputId: string
  ) {
    const exit = await this.call(
      Effect.flatMap(Engine, (engine) => engine.signal(workflow, runId, nodeId, signal, payload, { inputId }))
    )
    if (Exit.isSuccess(exit)) this.acknowledged.push({ kind: "trigger", runId, nodeId, inputId })
    return exit
  }

  /** Gives a command; a refusal is an answer too. */
  command(runId: string, kind: "cancel" | "pause" | "resume" | "retry") {
    return this.call(Effect.flatMap(Engine, (engine) => engine[kind](runId)))
  }

  /** Stops the worker that calls go to, in order; the next call goes to another one. */
  async stop(): Promise<void> {
    await this.worker?.stop()
  }

  /** Kills the worker that calls go to, between any two of its steps; the next call goes to another one. */
  kill(): void {
    if (this.worker?.life !== "live") return
    this.world.kills++
    this.worker.kill()
  }

  /** Waits for a run's end. */
  ended(runId: string) {
    return this.call(Effect.flatMap(Engine, (engine) => engine.awaitEnd(runId)))
  }
}

const isTrouble = (exit: Exit.Exit<unknown, unknown>): boolean => {
  if (Exit.isSuccess(exit)) return false
  const failure = Cause.failureOption(exit.cause)
  if (Option.isNone(failure)) return Cause.isInterrupted(exit.cause)
  const error = failure.value
  return typeof error === "object" && error !== null && "_tag" in error && error._tag === "DatabaseError"
}
