import { Limits } from "../model/Limits.js"

/** A firing that has lent its slot to others while it waits for them. */
export interface Lender {
  /** Is interrupted, and starts again when there is room. */
  readonly giveWay: () => void
}

/**
 * How many firings of this worker may run at once: counted synchronously, so that looking and taking is one step.
 *
 * **Details** A firing whose process died of it again and again runs alone: it waits until nothing runs, and while it runs
 * nothing else starts. While it waits nothing else starts, either, but for a while in turn: a step that takes an hour must
 * not keep everybody from starting for an hour. A firing that waits for what others give or take lends its slot to them
 * meanwhile; it still runs, so that nobody can be alone beside it. It may wait for the very firing that waits to run alone,
 * or for days: when nothing else runs it gives way, and starts again behind it.
 */
export class Slots {
  private taken = 0
  private unsettled = 0
  private closed = false
  private alone = false
  private aloneSince = 0
  private readonly waiting = new Set<() => void>()
  private readonly waitingAlone = new Set<() => void>()
  private readonly lenders = new Set<Lender>()

  constructor(
    private readonly size: number,
    /** Whether anything may start at all. */
    private readonly isOpen: () => boolean = () => true,
    /** The time, in milliseconds. */
    private readonly now: () => number = () => 0
  ) {}

  private get open(): boolean {
    return !this.closed && this.isOpen()
  }

  /** Whether somebody's wait to run alone keeps others from starting now. */
  private get reserved(): boolean {
    const { aloneTurnMs } = Limits
    return this.waitingAlone.size > 0 && (this.now() - this.aloneSince) % (2 * aloneTurnMs) < aloneTurnMs
  }

  /** Slots free now; none once closed, or while somebody runs alone or it is his turn to wait for it. */
  get free(): number {
    return this.open && !this.alone && !this.reserved ? this.size - this.taken : 0
  }

  /** Slots that are taken. */
  get inUse(): number {
    return this.taken
  }

  /** Whether somebody runs alone, or waits for it. */
  get isAlone(): boolean {
    return this.alone || this.waitingAlone.size > 0
  }

  /** Whether a firing could run alone now. */
  get freeAlone(): boolean {
    return this.isQuiet && this.lenders.size === 0
  }

  /** Whether a firing could start, and nothing runs but what waits for others. */
  private get isQuiet(): boolean {
    return this.open && this.taken === 0 && this.unsettled === 0 && this.size > 0
  }

  /** Takes slots that were seen free in the same turn of the event loop. */
  take(count: number, alone = false): void {
    if (count === 0) return
    this.taken += count
    this.alone ||= alone
    if (this.taken > (this.alone ? 1 : this.size)) throw new Error(`${this.taken} firings run in ${this.size} slots`)
  }

  /** Gives slots back and tells as many of those who wait, the first to have asked first. */
  release(count: number): void {
    this.taken -= count
    if (this.taken === 0) this.alone = false
    this.tell(count)
  }

  /** A firing waits for others: its slot is theirs until then, all of them if it ran alone. */
  lend(lender: Lender): void {
    const { alone } = this
    this.lenders.add(lender)
    this.taken--
    this.alone = false
    this.tell(alone ? this.free : 1)
  }

  /** It goes on, though others may have the slot: for a moment more run than there are slots, and nothing starts. */
  retake(lender: Lender): void {
    this.lenders.delete(lender)
    this.taken++
  }

  /** A firing has run; until its outcome is committed a death of the process would still be charged to it. */
  end(): void {
    this.unsettled++
    this.release(1)
  }

  /** The outcomes of firings are committed, or not this worker's any more. */
  settle(count: number): void {
    if (count === 0) return
    this.unsettled -= count
    if (this.waitingAlone.size > 0) this.tell(1)
  }

  /** Who runs alone gets on, and may need others for it. */
  endAlone(): void {
    if (!this.alone) return
    this.alone = false
    this.lookAgain()
  }

  /** Tells those who wait that something may start: what forbade it is over. */
  lookAgain(): void {
    this.tell(this.free)
  }

  private tell(count: number): void {
    const [first] = this.waitingAlone
    if (first !== undefined && this.freeAlone) return first()
    // Only in its turn: in that of the others they would start again at once.
    if (this.reserved && this.isQuiet) for (const lender of [...this.lenders]) lender.giveWay()
    if (!this.open || this.alone || this.reserved || this.waiting.size === 0) return
    const room = Math.min(count, this.size - this.taken)
    for (const call of [...this.waiting].slice(0, Math.max(0, room))) {
      this.waiting.delete(call)
      call()
    }
  }

  /** Calls back once when a slot may be free. */
  onFree(call: () => void): void {
    this.waiting.add(call)
  }

  /** Calls back whenever a firing could run alone, until it is said that nobody waits for that any more. */
  onFreeAlone(call: () => void): void {
    if (this.waitingAlone.has(call)) return
    if (this.waitingAlone.size === 0) this.aloneSince = this.now()
    this.waitingAlone.add(call)
    this.tell(0)
  }

  /** Nobody waits any more to run alone. */
  forgetAlone(call: () => void): void {
    if (this.waitingAlone.delete(call)) this.lookAgain()
  }

  /** Forgets a callback. */
  forget(call: () => void): void {
    this.waiting.delete(call)
    this.forgetAlone(call)
  }

  /** From now on nothing starts. */
  close(): void {
    this.closed = true
  }
}
