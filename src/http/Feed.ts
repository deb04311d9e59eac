import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { RunId } from "../model/Ids.js"
import { isEnded } from "../model/Status.js"
import { Operator } from "../Operator.js"
import type { Recent, Watched } from "../store/Overview.js"
import { beat, endFrame, eventFrame, greeting, runsFrame, skippedFrame, statusFrame } from "./Frames.js"
import { HttpSettings } from "./Settings.js"
import { Stopping } from "./Stopping.js"

/** Events of one run that one look brings; the next look brings more. */
const eventsPerLook = 500

/** Rows of the audit log that one look takes in, for those who follow all runs; what is beyond is left out, and said. */
const rowsPerLook = 1_000

/** Events of all runs in one frame. */
const eventsPerFrame = 25

/** Events of all runs that one look sends, counted once for each reader; what many readers cost is bounded by it. */
const eventsPerLookAtAll = 12_500

/** Pages of the audit log that one look reads for those who come back; readers at the same row share one. */
const pagesPerLook = 10

/** Rows that a reader who comes back is told of; what is older is left out, and said. */
const rowsToCatchUp = 100_000n

/** Turns from one look at all runs to the next: what is for people need not come at once. */
const turnsPerLookAtAll = 2

/** A quiet connection is closed by some proxies; a comment in between keeps it. */
const beatMs = 15_000

/** Looks whose frames wait for one reader of all runs; who is slower misses some, and is told. */
const looksWaiting = 8

/** How long the last events of an ended run are waited for, before its stream ends without them. */
const lastEventsMs = 3_000

/** Looks during which a gap in the numbers of the audit log is waited for: a transaction may not have committed yet. */
const looksForGap = 3

/** Bytes for a reader, or the end. */
export type Frame = Uint8Array | undefined

/**
 * Tells many readers what becomes of runs, with one look at the database for all of them.
 *
 * **Details** A run's stream is complete, as far as the audit log is. So is that of all runs for who reads it quickly enough,
 * also across a connection that broke, unless more happens than one server sends to so many readers: then it leaves some out and
 * says so. Nothing is read for who does not read.
 * Greeting, beats and the end of a stop come from here, too: a stream is nothing but its queue, because with hundreds of them
 * whatever stands between a frame and its socket is paid hundreds of times; `npm run soak:streams` measures it.
 */
export class Feed extends Context.Tag("perdure/http/Feed")<
  Feed,
  {
    /** Frames of one run, after an event. */
    readonly run: (runId: RunId, after: string) => Effect.Effect<Queue.Dequeue<Frame>, never, Scope.Scope>
    /** Frames of all runs, after a row of the audit log; from now on without one. */
    readonly all: (after: bigint | undefined) => Effect.Effect<Queue.Dequeue<Frame>, never, Scope.Scope>
  }
>() {}

type OperatorApi = Context.Tag.Service<Operator>

interface RunReader {
  readonly runId: RunId
  readonly queue: Queue.Queue<Frame>
  after: string
  status: string
  /** The last event that was about the run as a whole. */
  lastKind: string
  endedAt: number | undefined
}

/** Those who follow one run each. */
const makeRuns = (operator: OperatorApi) => {
  const readers = new Set<RunReader>()

  const tell = (reader: RunReader, news: Watched, now: number): void => {
    for (const event of news.events) {
      reader.queue.unsafeOffer(eventFrame(event))
      if (event.nodeId === null) reader.lastKind = event.kind
    }
    reader.after = news.events.at(-1)?.seq ?? reader.after
    reader.endedAt = isEnded(news.status) ? (reader.endedAt ?? now) : undefined
    const { endedAt } = reader
    const hasAll = endedAt === undefined || reader.lastKind === `run.${news.status}` || now - endedAt >= lastEventsMs
    // The end is told after what led to it.
    if (!hasAll || news.events.length === eventsPerLook) return
    const status = `${news.status} ${news.reason ?? ""}`
    if (status !== reader.status) reader.queue.unsafeOffer(statusFrame(news))
    reader.status = status
    if (endedAt === undefined) return
    reader.queue.unsafeOffer(endFrame(news))
    reader.queue.unsafeOffer(undefined)
    readers.delete(reader)
  }

  const look = Effect.gen(function* () {
    const asking = yield* Effect.filter(readers, ({ queue }) => Queue.isEmpty(queue))
    if (asking.length === 0) return
    const found = yield* operator.watched(asking, eventsPerLook)
    const now = yield* Clock.currentTimeMillis
    for (const news of found) {
      const reader = asking[news.watch]
      if (reader !== undefined && readers.has(reader)) tell(reader, news, now)
    }
  })
  return { readers, look }
}

