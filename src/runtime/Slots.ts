/**
 * How many firings of this worker may run at once: counted synchronously, so that looking and taking is one step.
 */
export class Slots {
  private taken = 0
  private closed = false
  private readonly waiting = new Set<() => void>()

  constructor(private readonly size: number) {}

  /** Slots free now; none once closed. */
  get free(): number {
    return this.closed ? 0 : this.size - this.taken
  }

  /** Takes slots that were seen free in the same turn of the event loop. */
  take(count: number): void {
    this.taken += count
    if (this.taken > this.size) throw new Error(`${this.taken} firings run in ${this.size} slots`)
  }

  /** Gives slots back and tells as many of those who wait, the first to have asked first. */
  release(count: number): void {
    this.taken -= count
    this.tell(count)
  }

  private tell(count: number): void {
    if (this.closed) return
    if (this.waiting.size === 0) return
    for (const call of [...this.waiting].slice(0, count)) {
      this.waiting.delete(call)
      call()
    }
  }

  /** Calls back once when a slot may be free. */
  onFree(call: () => void): void {
    this.waiting.add(call)
  }

  /** Forgets a callback. */
  forget(call: () => void): void {
    this.waiting.delete(call)
  }

  /** From now on nothing starts. */
  close(): void {
    this.closed = true
  }

  /** Starting is allowed again. */
  open(): void {
    this.closed = false
    this.tell(this.free)
  }
}
