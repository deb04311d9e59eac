import { Effect, Layer, Option, Schedule, Schema } from "effect"
import { Input, Node, NodeContext, Output, Step, Workflow } from "perdure"

const { Number: N, String: S } = Schema

class Declined extends Schema.TaggedError<Declined>()("Declined", { transient: Schema.Boolean }) {}

/** Retries by a schedule, a typed error, a time-out of each attempt and one of all of them. */
const Charge = Node.make("charge", {
  inputs: { amount: N },
  outputs: { receipt: S },
  error: Declined,
  retry: { schedule: Schedule.exponential("10 millis"), times: 5, while: ({ transient }) => transient },
  timeout: { attempt: "30 seconds", total: "5 minutes" }
})

/** Fan-out: each page is a firing of its own. */
const Pages = Node.make("pages", { inputs: { receipt: S }, outputs: { page: Output.many(N) } })

/** Gives signs of life, and goes on where the attempt before it was. */
const Print = Node.make("print", {
  inputs: { page: N },
  outputs: { lines: N },
  heartbeat: "30 seconds",
  concurrency: 4
})

/** Routing: a large receipt is bound, a small one is not. */
const Route = Node.make("route", {
  inputs: { lines: Input.all(N) },
  outputs: { large: Output.optional(N), small: Output.optional(N) }
})
const Bind = Node.make("bind", { inputs: { lines: N }, outputs: { done: S } })
const Notify = Node.make("notify", { inputs: { problem: Declined }, outputs: { done: S } })

export const Receipts = Workflow.make("receipts", { version: 1, input: { amount: N } })
  .node("charge", Charge, ({ input }) => ({ amount: input.amount }))
  .node("pages", Pages, ({ charge }) => ({ receipt: charge.receipt }))
  .node("print", Print, ({ pages }) => ({ page: pages.page }))
  .node("route", Route, ({ print }) => ({ lines: print.lines }))
  .node("bind", Bind, ({ route }) => ({ lines: [route.large, route.small] }))
  .node("notify", Notify, ({ charge }) => ({ problem: charge.error }))
  .output(({ bind, notify }) => ({ done: Workflow.firstOf(bind.done, notify.done) }))

export const ReceiptsLayer = Receipts.layer.pipe(
  Layer.provide([
    Charge.toLayer(({ amount }) =>
      Effect.gen(function* () {
        const { attempt, idempotencyKey } = yield* NodeContext
        if (amount < 0) return yield* new Declined({ transient: false })
        if (attempt < 3) return yield* new Declined({ transient: true })
        return { receipt: `${idempotencyKey} ${amount}` }
      })
    ),
    Pages.toLayer(({ receipt }) => Effect.succeed({ page: receipt.split(" ").map((word) => word.length) })),
    Print.toLayer(({ page }) =>
      Effect.gen(function* () {
        const done = Option.getOrElse(yield* Step.lastHeartbeat(N), () => 0)
        for (let line = done; line < page; line++) yield* Step.heartbeat(N, line)
        return { lines: page }
      })
    ),
    Route.toLayer(({ lines }) => {
      const total = lines.reduce((sum, each) => sum + each, 0)
      return Effect.succeed(total > 10 ? { large: total } : { small: total })
    }),
    Bind.toLayer(({ lines }) => Effect.succeed({ done: `${lines} lines` })),
    Notify.toLayer(() => Effect.succeed({ done: "declined" }))
  ])
)
