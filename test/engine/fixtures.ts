import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import * as Output from "../../src/definition/Output.js"
import * as Workflow from "../../src/definition/Workflow.js"

export class Declined extends Schema.TaggedError<Declined>()("Declined", { code: Schema.Number }) {
  override get message(): string {
    return `declined: ${this.code}`
  }
}

/** A chain of two steps, each a node of its own so that each has a handler of its own. */
export const First = Node.make("first", { inputs: { in: Schema.Number }, outputs: { out: Schema.Number } })
export const Second = Node.make("second", { inputs: { in: Schema.Number }, outputs: { out: Schema.Number } })
export const Chain = Workflow.make("chain", { version: 1, input: { n: Schema.Number } })
  .node("first", First, ({ input }) => ({ in: input.n }))
  .node("second", Second, ({ first }) => ({ in: first.out }))
  .output(({ second }) => ({ n: second.out }))

/** A trigger between two steps. */
export const Approval = Node.trigger("approval", {
  payload: Schema.Struct({ approved: Schema.Boolean }),
  inputs: { in: Schema.Number },
  outputs: { yes: Output.optional(Schema.Number), no: Output.optional(Schema.Number) }
})
export const Approved = Workflow.make("approved", { version: 1, input: { n: Schema.Number } })
  .node("first", First, ({ input }) => ({ in: input.n }))
  .node("approval", Approval, ({ first }) => ({ in: first.out }))
  .node("second", Second, ({ approval }) => ({ in: approval.yes }))
  .output(({ approval, second }) => ({ n: second.out, no: approval.no }))

/** A resumable node: it asks as often as its state says. */
export const Poll = Node.make("poll", {
  inputs: { in: Schema.Number },
  outputs: { out: Schema.String },
  resumable: { state: Schema.Struct({ asked: Schema.Number }), input: Schema.String }
})
export const Polled = Workflow.make("polled", { version: 1, input: { n: Schema.Number } })
  .node("poll", Poll, ({ input }) => ({ in: input.n }))
  .output(({ poll }) => ({ answer: poll.out }))

/** A step that may fail by its declared error. */
export const Charge = Node.make("charge", {
  inputs: { in: Schema.Number },
  outputs: { out: Schema.Number },
  error: Declined
})
export const Charged = Workflow.make("charged", { version: 1, input: { n: Schema.Number } })
  .node("charge", Charge, ({ input }) => ({ in: input.n }))
  .output(({ charge }) => ({ n: charge.out }))

/** The same, tried again after an hour, at most three times, but not for code 13. */
export const Flaky = Node.make("flaky", {
  inputs: { in: Schema.Number },
  outputs: { out: Schema.Number },
  error: Declined,
  retry: { schedule: Schedule.spaced("1 hour"), times: 3, while: ({ code }) => code !== 13 }
})
export const FlakyCharge = Workflow.make("flaky", { version: 1, input: { n: Schema.Number } })
  .node("charge", Flaky, ({ input }) => ({ in: input.n }))
  .output(({ charge }) => ({ n: charge.out }))

/** The same, tried again at once. */
export const Quick = Node.make("quick", {
  inputs: { in: Schema.Number },
  outputs: { out: Schema.Number },
  error: Declined,
  retry: { schedule: Schedule.spaced(0), times: 3, while: ({ code }) => code !== 13 },
  timeout: "20 seconds"
})
export const QuickCharge = Workflow.make("quick", { version: 1, input: { n: Schema.Number } })
  .node("charge", Quick, ({ input }) => ({ in: input.n }))
  .output(({ charge }) => ({ n: charge.out }))

/** A node that has 50 ms. */
export const Hasty = Node.make("hasty", {
  inputs: { in: Schema.Number },
  outputs: { out: Schema.Number },
  timeout: "50 millis",
  retry: { schedule: Schedule.spaced(0), times: 1 }
})
export const Hurried = Workflow.make("hurried", { version: 1, input: { n: Schema.Number } })
  .node("hasty", Hasty, ({ input }) => ({ in: input.n }))
  .output(({ hasty }) => ({ n: hasty.out }))

/** The error wired. */
export const Notify = Node.make("notify", { inputs: { problem: Declined }, outputs: { out: Schema.Number } })
export const Caught = Workflow.make("caught", { version: 1, input: { n: Schema.Number } })
  .node("charge", Charge, ({ input }) => ({ in: input.n }))
  .node("notify", Notify, ({ charge }) => ({ problem: charge.error }))
  .output(({ charge, notify }) => ({ n: Workflow.firstOf(charge.out, notify.out) }))

/** Fan-out, a shared value, everything together again. */
export const Split = Node.make("split", {
  inputs: { n: Schema.Number },
  outputs: { parts: Output.many(Schema.Number) }
})
export const Scale = Node.make("scale", {
  inputs: { part: Schema.Number, by: Input.shared(Schema.Number) },
  outputs: { out: Schema.Number },
  concurrency: 2
})
export const Sum = Node.make("sum", { inputs: { parts: Input.all(Schema.Number) }, outputs: { total: Schema.Number } })
export const Fan = Workflow.make("fan", { version: 1, input: { n: Schema.Number, by: Schema.Number } })
  .node("split", Split, ({ input }) => ({ n: input.n }))
  .node("scale", Scale, ({ input, split }) => ({ part: split.parts, by: input.by }))
  .node("sum", Sum, ({ scale }) => ({ parts: scale.out }))
  .output(({ sum }) => ({ total: sum.total }))

/** Any JSON through two nodes. */
export const Echo = Node.make("echo", { inputs: { value: Schema.Unknown }, outputs: { value: Schema.Unknown } })
export const Again = Node.make("again", { inputs: { value: Schema.Unknown }, outputs: { value: Schema.Unknown } })
export const Values = Workflow.make("values", { version: 1, input: { value: Schema.Unknown } })
  .node("echo", Echo, ({ input }) => ({ value: input.value }))
  .node("again", Again, ({ echo }) => ({ value: echo.value }))
  .output(({ again }) => ({ value: again.value }))

/** A zip of a short and a long stream: what the long one has more is left over. */
export const Pair = Node.make("pair", {
  inputs: { n: Schema.Number },
  outputs: { long: Output.many(Schema.Number), short: Output.many(Schema.Number) }
})
export const Zip = Node.make("zip", {
  inputs: { long: Schema.Number, short: Schema.Number },
  outputs: { sum: Schema.Number }
})
export const Zipped = Workflow.make("zipped", { version: 1, input: { n: Schema.Number } })
  .node("pair", Pair, ({ input }) => ({ n: input.n }))
  .node("zip", Zip, ({ pair }) => ({ long: pair.long, short: pair.short }))
  .output(({ zip }) => ({ sums: zip.sum }))
