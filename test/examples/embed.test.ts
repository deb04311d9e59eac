import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Engine } from "perdure"
import { layer, Shop } from "../../examples/embed/app.js"
import { freshDatabase } from "../support/database.js"

const inShop = <A, E>(test: Effect.Effect<A, E, Shop | Engine>) =>
  Effect.scoped(
    Effect.flatMap(freshDatabase(), ({ url }) => Effect.provide(test, Layer.orDie(layer(Redacted.make(url)))))
  )

const order = { orderId: "order-1", customerName: "Ada", city: "London" }

describe("an application with its own client, tables and audit log", () => {
  it.live("starts a run inside its own transaction, with name transforms switched on", () =>
    inShop(
      Effect.gen(function* () {
        const shop = yield* Shop
        yield* shop.place(order, true)
        expect(yield* shop.orders).toEqual([{ orderId: "order-1", customerName: "Ada" }])
        expect(yield* shop.label("order-1")).toBe("Ada, London (order-1/label/1)")
      })
    )
  )

  it.live("rolled back, neither its row nor the run ever existed", () =>
    inShop(
      Effect.gen(function* () {
        const shop = yield* Shop
        const engine = yield* Engine
        const error = yield* Effect.flip(shop.place(order, false))
        expect(error._tag).toBe("OutOfStock")
        expect(yield* shop.orders).toEqual([])
        expect(yield* Effect.flip(engine.get("order-1"))).toMatchObject({ _tag: "RunNotFound" })
        yield* shop.place(order, true)
        expect(yield* shop.label("order-1")).toBe("Ada, London (order-1/label/1)")
      })
    )
  )

  it.live("reads the trail of a run from its own audit log", () =>
    inShop(
      Effect.gen(function* () {
        const shop = yield* Shop
        const engine = yield* Engine
        yield* shop.place(order, true)
        yield* shop.label("order-1")
        const trail = engine.events("order-1").pipe(
          Effect.map((events) => events.map((event) => event.kind)),
          Effect.repeat({ until: (kinds) => kinds.includes("run.completed") })
        )
        expect(yield* trail).toContain("firing.completed label")
      })
    )
  )
})
