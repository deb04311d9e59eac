import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Node from "../definition/Node.js"
import { NodeContext } from "../definition/NodeContext.js"
import * as Output from "../definition/Output.js"
import * as Workflow from "../definition/Workflow.js"
import { Effects } from "./Effects.js"

const Name = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(200))

/** What somebody orders; `card` says how the payment will go. */
const OrderRequest = Schema.Struct({
  id: Name,
  item: Name,
  quantity: Schema.Int.pipe(Schema.greaterThanOrEqualTo(1)),
  amount: Schema.Finite.pipe(Schema.greaterThanOrEqualTo(0)),
  card: Schema.Literal("ok", "flaky", "declined").annotations({ message: () => "expected ok, flaky or declined" })
})

/** What becomes of an order. */
const Receipt = Schema.Struct({
  orderId: Schema.String,
  status: Schema.Literal("shipped", "declined", "rejected"),
  amount: Schema.Number
})

/** Somebody's word on an order above {@link approvalLimit}. */
const Decision = Schema.Struct({ approved: Schema.Boolean, by: Name })

/** The card is not good for this amount: final, and a case the workflow handles. */
class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", {
  orderId: Schema.String,
  amount: Schema.Number
}) {
  override get message(): string {
    return `the card for order ${this.orderId} was declined`
  }
}

/** The payment provider could not be reached: worth another attempt. */
class ProviderUnavailable extends Schema.TaggedError<ProviderUnavailable>()("ProviderUnavailable", {
  orderId: Schema.String,
  amount: Schema.Number
}) {
  override get message(): string {
    return `the payment provider did not answer for order ${this.orderId}`
  }
}

const PaymentProblem = Schema.Union(CardDeclined, ProviderUnavailable)

/** Above this amount a person decides. */
const approvalLimit = 100

/** Attempts that fail before a `flaky` card is charged. */
const flakyAttempts = 2

const Reserve = Node.make("reserve", {
  inputs: { order: OrderRequest },
  outputs: { small: Output.optional(OrderRequest), large: Output.optional(OrderRequest) }
})

const Approval = Node.trigger("approval", {
  payload: Decision,
  inputs: { order: OrderRequest },
  outputs: { approved: Output.optional(OrderRequest), rejected: Output.optional(Receipt) }
})

const Charge = Node.make("charge", {
  inputs: { order: OrderRequest },
  outputs: { charged: OrderRequest },
  error: PaymentProblem,
  retry: {
    schedule: Schedule.exponential("100 millis"),
    times: 5,
    while: (problem) => problem._tag === "ProviderUnavailable"
  },
  timeout: "30 seconds"
})

const Notify = Node.make("notify", { inputs: { problem: PaymentProblem }, outputs: { receipt: Receipt } })

const Ship = Node.make("ship", { inputs: { order: OrderRequest }, outputs: { receipt: Receipt } })

/**
 * The bundled example: reserve, perhaps ask somebody, charge, ship; a declined card is told to the customer.
 *
 * **Details** A small order and an approved one meet at `charge`. Its typed error is wired to `notify`, so it does not
 * fail the run.
 */
export const Order = Workflow.make("order", { version: 1, input: { order: OrderRequest } })
  .node("reserve", Reserve, ({ input }) => ({ order: input.order }))
  .node("approval", Approval, ({ reserve }) => ({ order: reserve.large }))
  .node("charge", Charge, ({ approval, reserve }) => ({ order: [reserve.small, approval.approved] }))
  .node("notify", Notify, ({ charge }) => ({ problem: charge.error }))
  .node("ship", Ship, ({ charge }) => ({ order: charge.charged }))
  .output(({ approval, notify, ship }) => ({
    receipt: Workflow.firstOf(ship.receipt, notify.receipt, approval.rejected)
  }))

const receiptOf = (
  { amount, orderId }: { readonly orderId: string; readonly amount: number },
  status: (typeof Receipt.Type)["status"]
): typeof Receipt.Type => ({ orderId, status, amount })

const ReserveHandler = Reserve.toLayer(({ order }) =>
  Effect.gen(function* () {
    const effects = yield* Effects
    yield* effects.perform("reserve")
    return order.amount > approvalLimit ? { large: order } : { small: order }
  })
)

const ApprovalHandler = Approval.toLayer(({ order }, decision) =>
  Effect.succeed(
    decision.approved
      ? { approved: order }
      : { rejected: receiptOf({ orderId: order.id, amount: order.amount }, "rejected") }
  )
)

const ChargeHandler = Charge.toLayer(({ order }) =>
  Effect.gen(function* () {
    const { attempt } = yield* NodeContext
    const what = { orderId: order.id, amount: order.amount }
    if (order.card === "declined") return yield* new CardDeclined(what)
    if (order.card === "flaky" && attempt <= flakyAttempts) return yield* new ProviderUnavailable(what)
    const effects = yield* Effects
    yield* effects.perform("charge")
    return { charged: order }
  })
)

const NotifyHandler = Notify.toLayer(({ problem }) =>
  Effect.gen(function* () {
    const effects = yield* Effects
    yield* effects.perform("notify")
    return { receipt: receiptOf(problem, "declined") }
  })
)

const ShipHandler = Ship.toLayer(({ order }) =>
  Effect.gen(function* () {
    const effects = yield* Effects
    yield* effects.perform("ship")
    return { receipt: receiptOf({ orderId: order.id, amount: order.amount }, "shipped") }
  })
)

/** The handlers of {@link Order}. */
export const handlers = Layer.mergeAll(ReserveHandler, ApprovalHandler, ChargeHandler, NotifyHandler, ShipHandler)
