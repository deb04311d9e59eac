import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** Somebody who sleeps; `owner` tells whose sleepers die together. */
interface Sleeper {
  readonly at: number
  readonly order: number
  readonly owner: object
  readonly wake: () => void
}

/** 2030-01-01: far from the machine's own time, so that a mix-up shows. */
const beginning = Date.UTC(2030, 0, 1)

/** A time that moves only when it is told to. */
export class VirtualClock {
  private sleepers: Array<Sleeper> = []
  private order = 0
  private present = beginning

  /** Milliseconds since the epoch. */
  get now(): number {
    return this.present
  }

  /** The earliest time at which somebody wakes, if anybody sleeps. */
  get next(): number | undefined {
    return this.sleepers[0]?.at
  }

  /** Sets the time, and wakes whoever is due, in order. Time never goes back. */
  advanceTo(at: number): void {
    this.present = Math.max(this.present, at)
    const due = this.sleepers.findIndex((sleeper) => sleeper.at > this.present)
    const woken = this.sleepers.splice(0, due < 0 ? this.sleepers.length : due)
    for (const sleeper of woken) sleeper.wake()
  }

  /** Wakes once at a time; gives what calls it off. */
  sleepUntil(owner: object, at: number, wake: () => void): () => boolean {
    const sleeper: Sleeper = { at, order: this.order++, owner, wake }
    let place = this.sleepers.length
    while (place > 0 && this.sleepers[place - 1]!.at > at) place--
    this.sleepers.splice(place, 0, sleeper)
    return () => {
      const found = this.sleepers.indexOf(sleeper)
      if (found >= 0) this.sleepers.splice(found, 1)
      return found >= 0
    }
  }

  /** Forgets the sleepers of a process that is dead. */
  drop(owner: object): void {
    this.sleepers = this.sleepers.filter((sleeper) => sleeper.owner !== owner)
  }

  /** The clock as a process sees it: `skewMs` later than this one. */
  clockOf(owner: object, skewMs = 0): Clock.Clock {
    const schedule = (task: () => void, duration: Duration.Duration) => {
      const millis = Duration.toMillis(duration)
      return millis > longestMs ? () => false : this.sleepUntil(owner, this.present + Math.ceil(millis), task)
    }
    const millis = () => this.present + skewMs
    return {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: millis,
      unsafeCurrentTimeNanos: () => BigInt(millis()) * 1_000_000n,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanos: Effect.sync(() => BigInt(millis()) * 1_000_000n),
      sleep: (duration) =>
        Effect.async<void>((resume) => {
          const cancel = schedule(() => resume(Effect.void), Duration.decode(duration))
          return Effect.asVoid(Effect.sync(cancel))
        })
    }
  }
}

/** As with the timers of the platform, a longer sleep never ends. */
const longestMs = 2 ** 31 - 1
