import * as Cron from "effect/Cron"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { expect, it } from "vitest"
import * as Node from "../../src/definition/Node.js"
import { scheduleIssues } from "../../src/definition/ScheduleCheck.js"
import * as Workflow from "../../src/definition/Workflow.js"

const steady: Readonly<Record<string, Schedule.Schedule<unknown, unknown>>> = {
  spaced: Schedule.spaced("1 second"),
  exponential: Schedule.exponential("100 millis"),
  fibonacci: Schedule.fibonacci("100 millis"),
  linear: Schedule.linear("1 second"),
  "exponential up to a bound": Schedule.exponential("100 millis").pipe(Schedule.either(Schedule.spaced("10 seconds"))),
  "so many times": Schedule.spaced("1 second").pipe(Schedule.intersect(Schedule.recurs(3))),
  "one after the other": Schedule.andThen(
    Schedule.spaced("1 second").pipe(Schedule.intersect(Schedule.recurs(2))),
    Schedule.spaced("1 minute")
  ),
  "exponential by an odd factor": Schedule.exponential("100 millis", 1.1),
  "exponential beyond all time": Schedule.exponential("1 day", 10),
  forever: Schedule.forever
}

const unsteady: Readonly<Record<string, Schedule.Schedule<unknown, unknown>>> = {
  jittered: Schedule.jittered(Schedule.spaced("1 second")),
  "jittered late": Schedule.andThen(
    Schedule.spaced("1 second").pipe(Schedule.intersect(Schedule.recurs(2))),
    Schedule.jittered(Schedule.spaced("1 minute"))
  ),
  upTo: Schedule.spaced("1 second").pipe(Schedule.upTo("1 hour")),
  recurUpTo: Schedule.spaced("1 second").pipe(Schedule.intersect(Schedule.recurUpTo("1 hour"))),
  fixed: Schedule.fixed("1 second"),
  windowed: Schedule.windowed("10 seconds"),
  cron: Schedule.cron(Cron.unsafeParse("0 4 * * *"))
}

it("a schedule that depends on nothing but the number of attempts is taken", () => {
  for (const [name, schedule] of Object.entries(steady))
    expect(scheduleIssues("retry", schedule, 100), name).toEqual([])
})

it("a schedule that draws or looks at the clock is refused, by name and with what is refused", () => {
  for (const [name, schedule] of Object.entries(unsteady)) {
    const node = Node.make("pay", { retry: { times: 3, schedule } })
    const define = () =>
      Workflow.make("w", { version: 1 })
        .node("pay", node, () => ({}))
        .output(() => ({}))
    expect(define, name).toThrow('node "pay": retry.schedule: its pauses depend on more than the number of attempts')
  }
})

it("a schedule that asks about the error can't be walked, and is taken", () => {
  const asking = Schedule.spaced("1 second").pipe(
    Schedule.whileInputEffect((error) => Effect.sync(() => (error as { readonly code: number }).code > 1))
  )
  expect(scheduleIssues("retry", asking, 3)).toEqual([])
})

it("what is refused is looked for in as many pauses as there are retries", () => {
  const late = Schedule.recurs(10).pipe(Schedule.andThen(Schedule.jittered(Schedule.spaced("1 second"))))
  expect(scheduleIssues("retry", late, 10)).toEqual([])
  expect(scheduleIssues("retry", late, 20)).not.toEqual([])
})