interface Reader {
  readonly queue: Queue.Queue<Frame>
  /** Where it goes on by itself, before it is told what all are told. */
  after: bigint | undefined
  missed: boolean
}

/** The rows up to the first gap that may still close; `waited` says how often the gap has been looked at. */
const withoutGap = (after: bigint, { rows }: Recent, waited: number) => {
  let last = after
  let count = 0
  for (const { seq } of rows) {
    if (seq !== last + 1n && waited < looksForGap) break
    last = seq
    count++
  }
  return { told: rows.slice(0, count), last, gap: count < rows.length }
}

/** What one look may send to each of so many readers. */
const eventsFor = (readers: number): number =>
  Math.max(eventsPerFrame, Math.floor(eventsPerLookAtAll / Math.max(readers, 1)))

/** The last `most` events of some rows, in frames whose ids are rows that were told in full; the last one's is `upTo`. */
const framesOf = (rows: Recent["rows"], upTo: bigint, most: number): ReadonlyArray<Uint8Array> => {
  const all = rows.flatMap(({ events, seq }) =>
    events.map((event, place) => ({ event, row: place === events.length - 1 ? seq : undefined }))
  )
  const told = all.slice(-most)
  return Chunk.toReadonlyArray(Chunk.chunksOf(Chunk.unsafeFromArray(told), eventsPerFrame)).map(
    (chunk, place, chunks) => {
      const part = Chunk.toReadonlyArray(chunk)
      const row = place === chunks.length - 1 ? upTo : part.findLast((one) => one.row !== undefined)?.row
      return runsFrame(
        part.map(({ event }) => event),
        row
      )
    }
  )
}

const offer = (reader: Reader, frames: ReadonlyArray<Uint8Array>): void => {
  if (frames.length === 0) return
  if (reader.missed) reader.queue.unsafeOffer(skippedFrame)
  reader.missed = false
  for (const frame of frames) reader.queue.unsafeOffer(frame)
}

/** Brings those who were here before to where all are, one page in a look. */
const catchUp = (operator: OperatorApi, readers: Iterable<Reader>, upTo: bigint) =>
  Effect.gen(function* () {
    const pages = new Map<bigint, Recent["rows"]>()
    for (const reader of readers) {
      if (reader.after === undefined || !(yield* Queue.isEmpty(reader.queue))) continue
      reader.missed ||= reader.after < upTo - rowsToCatchUp
      const after = reader.after < upTo - rowsToCatchUp ? upTo - rowsToCatchUp : reader.after
      const known = after >= upTo ? [] : pages.get(after)
      if (known === undefined && pages.size === pagesPerLook) continue
      const page = known ?? (yield* operator.recent(after, rowsPerLook)).rows
      if (after < upTo) pages.set(after, page)
      const rows = page.filter(({ seq }) => seq <= upTo)
      const last = page.length === rowsPerLook ? (rows.at(-1)?.seq ?? upTo) : upTo
      const frames = framesOf(rows, last, Number.POSITIVE_INFINITY)
      offer(reader, frames)
      // Who has more to read than may wait for anybody is not told yet what all are told.
      reader.after = last >= upTo && frames.length < looksWaiting ? undefined : last
    }
  })

