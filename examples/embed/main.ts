import { Config, Effect } from "effect"
import { layer, Shop } from "./app.js"

/** `DATABASE_URL=postgres://… npx tsx examples/embed/main.ts` */
const program = Effect.gen(function* () {
  const shop = yield* Shop
  yield* shop.place({ orderId: "order-1", customerName: "Ada", city: "London" }, true)
  yield* Effect.ignore(shop.place({ orderId: "order-2", customerName: "Bob", city: "Paris" }, false))
  yield* Effect.log("orders", yield* shop.orders)
  yield* Effect.log("label", yield* shop.label("order-1"))
})

await Effect.runPromise(Effect.flatMap(Config.redacted("DATABASE_URL"), (url) => Effect.provide(program, layer(url))))
