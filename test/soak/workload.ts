import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import { NodeContext } from "../../src/definition/NodeContext.js"
import * as NodeOutcome from "../../src/definition/NodeOutcome.js"
import * as Output from "../../src/definition/Output.js"
import * as Workflow from "../../src/definition/Workflow.js"
import * as Language from "./language.js"
import { gives, outside } from "./outside.js"

const N = Schema.Number

const Add = Node.make("add", { inputs: { v: N }, outputs: { v: N } })
const AddHandler = Add.toLayer(({ v }) => gives({ v: v + 1 }))

const Chain = Workflow.make("chain", { version: 1, input: { v: N } })
  .node("a", Add, ({ input }) => ({ v: input.v }))
  .node("b", Add, ({ a }) => ({ v: a.v }))
  .node("c", Add, ({ b }) => ({ v: b.v }))
  .node("d", Add, ({ c }) => ({ v: c.v }))
  .node("e", Add, ({ d }) => ({ v: d.v }))
  .output(({ e }) => ({ v: e.v }))

const Split = Node.make("split", { inputs: { v: N }, outputs: { items: Output.many(N) } })
const Convert = Node.make("convert", {
  inputs: { item: N, rate: Input.shared(N) },
  outputs: { v: N, odd: Output.optional(N) },
  concurrency: 3
})
const Sum = Node.make("sum", { inputs: { values: Input.all(N) }, outputs: { total: N } })
const Zip = Node.make("zip", { inputs: { left: N, right: N }, outputs: { v: N } })

const FanOut = Workflow.make("fanOut", { version: 1, input: { v: N } })
  .node("split", Split, ({ input }) => ({ v: input.v }))
  .node("rate", Add, ({ input }) => ({ v: input.v }))
  .node("convert", Convert, ({ rate, split }) => ({ item: split.items, rate: rate.v }))
  .node("sum", Sum, ({ convert }) => ({ values: convert.v }))
  .node("few", Split, ({ input }) => ({ v: input.v }))
  .node("zip", Zip, ({ convert, few }) => ({ left: convert.odd, right: few.items }))
  .output(({ sum, zip }) => ({ total: sum.total, zipped: zip.v }))

const FanOutHandlers = Layer.mergeAll(
  Split.toLayer(({ v }) => gives({ items: Array.from({ length: 3 + v }, (_, index) => index + 1) })),
  Convert.toLayer(({ item, rate }) => gives(item % 2 === 1 ? { v: item * rate, odd: item } : { v: item * rate })),
  Sum.toLayer(({ values }) => gives({ total: values.reduce((a, b) => a + b, 0) })),
  Zip.toLayer(({ left, right }) => gives({ v: left * 100 + right }))
)

const Route = Node.make("route", {
  inputs: { v: N },
  outputs: { small: Output.optional(N), large: Output.optional(N) }
})

const Routing = Workflow.make("routing", { version: 1, input: { v: N } })
  .node("route", Route, ({ input }) => ({ v: input.v }))
  .node("small", Add, ({ route }) => ({ v: route.small }))
  .node("large", Add, ({ route }) => ({ v: route.large }))
  .node("after", Add, ({ large }) => ({ v: large.v }))
  .output(({ after, small }) => ({ v: Workflow.firstOf(small.v, after.v), skipped: Workflow.maybe(after.v) }))

const RouteHandler = Route.toLayer(({ v }) => gives(v % 2 === 0 ? { small: v } : { large: v }))

class Declined extends Schema.TaggedError<Declined>()("Declined", { why: Schema.String, transient: Schema.Boolean }) {}

const Charge = Node.make("charge", {
  inputs: { v: N },
  outputs: { v: N },
  error: Declined,
  retry: { schedule: Schedule.exponential("50 millis"), times: 3, while: (error) => error.transient }
})
const Notify = Node.make("notify", { inputs: { error: Declined }, outputs: { told: Schema.String } })

const Errors = Workflow.make("errors", { version: 1, input: { v: N } })
  .node("paid", Charge, ({ input }) => ({ v: input.v }))
  .node("notify", Notify, ({ paid }) => ({ error: paid.error }))
  .output(({ notify, paid }) => ({ paid: Workflow.maybe(paid.v), told: Workflow.maybe(notify.told) }))

/** Even inputs are busy twice and then pass; odd ones are refused for good. */
const ErrorHandlers = Layer.mergeAll(
  Charge.toLayer(({ v }) =>
    Effect.gen(function* () {
      const { attempt } = yield* NodeContext
      if (v % 2 === 1) return yield* outside(new Declined({ why: "odd", transient: false }))
      if (attempt < 3) return yield* outside(new Declined({ why: "busy", transient: true }))
      return yield* gives({ v })
    })
  ),
  Notify.toLayer(({ error }) => gives({ told: error.why }))
)

const Fails = Node.make("fails", {
  inputs: { v: N },
  outputs: { v: N },
  retry: { schedule: Schedule.spaced("50 millis"), times: 2 }
})

