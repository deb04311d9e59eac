import * as Fiber from "effect/Fiber"
import { globalValue } from "effect/GlobalValue"
import { defaultShouldYield, PriorityBuckets, type Scheduler, type Task } from "effect/Scheduler"

/** Whether tasks run, wait until the process goes on, or will never run again. */
export type Life = "live" | "paused" | "dead"

/** Where the runtime keeps root fibers until they have ended, which a dead one never has. */
const scope = globalValue(Symbol.for("effect/FiberScope/Global"), () => ({ roots: new Set<unknown>() }))

/** Lets go of all fibers of lives that are over: the runtime would keep them, and all they hold, for ever. */
export const bury = (): void => {
  for (const fiber of Fiber.unsafeRoots()) {
    const { currentScheduler } = fiber
    if (currentScheduler instanceof LifeScheduler && currentScheduler.life === "dead") scope.roots.delete(fiber)
  }
}

/**
 * Runs the fibers of one life of a process, so that this life can be stopped (SIGSTOP) and killed (SIGKILL).
 *
 * **Details** Everything a fiber does after it was forked or has waited goes through its scheduler. Once dead, no task runs
 * again: no finalizer, no observer. All its fibers have one queue; Effect's own scheduler has one for each. Only what is started with `immediate: false` is bound to it from its first step on.
 */
export class LifeScheduler implements Scheduler {
  private readonly tasks = new PriorityBuckets<Task>()
  private armed = false
  private state: Life = "live"

  /** What this life is at. */
  get life(): Life {
    return this.state
  }

  /** Whether nothing would run if nothing came from outside. */
  get idle(): boolean {
    return this.state !== "live" || this.tasks.buckets.length === 0
  }

  /** A fiber in the middle of its work gives way as soon as it may when this life is not live. */
  shouldYield: Scheduler["shouldYield"] = (fiber) => (this.state === "live" ? defaultShouldYield(fiber) : 0)

  scheduleTask(task: Task, priority: number): void {
    if (this.state === "dead") return
    this.tasks.scheduleTask(task, priority)
    this.arm()
  }

  /** No task runs again. */
  kill(): void {
    this.state = "dead"
    this.tasks.buckets = []
  }

  /** Tasks wait until `resume`. */
  pause(): void {
    if (this.state === "live") this.state = "paused"
  }

  /** Goes on where it stopped. */
  resume(): void {
    if (this.state !== "paused") return
    this.state = "live"
    this.arm()
  }

  private arm(): void {
    if (this.armed || this.state !== "live" || this.tasks.buckets.length === 0) return
    this.armed = true
    queueMicrotask(this.drain)
  }

  private readonly drain = (): void => {
    for (let turns = 0; turns < turnsAtOnce && this.state === "live"; turns++) {
      const first = this.tasks.buckets[0]
      if (first === undefined) break
      const task = first[1].shift()
      if (first[1].length === 0) this.tasks.buckets.shift()
      task?.()
    }
    this.armed = false
    if (this.tasks.buckets.length === 0 || this.state !== "live") return
    this.armed = true
    setImmediate(this.drain)
  }
}

/** Tasks run in one turn of the event loop; after them, timers and sockets have their turn. */
const turnsAtOnce = 2_048
