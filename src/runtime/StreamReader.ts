import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { StreamRead } from "../model/Firing.js"
import { Limits } from "../model/Limits.js"
import type { InboxMessage, PendingRange } from "../store/Inbox.js"
import { fieldName, type ValueCodec } from "./Codec.js"
import type { PlanHandle } from "./Plan.js"
import type { StreamSite } from "./StreamOwner.js"

type Position = readonly [firing: number, ordinal: number]

/** A message on its way to the handler; `after` is the position behind it. */
interface Item {
  readonly value: unknown
  readonly producer: string
  readonly after: Position
}

/** Up to where an edge may be read: every firing of its producer below has ended; nothing comes any more if it is infinite. */
interface Edge {
  readonly producer: string
  readonly expected: number
}

/** How many messages had come, and how far its edges were. */
interface Drained {
  readonly delivered: number
  readonly edges: ReadonlyArray<Edge>
}

/**
 * Reads what comes on a `stream` handle, page by page from its rows, in the order of each producer.
 *
 * **Details** `positions` tell what was handed to the handler, element by element: pages are read ahead of that.
 */
export class HandleReader {
  private readonly ahead: Map<string, Position>
  private readonly handed: Map<string, Position>
  private atEnd = false
  /** What there was when the rows had nothing more for it: they are not asked again before something has changed. */
  private drained: Drained | undefined

  constructor(
    private readonly session: StreamSite,
    private readonly handle: PlanHandle,
    private readonly index: number,
    private readonly codec: ValueCodec,
    from: Readonly<Record<string, Position>>
  ) {
    this.ahead = new Map(Object.entries(from))
    this.handed = new Map(this.ahead)
  }

  /** How far the handler is, and whether it has seen the end. */
  get read(): StreamRead {
    return { positions: this.positions, whole: this.atEnd }
  }

  get positions(): Readonly<Record<string, Position>> {
    return Object.fromEntries(this.handed)
  }

  /** Handed out one by one, so that it is known how far the handler is. */
  get stream(): Stream.Stream<unknown> {
    return Stream.repeatEffectChunkOption(this.pull).pipe(
      Stream.rechunk(1),
      Stream.map(({ after, producer, value }) => {
        this.handed.set(producer, after)
        return value
      })
    )
  }

  private readonly pull: Effect.Effect<Chunk.Chunk<Item>, Option.Option<never>> = Effect.suspend(() => {
    const { plan, run } = this.session
    const gate = run.gate(plan.id, this.handle.name)
    const { drained } = this
    if (drained !== undefined && gate.delivered === drained.delivered && !this.hasMoved(drained.edges)) {
      if (drained.edges.every(({ expected }) => expected === Number.POSITIVE_INFINITY)) {
        this.atEnd = true
        return Effect.fail(Option.none())
      }
      return Effect.zipRight(
        run.until(() => gate.delivered !== drained.delivered || this.hasMoved(drained.edges), this.session),
        this.pull
      )
    }
    const { delivered } = gate
    const edges = this.edges()
    return Effect.flatMap(this.page(edges), ({ isFull, items }) => {
      this.drained = isFull ? undefined : { delivered, edges }
      if (!isFull) {
        gate.read = delivered
        run.changed()
      }
      return items.length > 0 ? Effect.succeed(Chunk.unsafeFromArray(items)) : this.pull
    })
  })

  private edges(): ReadonlyArray<Edge> {
    const { run, start } = this.session
    const { edges } = run.state.nodes[start.node]!.handles[this.index]!
    return this.handle.edges.map(({ producer }, edge) => ({ producer, expected: edges[edge]!.expected }))
  }

  private hasMoved(before: ReadonlyArray<Edge>): boolean {
    return this.edges().some(({ expected }, index) => expected !== before[index]!.expected)
  }

  /** What follows, of every producer; full if there may be more. */
  private page(
    edges: ReadonlyArray<Edge>
  ): Effect.Effect<{ readonly items: ReadonlyArray<Item>; readonly isFull: boolean }> {
    const { plan, run } = this.session
    const { runId } = run.owner
    const ranges = edges.map(({ producer }): PendingRange => {
      const [firing, ordinal] = this.ahead.get(producer) ?? [0, 0]
      return { runId, nodeId: plan.id, handle: this.handle.name, producer, from: { firing, ordinal } }
    })
    return Effect.map(this.messages(ranges), (messages) => {
      const items: Array<Item> = []
      let isFull = false
      for (const { expected, producer } of edges) {
        const found = messages.filter((message) => message.producer === producer)
        const inOrder = found.filter(({ firing }) => firing <= expected)
        if (found.length === Limits.streamBatch && inOrder.length === found.length) isFull = true
        for (const message of inOrder) this.take(message, items)
      }
      return { items, isFull }
    })
  }

  private messages(ranges: ReadonlyArray<PendingRange>): Effect.Effect<ReadonlyArray<InboxMessage>> {
    const { owner } = this.session.run
    return Effect.catchAll(owner.reader.messages(ranges, Limits.streamBatch), (error) =>
      Effect.zipRight(
        Effect.sync(() => owner.park("UndecodableRow", error.message)),
        Effect.never
      )
    )
  }

  private take({ content, firing, ordinal, producer }: InboxMessage, items: Array<Item>): void {
    const after = [firing, ordinal + 1] as const
    this.ahead.set(producer, after)
    // A tombstone is nobody's element.
    if (content._tag === "Tombstone") return
    const decoded = this.codec.decode(content.value)
    if (Either.isLeft(decoded)) {
      const { message, path } = decoded.left
      throw new Error(`${fieldName(this.handle.name, path)}: ${message}`)
    }
    items.push({ value: decoded.right, producer, after })
  }
}