const Failure = Workflow.make("failure", { version: 1, input: { v: N } })
  .node("before", Add, ({ input }) => ({ v: input.v }))
  .node("fails", Fails, ({ before }) => ({ v: before.v }))
  .node("after", Add, ({ fails }) => ({ v: fails.v }))
  .output(({ after }) => ({ v: after.v }))

const FailsHandler = Fails.toLayer(() => outside(Effect.dieMessage("out of order")))

const Slow = Node.make("slow", {
  inputs: { v: N },
  outputs: { v: N },
  timeout: "400 millis",
  retry: { schedule: Schedule.spaced("50 millis"), times: 8 }
})

const TimeOut = Workflow.make("timeOut", { version: 1, input: { v: N } })
  .node("slow", Slow, ({ input }) => ({ v: input.v }))
  .output(({ slow }) => ({ v: slow.v }))

/** Its first attempt takes too long. */
const SlowHandler = Slow.toLayer(({ v }) =>
  Effect.gen(function* () {
    const { attempt } = yield* NodeContext
    return yield* attempt === 1 ? outside(Effect.never) : gives({ v: v + 1 })
  })
)

const Long = Node.make("long", { inputs: { v: N }, outputs: { v: N } })
const LongStep = Workflow.make("long", { version: 1, input: { v: N } })
  .node("long", Long, ({ input }) => ({ v: input.v }))
  .node("after", Add, ({ long }) => ({ v: long.v }))
  .output(({ after }) => ({ v: after.v }))

/** Longer than a lease. */
const LongHandler = Long.toLayer(({ v }) => Effect.zipRight(Effect.sleep("2500 millis"), gives({ v: v + 1 })))

const Approve = Node.trigger("approve", {
  payload: Schema.Struct({ yes: Schema.Boolean }),
  inputs: { v: N },
  outputs: { approved: Output.optional(N), rejected: Output.optional(N) }
})

const Approval = Workflow.make("approval", { version: 1, input: { v: N } })
  .node("prepare", Add, ({ input }) => ({ v: input.v }))
  .node("approve", Approve, ({ prepare }) => ({ v: prepare.v }))
  .node("ship", Add, ({ approve }) => ({ v: approve.approved }))
  .output(({ approve, ship }) => ({ v: Workflow.firstOf(ship.v, approve.rejected) }))

const ApproveHandler = Approve.toLayer(({ v }, { yes }) => gives(yes ? { approved: v } : { rejected: v }))

const Ask = Node.make("ask", {
  inputs: { v: N },
  outputs: { answers: Schema.Array(N) },
  resumable: { state: Schema.Array(N), input: N }
})

const Suspend = Workflow.make("suspend", { version: 1, input: { v: N } })
  .node("before", Add, ({ input }) => ({ v: input.v }))
  .node("ask", Ask, ({ before }) => ({ v: before.v }))
  .output(({ ask }) => ({ answers: ask.answers }))

/** It suspends twice, and gives the answers in the order in which they came. */
const AskHandler = Ask.toLayer((_, resume) =>
  Effect.gen(function* () {
    const state = Option.match(resume, { onNone: () => [], onSome: ({ input, state }) => [...state, input] })
    if (state.length < 2) return NodeOutcome.suspend({ reason: `has ${state.length} answers`, state })
    return yield* gives({ answers: state })
  })
)

const Collect = Node.trigger("collect", { payload: N, repeated: 3, outputs: { v: N } })
const Repeated = Workflow.make("repeated", { version: 1, input: { v: N } })
  .node("collect", Collect, () => ({}))
  .node("add", Add, ({ collect }) => ({ v: collect.v }))
  .node("sum", Sum, ({ add }) => ({ values: add.v }))
  .output(({ sum }) => ({ total: sum.total }))

const CollectHandler = Collect.toLayer((_, v) => gives({ v }))

/** Every workflow of the soak, by name; each takes `{ v }`. */
export const workflows = {
  chain: Chain,
  fanOut: FanOut,
  routing: Routing,
  errors: Errors,
  failure: Failure,
  timeOut: TimeOut,
  long: LongStep,
  approval: Approval,
  suspend: Suspend,
  repeated: Repeated,
  steps: Language.Steps,
  family: Language.Family,
  undone: Language.Undone,
  held: Language.Held,
  streamed: Language.Streamed
} as const
export type WorkflowName = keyof typeof workflows

const handlers = Layer.mergeAll(
  AddHandler,
  FanOutHandlers,
  RouteHandler,
  ErrorHandlers,
  FailsHandler,
  SlowHandler,
  LongHandler,
  ApproveHandler,
  AskHandler,
  CollectHandler
)

/** All of them with their handlers, for a worker. */
export const layer = Layer.mergeAll(
  Chain.layer,
  FanOut.layer,
  Routing.layer,
  Errors.layer,
  Failure.layer,
  TimeOut.layer,
  LongStep.layer,
  Approval.layer,
  Suspend.layer,
  Repeated.layer
).pipe(Layer.provide(handlers), Layer.merge(Language.layer))
