import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { Fork } from "./Forks.js"

/** One thing that is done after a while, unless it is called off before. */
export class Alarm {
  private timer: Fiber.RuntimeFiber<void> | undefined

  constructor(private readonly fork: Fork) {}

  /** Does something after so many milliseconds instead of what was set before. */
  set(ms: number, then: () => void): void {
    const timer = this.fork(Effect.sleep(Duration.millis(ms)))
    this.timer = timer
    timer.addObserver((exit) => {
      if (this.timer !== timer || Exit.isFailure(exit)) return
      this.timer = undefined
      then()
    })
  }

  /** Calls off what was set last. */
  callOff(): void {
    const { timer } = this
    this.timer = undefined
    timer?.unsafeInterruptAsFork(FiberId.none)
  }
}
