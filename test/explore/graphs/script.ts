import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { GraphNode } from "../../../src/definition/Graph.js"
import type * as Workflow from "../../../src/definition/Workflow.js"
import { Engine } from "../../../src/Engine.js"
import type { Client } from "../../../src/testing/Client.js"
import { runId } from "../corpus/kit.js"
import { type Deed, retriesOf, traitOf, type Whole } from "./cases.js"
import { Nudge, Standing } from "./definitions.js"
import { mostEvents, type Reference } from "./reference.js"

/** Signals sent to each node that waits for one; there may be more waits, which have their time. */
const mostSignals = 2

/** How often who sends events does so, in milliseconds. */
const roundMs = 300

/** By what the run can be found. */
const attributes = (whole: Whole) => ({ kind: whole.ending, seed: String(whole.seed) })

interface Act {
  readonly at: number
  readonly does: () => Promise<unknown>
}

/** What a client does with a run of such a workflow. */
export class Script {
  private over = false
  /** How many events each node was sent that takes some. */
  private readonly sent = new Map<string, number>()

  constructor(
    private readonly whole: Whole,
    private readonly workflow: Workflow.Any,
    private readonly reference: Reference,
    private readonly client: Client
  ) {}

  /** Starts the run, does all that is done to it, and looks at what must be true when it has ended. */
  async run(): Promise<void> {
    const { client } = this
    await this.start()
    const ended = this.ended().then(() => {
      this.over = true
    })
    let now = 0
    for (const { at, does } of this.acts()) {
      if (this.over) break
      await client.sleep(at - now)
      now = at
      if (!this.over) await does()
    }
    await ended
    const [status] = await this.found()
    if (status === "completed") for (const node of this.whole.graph.nodes) await this.checkAnswer(node, true)
    for (const id of await this.others()) await client.ended(id)
  }

  private async start(): Promise<void> {
    const { ending, endsAt, seed, startsIn } = this.whole
    const start = Effect.gen(this, function* () {
      const now = yield* DateTime.now
      const engine = yield* Engine
      const input = Object.fromEntries(this.whole.graph.input.map((port) => [port, port]))
      return yield* engine.start(this.workflow, input as never, {
        ...{ runId, priority: seed % 3, attributes: attributes(this.whole) },
        ...(startsIn > 0 ? { startAt: DateTime.add(now, { millis: startsIn }) } : {}),
        ...(ending === "overdue" ? { deadline: DateTime.add(now, { millis: startsIn + endsAt + 1 }) } : {})
      })
    })
    const exit = await this.client.call(start)
    if (Exit.isFailure(exit)) throw new Error(`the run was not started: ${Cause.pretty(exit.cause)}`)
    this.client.acknowledged.push({ kind: "start", runId })
  }

  /** Waits for the end that counts: a run that is to be tried again is, until it does not fail any more. */
  private async ended(): Promise<void> {
    const most = retriesOf(this.whole)
    for (let tries = 0; ; tries++) {
      const exit = await this.client.ended(runId)
      if (tries === most || !Exit.isSuccess(exit) || exit.value.status !== "failed") return
      const failed = await this.version()
      if (Exit.isFailure(await this.client.command(runId, "retry"))) return
      // Its failure is there until the command has been applied.
      while ((await this.version()) === failed) await this.client.sleep(roundMs)
    }
  }

  /** How many commits the run has. */
  private async version(): Promise<number | undefined> {
    const exit = await this.client.call(Effect.flatMap(Engine, (engine) => engine.get(runId)))
    return Exit.isSuccess(exit) ? exit.value.version : undefined
  }

  /** Everything that is done to the run, in order. */
  private acts(): ReadonlyArray<Act> {
    const { deeds, ending, endsAt, startsIn } = this.whole
    const cancel: Act = { at: startsIn + endsAt, does: () => this.client.command(runId, "cancel") }
    return [
      ...this.rounds(),
      ...deeds.map((deed) => ({ at: deed.at, does: () => this.doDeed(deed) })),
      ...(ending === "cancelled" ? [cancel] : [])
    ].sort((a, b) => a.at - b.at)
  }

  private async doDeed({ does }: Deed): Promise<void> {
    if (does === "kill") this.client.kill()
    else if (does !== "query") await this.client.command(runId, does)
    else for (const node of this.whole.graph.nodes) await this.checkAnswer(node, false)
  }

  /** Sends to every node that takes something from outside one after the other. */
  private rounds(): ReadonlyArray<Act> {
    const { nodes } = this.whole.graph
    const takers = nodes.filter(({ kind, resumable }) => kind === "trigger" || resumable)
    const waiters = nodes.filter(({ child, id }) => child === undefined && traitOf(this.whole, id).signal)
    const count = takers.length > 0 ? mostEvents : Math.min(waiters.length, 1) * mostSignals
    return Array.from({ length: count }, (_, round) => ({
      at: round * roundMs,
      does: () => this.send(round, takers, round < mostSignals ? waiters : [])
    }))
  }

  /** Sends the next event to each of these nodes: one that was refused, as the run had failed, is sent again. */
  private async send(
    round: number,
    takers: ReadonlyArray<GraphNode>,
    waiters: ReadonlyArray<GraphNode>
  ): Promise<void> {
    const { client, sent, workflow } = this
    for (const node of takers) {
      const { id } = node
      const count = sent.get(id) ?? 0
      if (count === this.reference.eventsOf(node)) continue
      const exit = await client.trigger(runId, id, `event ${count}`, `${id} ${count}`)
      if (Exit.isSuccess(exit)) sent.set(id, count + 1)
    }
    for (const { id } of waiters) {
      await client.signal(workflow, runId, id as never, Nudge, `signal ${round}`, `${id} signal ${round}`)
    }
  }

  /** Asks a node how it stands; at the end its work is done. */
  private async checkAnswer({ child, id }: GraphNode, atEnd: boolean): Promise<void> {
    const { client, workflow } = this
    if (child !== undefined || !traitOf(this.whole, id).answers) return
    const asked = Effect.flatMap(Engine, (engine) => engine.query(workflow, runId, id as never, Standing))
    const exit = await client.call(asked)
    if (Exit.isFailure(exit)) throw new Error(`a query was not answered: ${Cause.pretty(exit.cause)}`)
    const answer = Option.getOrUndefined(exit.value)
    if (atEnd && this.reference.isDone(id) && answer !== "done") throw new Error(`${id} answers ${answer}, and is done`)
  }

  /** The statuses of the runs that bear the attributes of this one. */
  private async found(): Promise<ReadonlyArray<string>> {
    const search = Effect.flatMap(Engine, (engine) => engine.list({ attributes: attributes(this.whole), limit: 9 }))
    const exit = await this.client.call(search)
    const found = Exit.isSuccess(exit) ? exit.value : []
    if (found.length !== 1 || found[0]!.runId !== runId) throw new Error(`its attributes find ${found.length} runs`)
    return found.map(({ status }) => status)
  }

  /** Children that the run may have left behind. */
  private async others(): Promise<ReadonlyArray<string>> {
    const exit = await this.client.call(Effect.flatMap(Engine, (engine) => engine.list({ limit: 99 })))
    return Exit.isSuccess(exit) ? exit.value.map((run) => run.runId).filter((id) => id !== runId) : []
  }
}
