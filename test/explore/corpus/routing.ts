import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Node from "../../../src/definition/Node.js"
import { NodeContext } from "../../../src/definition/NodeContext.js"
import * as Output from "../../../src/definition/Output.js"
import * as Workflow from "../../../src/definition/Workflow.js"
import { effect, oneRun } from "./kit.js"

const N = Schema.Number

const route = Node.make("route", {
  inputs: { v: N },
  outputs: { small: Output.optional(N), large: Output.optional(N) }
})
const add = Node.make("add", { inputs: { v: N }, outputs: { v: N } })
const both = Node.make("both", { inputs: { x: N, y: N }, outputs: { v: N } })

const routingWorkflow = Workflow.make("routing", { version: 1, input: { v: N } })
  .node("route", route, ({ input }) => ({ v: input.v }))
  .node("small", add, ({ route }) => ({ v: route.small }))
  .node("large", add, ({ route }) => ({ v: route.large }))
  .node("after", add, ({ large }) => ({ v: large.v }))
  .node("never", both, ({ after, small }) => ({ x: after.v, y: small.v }))
  .output(({ after, never, small }) => ({
    v: Workflow.firstOf(small.v, after.v),
    skipped: Workflow.maybe(after.v),
    never: never.v
  }))

/** A route that is taken and one that is not: what follows it is skipped, and so is what needs both. */
export const routing = oneRun({
  workflow: routingWorkflow,
  input: { v: 3 },
  handlers: Layer.mergeAll(
    route.toLayer(({ v }) => Effect.as(effect("route"), v < 10 ? { small: v } : { large: v })),
    add.toLayer(({ v }) => Effect.as(effect("add"), { v: v + 1 })),
    both.toLayer(({ x, y }) => Effect.succeed({ v: x + y }))
  ),
  expect: ([run]) => (run?.output === '{"v":4}' ? undefined : `the route was not taken: ${run?.output}`)
})

class Declined extends Schema.TaggedError<Declined>()("Declined", { why: Schema.String, transient: Schema.Boolean }) {}

const charge = Node.make("charge", {
  inputs: { v: N },
  outputs: { v: N },
  error: Declined,
  retry: { schedule: Schedule.exponential("100 millis"), times: 3, while: (error) => error.transient }
})
const notify = Node.make("notify", { inputs: { error: Declined }, outputs: { told: Schema.String } })

const errorsWorkflow = Workflow.make("errors", { version: 1, input: { good: N, bad: N } })
  .node("paid", charge, ({ input }) => ({ v: input.good }))
  .node("refused", charge, ({ input }) => ({ v: input.bad }))
  .node("notify", notify, ({ refused }) => ({ error: refused.error }))
  .output(({ notify, paid, refused }) => ({
    paid: Workflow.maybe(paid.v),
    refused: Workflow.maybe(refused.v),
    told: notify.told
  }))

/** A typed error that is retried and then passes, and one that is final and wired. */
export const errors = oneRun({
  workflow: errorsWorkflow,
  input: { good: 1, bad: -1 },
  handlers: Layer.mergeAll(
    charge.toLayer(({ v }) =>
      Effect.gen(function* () {
        const { attempt } = yield* NodeContext
        if (v < 0) return yield* new Declined({ why: "negative", transient: false })
        if (attempt < 3) return yield* new Declined({ why: "busy", transient: true })
        yield* effect("charge")
        return { v }
      })
    ),
    notify.toLayer(({ error }) => Effect.as(effect("notify"), { told: error.why }))
  )
})

const failing = Node.make("failing", {
  inputs: { v: N },
  outputs: { v: N },
  retry: { schedule: Schedule.spaced("100 millis"), times: 1 }
})

const failureWorkflow = Workflow.make("failure", { version: 1, input: { v: N } })
  .node("add", add, ({ input }) => ({ v: input.v }))
  .node("failing", failing, ({ add }) => ({ v: add.v }))
  .node("after", add, ({ failing }) => ({ v: failing.v }))
  .output(({ after }) => ({ v: after.v }))

/** A handler that dies on each attempt: the run fails, and says why. */
export const failure = oneRun({
  workflow: failureWorkflow,
  input: { v: 1 },
  handlers: Layer.mergeAll(
    add.toLayer(({ v }) => Effect.as(effect("add"), { v: v + 1 })),
    failing.toLayer(() => Effect.dieMessage("out of order"))
  ),
  expect: ([run]) => (run?.status === "failed" ? undefined : `the run is ${run?.status}`)
})

const slow = Node.make("slow", {
  inputs: { v: N },
  outputs: { v: N },
  timeout: "1 second",
  retry: { schedule: Schedule.spaced("200 millis"), times: 2 }
})

const timeoutWorkflow = Workflow.make("timeout", { version: 1, input: { v: N } })
  .node("slow", slow, ({ input }) => ({ v: input.v }))
  .output(({ slow }) => ({ v: slow.v }))

/** A first attempt that takes too long, and a second that does not. */
export const timeout = oneRun({
  workflow: timeoutWorkflow,
  input: { v: 1 },
  handlers: slow.toLayer(({ v }) =>
    Effect.gen(function* () {
      const { attempt } = yield* NodeContext
      if (attempt === 1) yield* Effect.sleep("5 seconds")
      yield* effect("slow")
      return { v }
    })
  )
})

const long = Node.make("long", { inputs: { v: N }, outputs: { v: N } })

const longWorkflow = Workflow.make("long", { version: 1, input: { v: N } })
  .node("long", long, ({ input }) => ({ v: input.v }))
  .output(({ long }) => ({ v: long.v }))

/** A firing that takes longer than a lease. */
export const longer = oneRun({
  workflow: longWorkflow,
  input: { v: 1 },
  handlers: long.toLayer(({ v }) => Effect.sleep("4 seconds").pipe(Effect.zipRight(effect("long")), Effect.as({ v })))
})
