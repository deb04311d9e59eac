import { Effect, Layer, Option, Schedule, Schema } from "effect"
import { Node, Query, Signal, Step, Workflow } from "perdure"

class CarrierBusy extends Schema.TaggedError<CarrierBusy>()("CarrierBusy", {}) {}

/** What a clerk sends; the sender and the handler share it. */
export const Pickup = Signal.make("pickup", { payload: Schema.Struct({ by: Schema.String }) })

/** How many lines are packed. */
export const Packed = Query.make("packed", { success: Schema.Number })

const Fulfil = Node.make("fulfil", {
  inputs: { lines: Schema.Array(Schema.String) },
  outputs: { note: Schema.String },
  error: CarrierBusy
})

/** An order that is packed line by line, announced, and then waits for somebody to pick it up. */
export const Order = Workflow.make("fulfilment", { version: 1, input: { lines: Schema.Array(Schema.String) } })
  .node("fulfil", Fulfil, ({ input }) => ({ lines: input.lines }))
  .output(({ fulfil }) => ({ note: fulfil.note }))

const pack = (line: string) => Effect.logInfo(`packs ${line}`)
const announce = Effect.logInfo("announces a parcel")

const FulfilHandler = Fulfil.toLayer(({ lines }) =>
  Effect.gen(function* () {
    for (const [index, line] of lines.entries()) {
      yield* Step.run("pack", { key: `${index}` }, pack(line))
      yield* Step.publish(Packed, index + 1)
    }
    const retry = { times: 3, schedule: Schedule.spaced("10 seconds") }
    yield* Step.run("announce", { error: CarrierBusy, retry }, announce)
    yield* Step.sleep("let the glue dry", "20 millis")
    const pickup = yield* Step.awaitSignal(Pickup, { timeout: "3 days" })
    return { note: Option.match(pickup, { onNone: () => "sent back", onSome: ({ by }) => `picked up by ${by}` }) }
  })
)

/** The workflow with its handler. */
export const OrderLayer = Order.layer.pipe(Layer.provide(FulfilHandler))
