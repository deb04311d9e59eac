import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { EncodedValue } from "../model/Firing.js"
import { Limits } from "../model/Limits.js"
import type { InboxMessage } from "../store/Inbox.js"
import type { Refusal, ValueCodec } from "./Codec.js"
import type { PlanPort } from "./Plan.js"
import type { StreamSite, Waiter } from "./StreamOwner.js"

/** An element that its port's schema refuses. */
export class InvalidElement extends Data.TaggedError("perdure/InvalidElement")<{
  readonly port: string
  readonly refusal: Refusal
}> {}

/**
 * Gives the elements of a stream to a port, in batches that are committed while the node runs.
 *
 * **Details** One batch is on its way while the next is gathered. A batch waits while consumers are far behind. What rows have
 * already, of an attempt before, is compared and not given again.
 */
export class PortWriter {
  private buffer: Array<EncodedValue> = []
  private underWay: Effect.Latch | undefined
  /** What rows may have from `next` on, read page by page; nothing once they have no more. */
  private known: ReadonlyArray<string> | undefined
  private knownFrom = 0
  private isLastPage = false

  constructor(
    private readonly session: StreamSite,
    private readonly port: PlanPort,
    private readonly codec: ValueCodec,
    /** The ordinal of the next element. */
    public next: number
  ) {
    const { owner } = session.run
    this.known = port.targets.length > 0 && owner.mayHaveGiven(session.start) ? [] : undefined
    this.knownFrom = next
  }

  /** Takes the elements of a chunk in their order. */
  take(chunk: Chunk.Chunk<unknown>): Effect.Effect<void, InvalidElement> {
    return this.takeFrom(Chunk.toReadonlyArray(chunk), 0)
  }

  private takeFrom(elements: ReadonlyArray<unknown>, begin: number): Effect.Effect<void, InvalidElement> {
    return Effect.suspend(() => {
      for (let at = begin; at < elements.length; at++) {
        const encoded = this.codec.encode(elements[at])
        if (Either.isLeft(encoded)) {
          const path = [this.next, ...encoded.left.path]
          return new InvalidElement({ port: this.port.name, refusal: { ...encoded.left, path } })
        }
        if (this.known !== undefined) {
          return Effect.zipRight(this.compare(encoded.right), this.takeFrom(elements, at + 1))
        }
        this.add(encoded.right)
        if (this.buffer.length >= Limits.streamBatch) {
          return Effect.zipRight(this.flush, this.takeFrom(elements, at + 1))
        }
      }
      return Effect.void
    })
  }

  private add(value: EncodedValue): void {
    this.next++
    if (this.port.targets.length === 0) return
    this.buffer.push(value)
    if (this.buffer.length > 1) return
    // A slow stream does not keep its elements back; the firing goes on beside, and keeps its slot.
    const { buffer } = this
    const late = Effect.suspend(() => (this.buffer === buffer ? this.send() : Effect.void))
    this.session.run.owner.fork(Effect.delay(late, Duration.millis(Limits.streamGatherMs)))
  }

  /** Sends what was gathered on its way, once it may; nothing else of the firing goes on before. */
  readonly flush: Effect.Effect<void> = Effect.suspend(() => this.send(this.session))

  private send(who?: Waiter): Effect.Effect<void> {
    if (this.buffer.length === 0 || this.session.closed) return Effect.void
    const { run } = this.session
    const settled = this.underWay?.await ?? Effect.void
    const hasRoom = run.until(() => this.session.closed || run.hasRoom(this.port), who)
    return settled.pipe(Effect.zipRight(hasRoom), Effect.zipRight(Effect.sync(() => this.push())))
  }

  /** Sends what was gathered on its way. */
  push(): void {
    if (this.buffer.length === 0 || this.session.closed) return
    const values = this.buffer
    this.buffer = []
    const committed = Effect.unsafeMakeLatch(false)
    this.underWay = committed
    const { firing, node } = this.session.start
    this.session.run.owner.push({
      _tag: "Emitted",
      node,
      firing: firing.firing,
      attempt: firing.attempt,
      port: this.port.name,
      from: this.next - values.length,
      values,
      committed: () => committed.unsafeOpen()
    })
  }

