import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "tstyche"
import type { Handler } from "../../src/definition/Handler.js"
import * as Node from "../../src/definition/Node.js"
import { NodeContext } from "../../src/definition/NodeContext.js"
import * as Output from "../../src/definition/Output.js"
import { Charge } from "../definition/fixtures.js"

const { Number: N, String: S } = Schema

class Bank extends Context.Tag("Bank")<Bank, { readonly refund: (key: string) => Effect.Effect<void, "closed"> }>() {}

const Pay = Node.make("pay", {
  inputs: { amount: N },
  outputs: { receipt: S, parts: Output.many(N), gift: Output.optional(S) },
  compensate: { retry: { times: 3, schedule: Schedule.spaced("1 second") }, timeout: "1 minute" }
})

const pay = () => Effect.succeed({ receipt: "r", parts: [1] })

const charge = () => Effect.dieMessage("no")

describe("a compensation", () => {
  it("gets the inputs, and the outputs where they are known", () => {
    Pay.toLayer(pay, (inputs, outputs) => {
      expect(inputs).type.toBe<{ readonly amount: number }>()
      expect(outputs).type.toBe<
        Option.Option<{
          readonly receipt: string
          readonly parts: ReadonlyArray<number>
          readonly gift?: string | undefined
        }>
      >()
      return Effect.void
    })
  })

  it("asks for what it uses, but not for its NodeContext, and may fail", () => {
    const layer = Pay.toLayer(pay, () =>
      Effect.gen(function* () {
        const { idempotencyKey } = yield* NodeContext
        yield* (yield* Bank).refund(idempotencyKey)
      })
    )
    expect(layer).type.toBe<Layer.Layer<Handler<"pay">, never, Bank>>()
  })

  it("is there where the node says so, and nowhere else", () => {
    // @ts-expect-error Expected 2 arguments, but got 1
    Pay.toLayer(pay)
    // @ts-expect-error Expected 1 arguments, but got 2
    Charge.toLayer(charge, () => Effect.void)
  })
})