/** Those who follow all runs. */
const makeAll = (operator: OperatorApi) => {
  const readers = new Set<Reader>()
  let place: bigint | undefined
  let waited = 0

  const broadcast = (rows: Recent["rows"], row: bigint, skipped: boolean) =>
    Effect.gen(function* () {
      const most = eventsFor(readers.size)
      const frames = framesOf(rows, row, most)
      const mayWait = looksWaiting * Math.ceil(most / eventsPerFrame)
      const tooMany = skipped || rows.reduce((sum, { events }) => sum + events.length, 0) > most
      for (const reader of readers) {
        if (reader.after !== undefined) continue
        const isSlow = frames.length > 0 && (yield* Queue.size(reader.queue)) >= mayWait
        reader.missed ||= tooMany || isSlow
        if (!isSlow) offer(reader, frames)
      }
    })

  const look = Effect.gen(function* () {
    if (readers.size === 0) {
      place = undefined
      return
    }
    if (place === undefined) place = (yield* operator.recent(undefined, 0)).last
    yield* catchUp(operator, readers, place)
    const recent = yield* operator.recent(place, rowsPerLook)
    if (recent.rows.length === 0) return
    const { gap, last, told } = withoutGap(place, recent, waited)
    waited = gap ? waited + 1 : 0
    // Few readers are rather told late than not at all.
    const late = BigInt(Math.max(rowsPerLook, eventsFor(readers.size)))
    const behind = recent.rows.length === rowsPerLook && recent.last > last + late
    place = behind ? recent.last - BigInt(rowsPerLook) : last
    yield* broadcast(told, place, behind)
  })
  return { readers, look }
}

const make = Effect.gen(function* () {
  const operator = yield* Operator
  const stopping = yield* Stopping
  const { streamMs } = yield* HttpSettings
  const runs = makeRuns(operator)
  const all = makeAll(operator)
  const somebody = Effect.unsafeMakeLatch(false)

  const careful = (look: Effect.Effect<void, { readonly _tag: string }>) =>
    Effect.catchAllCause(look, (cause) => Effect.logWarning("The streams could not be told the news", cause))

  const everybody = () => [...runs.readers, ...all.readers]
  const tellEnd = Effect.sync(() => everybody().forEach(({ queue }) => queue.unsafeOffer(undefined)))
  // Who does not read what there is needs no more of it.
  const tellBeat = Effect.sync(() => {
    for (const { queue } of everybody()) if (Option.contains(queue.unsafeSize(), 0)) queue.unsafeOffer(beat)
  })

  let turns = 0
  let beatAt = 0
  const turn = Effect.gen(function* () {
    if (runs.readers.size + all.readers.size === 0) yield* somebody.close
    yield* somebody.await
    yield* careful(runs.look)
    if (turns++ % turnsPerLookAtAll === 0) yield* careful(all.look)
    const now = yield* Clock.currentTimeMillis
    if (now - beatAt < beatMs) return
    beatAt = now
    yield* tellBeat
  })
  yield* Effect.forkScoped(Effect.zipRight(stopping.wait, tellEnd))
  yield* Effect.forkScoped(Effect.forever(Effect.zipRight(turn, Effect.sleep(Duration.millis(streamMs)))))

  const join = <A extends { readonly queue: Queue.Queue<Frame> }>(readers: Set<A>, reader: A) =>
    Effect.acquireRelease(
      Effect.map(stopping.hasBegun, (isOver) => {
        readers.add(reader)
        reader.queue.unsafeOffer(isOver ? undefined : greeting)
      }),
      () =>
        Effect.zipRight(
          Queue.shutdown(reader.queue),
          Effect.sync(() => readers.delete(reader))
        )
    ).pipe(Effect.zipRight(somebody.open), Effect.as(reader.queue as Queue.Dequeue<Frame>))

  return Feed.of({
    run: (runId, after) =>
      Effect.flatMap(Queue.unbounded<Frame>(), (queue) =>
        join(runs.readers, { runId, queue, after, status: "", lastKind: "", endedAt: undefined })
      ),
    all: (after) =>
      Effect.flatMap(Queue.unbounded<Frame>(), (queue) => join(all.readers, { queue, after, missed: false }))
  })
})

export const layer: Layer.Layer<Feed, never, Operator | Stopping> = Layer.scoped(Feed, make)