  /** An element that an attempt before may have given. */
  private compare(value: EncodedValue): Effect.Effect<void> {
    return Effect.flatMap(this.knownAt(this.next), (text) => {
      if (text === undefined) {
        this.known = undefined
        this.add(value)
        return Effect.void
      }
      if (text === value.text) {
        this.next++
        return Effect.void
      }
      return this.differs(`element ${this.next} is not what it was before`)
    })
  }

  /** The stream has ended, and its elements are on their way: an attempt before may not have given more. */
  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    if (this.known === undefined || this.session.closed) return Effect.void
    return Effect.flatMap(this.knownAt(this.next), (text) =>
      text === undefined ? Effect.void : this.differs(`ended after ${this.next} elements, it gave more before`)
    )
  })

  /** Nobody reads it any more: it ends behind what it has given, in this attempt or one before. */
  readonly stop: Effect.Effect<void> = Effect.suspend(() => {
    if (this.known === undefined || this.session.closed) return this.flush
    return Effect.map(this.behindLast, (next) => {
      this.known = undefined
      this.next = next
    })
  })

  /** Behind the last element that rows have; there are no gaps, so that few of them tell. */
  private readonly behindLast: Effect.Effect<number> = Effect.gen(this, function* () {
    const isThere = (ordinal: number) =>
      Effect.map(givenBefore(this.session, this.port, ordinal, 1), (messages) => messages.length > 0)
    let first = this.next
    let step = 1
    while (yield* isThere(first + step - 1)) {
      first += step
      step *= 2
    }
    let behind = first + step - 1
    while (first < behind) {
      const middle = Math.floor((first + behind) / 2)
      if (yield* isThere(middle)) first = middle + 1
      else behind = middle
    }
    return first
  })

  private differs(how: string): Effect.Effect<never> {
    const { plan, run, start } = this.session
    const what = `${plan.id}/${start.firing.firing}.${this.port.name}: ${how}`
    return Effect.zipRight(
      Effect.sync(() => run.owner.park("NonDeterministicEmission", what)),
      Effect.never
    )
  }

  private knownAt(ordinal: number): Effect.Effect<string | undefined> {
    const { known = [] } = this
    if (ordinal < this.knownFrom + known.length) return Effect.succeed(known[ordinal - this.knownFrom])
    if (this.isLastPage) return Effect.succeed(undefined)
    return Effect.flatMap(givenBefore(this.session, this.port, ordinal, Limits.streamBatch), (messages) => {
      this.known = messages.flatMap(({ content }) => (content._tag === "Live" ? [content.text] : []))
      this.knownFrom = ordinal
      this.isLastPage = messages.length < Limits.streamBatch
      return Effect.succeed(this.known[0])
    })
  }
}

/** What the rows of one consumer of a port have of a firing, from an ordinal on: all consumers have the same. */
export const givenBefore = (
  { run, start }: StreamSite,
  { producer, targets }: PlanPort,
  ordinal: number,
  limit: number
): Effect.Effect<ReadonlyArray<InboxMessage>> => {
  const [target] = targets
  if (target === undefined) return Effect.succeed([])
  const { handles, id: nodeId } = run.state.plan.nodes[target.node]!
  const { firing } = start.firing
  const from = { firing, ordinal }
  const range = { runId: run.owner.runId, nodeId, handle: handles[target.handle]!.name, producer, from }
  return Effect.catchAll(run.owner.reader.messages([range], limit), (error) =>
    Effect.zipRight(
      Effect.sync(() => run.owner.park("UndecodableRow", error.message)),
      Effect.never
    )
  ).pipe(Effect.map((messages) => messages.filter((message) => message.firing === firing)))
}
