import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { PlanPort } from "./Plan.js"
import { isUnread } from "./RunState.js"
import type { StreamRun } from "./StreamOwner.js"

/**
 * Gives on a port as long as somebody may read it: when nobody will any more, what gives is interrupted, and the stream counts as
 * ended.
 *
 * **Details** That is seen in the commit in which the last reader ends. Finalizers run, and are waited for; a defect of theirs is one
 * of the attempt, as at the end of any stream. An attempt that begins after that commit, in whatever process, gives nothing at
 * all. `stop` then settles where the stream has ended.
 */
export const whileRead = <E, R>(
  run: StreamRun,
  port: PlanPort,
  giving: Effect.Effect<void, E, R>,
  stop: Effect.Effect<void>
): Effect.Effect<void, E, R> => {
  const { nodes } = run.state.plan
  // The output reads until its run has ended.
  const isReadToTheEnd = port.targets.length === 0 || port.targets.some(({ node }) => nodes[node]!.kind === "output")
  if (isReadToTheEnd) return giving
  const unread = () => isUnread(port, run.state.nodes)
  const racing = Effect.raceWith(giving, run.until(unread), {
    onSelfDone: (exit, watch) => Effect.zipRight(Fiber.interrupt(watch), exit),
    onOtherDone: (_, giver) =>
      Effect.flatMap(Fiber.interrupt(giver), (exit) =>
        Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause) ? exit : stop
      )
  })
  return Effect.suspend(() => (unread() ? stop : racing))
}
