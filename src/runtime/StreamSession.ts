import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import type { StreamRead } from "../model/Firing.js"
import { atTheBeginning, readCheckpoint, type StreamPositions, type StreamProgress } from "./Checkpoint.js"
import type { ValueCodec } from "./Codec.js"
import type { PlanNode, PlanPort } from "./Plan.js"
import type { StartFiring } from "./RunState.js"
import type { Lender } from "./Slots.js"
import type { StreamRun, StreamSite } from "./StreamOwner.js"
import { HandleReader } from "./StreamReader.js"
import { givenBefore, type InvalidElement, PortWriter } from "./StreamWriter.js"
import { whileRead } from "./WhileRead.js"

/** The streams of one attempt of one firing: what it reads and what it gives. */
export class StreamSession implements StreamSite, StreamProgress, Lender {
  readonly plan: PlanNode
  private readonly readers = new Map<string, HandleReader>()
  private readonly writers = new Map<string, PortWriter>()
  private isClosed = false
  private waiting = 0
  private begun = atTheBeginning
  /** Where the attempt begins: at the last checkpoint of its firing. */
  private readonly base: Effect.Effect<StreamPositions>

  constructor(
    readonly run: StreamRun,
    readonly start: StartFiring
  ) {
    this.plan = run.state.plan.nodes[start.node]!
    const base = Effect.flatMap(run.owner.checkpointOf(start), (text) => this.decode(text))
    this.base = Effect.runSync(Effect.cached(Effect.tap(base, (positions) => this.begin(positions))))
  }

  private begin(positions: StreamPositions): Effect.Effect<void> {
    return Effect.sync(() => {
      this.begun = positions
    })
  }

  get closed(): boolean {
    return this.isClosed
  }

  /** Nothing more is committed of what this attempt gives; it has its slot again, if it had lent it. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    if (this.waiting > 0) this.run.owner.slots.retake(this)
  }

  /** One of its streams waits for others. With the first its slot is lent to them, whatever else the handler may do beside. */
  waits(): void {
    this.waiting++
    if (this.waiting === 1 && !this.isClosed) this.run.owner.slots.lend(this)
  }

  /** One of its streams goes on, or is interrupted. */
  goesOn(): void {
    this.waiting--
    if (this.waiting === 0 && !this.isClosed) this.run.owner.slots.retake(this)
  }

  /** Somebody has to run alone, who may be the very one it waits for. */
  giveWay(): void {
    this.run.owner.interrupt(this.start)
  }

  /** What comes on a handle. */
  input(index: number, codec: ValueCodec): Stream.Stream<unknown> {
    const handle = this.plan.handles[index]!
    return Stream.unwrap(
      Effect.map(this.base, ({ read }) => {
        const reader = new HandleReader(this, handle, index, codec, read[handle.name] ?? {})
        this.readers.set(handle.name, reader)
        return reader.stream
      })
    )
  }

  /** Gives what a handler puts on a port, and how many that were. */
  output<E, R>(
    port: PlanPort,
    codec: ValueCodec,
    elements: Stream.Stream<unknown, E, R>
  ): Effect.Effect<number, E | InvalidElement, R> {
    return Effect.flatMap(this.base, ({ emitted }) => {
      const writer = new PortWriter(this, port, codec, emitted[port.name] ?? 0)
      this.writers.set(port.name, writer)
      const given = Stream.runForEachChunk(elements, (chunk) => writer.take(chunk)).pipe(
        // What came before a failure came, whenever it fails.
        Effect.catchAllCause((cause) =>
          Cause.isInterruptedOnly(cause)
            ? Effect.failCause(cause)
            : Effect.zipRight(writer.flush, Effect.failCause(cause))
        ),
        Effect.zipRight(writer.flush),
        Effect.zipRight(writer.end)
      )
      return whileRead(this.run, port, given, writer.stop).pipe(Effect.map(() => writer.next))
    })
  }

  /** Whether rows have something that the firing gave on a port; what this attempt gives is not asked for. */
  hasGiven(port: PlanPort): Effect.Effect<boolean> {
    return Effect.map(givenBefore(this, port, 0, 1), (messages) => messages.length > 0)
  }

  /** Ends when everything that was given may be committed. */
  get settled(): Effect.Effect<void> {
    const flushed = Effect.suspend(() =>
      Effect.forEach([...this.writers.values()], (writer) => writer.flush, { discard: true })
    )
    return Effect.zipRight(this.base, flushed)
  }

  /** What was given until now is on its way to be committed. */
  push(): void {
    for (const writer of this.writers.values()) writer.push()
  }

  /** How far it is; what was given until now is on its way to be committed. */
  snapshot(): StreamPositions {
    this.push()
    return {
      emitted: { ...this.begun.emitted, ...this.streamed },
      read: {
        ...this.begun.read,
        ...Object.fromEntries([...this.readers].map(([name, reader]) => [name, reader.positions]))
      }
    }
  }

  /** How many elements were given by port. */
  get streamed(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.writers].map(([name, writer]) => [name, writer.next]))
  }

  /** How far the handler is with its `stream` handles; one that it never pulled from is where the attempt began. */
  get read(): Readonly<Record<string, StreamRead>> | undefined {
    const streams = this.plan.handles.filter(({ mode }) => mode === "stream")
    if (streams.length === 0) return undefined
    const untouched = (name: string) => ({ positions: this.begun.read[name] ?? {}, whole: false })
    return Object.fromEntries(streams.map(({ name }) => [name, this.readers.get(name)?.read ?? untouched(name)]))
  }

  private decode(text: string | undefined): Effect.Effect<StreamPositions> {
    if (text === undefined) return Effect.succeed(atTheBeginning)
    return Either.match(readCheckpoint(text), {
      onLeft: (why) => this.park(`run_steps ${this.plan.id}/${this.start.firing.firing}: ${why}`),
      onRight: Effect.succeed
    })
  }

  private park(why: string): Effect.Effect<never> {
    return Effect.zipRight(
      Effect.sync(() => this.run.owner.park("UndecodableRow", why)),
      Effect.never
    )
  }
}
