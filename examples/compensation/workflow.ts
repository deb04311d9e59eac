import { Effect, Layer, Option, Ref, Schedule, Schema } from "effect"
import { Node, NodeContext, Workflow } from "perdure"

const { Number: N, String: S } = Schema

class SoldOut extends Schema.TaggedError<SoldOut>()("SoldOut", { hotel: S }) {}

const again = { retry: { times: 20, schedule: Schedule.exponential("10 millis") } }

const Flight = Node.make("flight", { inputs: { seats: N }, outputs: { ticket: S }, compensate: again })
const Car = Node.make("car", { inputs: { seats: N }, outputs: { key: S }, compensate: again })
const Hotel = Node.make("hotel", { inputs: { ticket: S, key: S }, outputs: { room: S }, error: SoldOut })

/** Flight and car are booked side by side; without a room both are given back. */
export const Trip = Workflow.make("trip", { version: 1, input: { seats: N } })
  .node("flight", Flight, ({ input }) => ({ seats: input.seats }))
  .node("car", Car, ({ input }) => ({ seats: input.seats }))
  .node("hotel", Hotel, ({ car, flight }) => ({ ticket: flight.ticket, key: car.key }))
  .output(({ hotel }) => ({ room: hotel.room }))

/** What is booked, as the outside knows it: by key, so that giving back twice is giving back once. */
export const bookings = Ref.unsafeMake<ReadonlySet<string>>(new Set())

const book = Effect.gen(function* () {
  const { idempotencyKey } = yield* NodeContext
  yield* Ref.update(bookings, (all) => new Set([...all, idempotencyKey]))
  return idempotencyKey
})

/** Under the key of the firing that has booked, whatever is known of it. */
const giveBack = (what: Option.Option<string>) =>
  Effect.gen(function* () {
    const { attempt, idempotencyKey } = yield* NodeContext
    if (attempt === 1) return yield* Effect.fail("the other side is busy")
    yield* Ref.update(bookings, (all) => new Set([...all].filter((key) => key !== idempotencyKey)))
    yield* Effect.log(
      "given back",
      Option.getOrElse(what, () => "whatever it was")
    )
  })

export const TripLayer = Trip.layer.pipe(
  Layer.provide([
    Flight.toLayer(
      () => Effect.map(book, (key) => ({ ticket: `ticket ${key}` })),
      (_, outputs) => giveBack(Option.map(outputs, ({ ticket }) => ticket))
    ),
    Car.toLayer(
      () => Effect.map(book, (key) => ({ key })),
      (_, outputs) => giveBack(Option.map(outputs, ({ key }) => key))
    ),
    Hotel.toLayer(() => new SoldOut({ hotel: "Astoria" }))
  ])
)
