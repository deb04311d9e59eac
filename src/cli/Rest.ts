import { Session } from "node:inspector"
import { setFlagsFromString } from "node:v8"

/** How often it is looked whether the process rests. */
const lookMs = 5_000

/** A process that used less of one core than this rests: heartbeats and looks take a hundredth. */
const restingShare = 0.1

const megabyte = 1_048_576

/** What the heap has to have grown by since its last collection; below it one gives back too little to be worth its pause. */
const grownBytes = 4 * megabyte

/** And of what it was: the pause of a collection grows with what lives. */
const grownShare = 0.1

/** By how many percent of what lived the heap may grow until it is collected whole. V8's own bound is 300 under load. */
const mostGrowth = 100

/** What is known of the process at one look. */
export interface Look {
  /** In milliseconds, of a clock that does not go back. */
  readonly at: number
  /** Milliseconds of processor time since its start. */
  readonly cpuMs: number
  /** What the heap has of the system's memory, whether it is full or not. */
  readonly heapBytes: number
}

const isAtRest = (before: Look, now: Look): boolean => now.cpuMs - before.cpuMs < restingShare * (now.at - before.at)

/** Whether a process has rested between two looks, with enough more for its heap than after the last collection. */
export const isWorthwhile = (before: Look, now: Look, collectedBytes: number): boolean =>
  isAtRest(before, now) && now.heapBytes - collectedBytes > Math.max(grownBytes, collectedBytes * grownShare)

const look = (): Look => {
  const { system, user } = process.cpuUsage()
  return { at: performance.now(), cpuMs: (user + system) / 1_000, heapBytes: process.memoryUsage().heapTotal }
}

/** What V8 does when a system is short of memory: all pages that hold nothing are given back, those of young values too. */
const collect = (session: Session, done: () => void): void => session.post("HeapProfiler.collectGarbage", done)

/**
 * Takes less memory under load, and gives it back when there is nothing to do: a collection within 10 s of a load's end.
 *
 * **Details** While 20,000 runs were started that go to sleep, a server took 370 MB at most, and 222 MB since the growth of its heap
 * is bounded, in the same processor time; and what is left behind for good goes by the peak (`bench/PROFILE.md`).
 *
 * V8 collects when something is allocated, and a process at rest allocates next to nothing: after 10,000 starts of runs that sleep, a
 * server held 350 MB for a minute and a half. An ordinary collection, as `--expose-gc` gives it, leaves what was set aside for young
 * values as large as the load had made it: 32 MB, for as long as V8 likes. What heartbeats and looks leave behind is collected now and
 * then, in 10 to 45 ms. Only for a process of our own: an application's heap is the application's.
 */
export const keepHeapSmall = (): void => {
  setFlagsFromString(`--heap-growing-percent=${mostGrowth}`)
  const session = new Session()
  session.connect()
  let before = look()
  // What the start has left is collected, too: loading and compiling leave as much again as lives.
  let collectedBytes = 0
  setInterval(() => {
    const now = look()
    const collects = isWorthwhile(before, now, collectedBytes)
    before = now
    if (!collects) return
    // It takes place in a turn of its own: what is left is known then.
    collect(session, () => {
      before = look()
      collectedBytes = before.heapBytes
    })
  }, lookMs).unref()
}
