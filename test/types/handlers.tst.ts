import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "tstyche"
import type { Handler, HandlerEvent } from "../../src/definition/Handler.js"
import * as Node from "../../src/definition/Node.js"
import { NodeContext } from "../../src/definition/NodeContext.js"
import * as NodeOutcome from "../../src/definition/NodeOutcome.js"
import * as Output from "../../src/definition/Output.js"
import { Approval, CardDeclined, Charge, Item, Poll, Scale, Split, Sum } from "../definition/fixtures.js"

class Payments extends Context.Tag("Payments")<
  Payments,
  { readonly charge: (key: string) => Effect.Effect<number, CardDeclined> }
>() {}

const receipt = { status: "shipped", amount: 1 } as const

describe("a handler", () => {
  it("asks for what it uses, but not for its NodeContext", () => {
    const layer = Charge.toLayer(({ reservation }) =>
      Effect.gen(function* () {
        const { idempotencyKey } = yield* NodeContext
        const amount = yield* (yield* Payments).charge(`${idempotencyKey} ${reservation.at.getTime()}`)
        return { receipt: { status: "shipped", amount } }
      })
    )
    expect(layer).type.toBe<Layer.Layer<Handler<"charge">, never, Payments>>()
  })

  it("may be made by an Effect", () => {
    const layer = Charge.toLayer(
      Effect.gen(function* () {
        const payments = yield* Payments
        return ({ reservation }) =>
          Effect.map(payments.charge(reservation.id), (amount) => ({ receipt: { status: "shipped", amount } }))
      })
    )
    expect(layer).type.toBe<Layer.Layer<Handler<"charge">, never, Payments>>()
    const failing = Charge.toLayer(
      Effect.gen(function* () {
        yield* Effect.fail("no configuration" as const)
        return () => Effect.succeed({ receipt })
      })
    )
    expect(failing).type.toBe<Layer.Layer<Handler<"charge">, "no configuration">>()
  })

  it("sees one value per handle, and an array for `all`", () => {
    Scale.toLayer((inputs) => {
      expect(inputs).type.toBe<{ readonly part: number; readonly by: number }>()
      return Effect.succeed({ part: inputs.part * inputs.by })
    })
    Sum.toLayer((inputs) => {
      expect(inputs).type.toBe<{ readonly parts: ReadonlyArray<number> }>()
      return Effect.succeed({ total: inputs.parts.length })
    })
    // @ts-expect-error Property 'nothing' does not exist
    Charge.toLayer(({ nothing }) => Effect.die(nothing))
    // @ts-expect-error Property 'nothing' does not exist on type 'Date'
    Charge.toLayer(({ reservation }) => Effect.die(reservation.at.nothing))
  })

  it("returns every output, in its type, and no other", () => {
    // @ts-expect-error Property 'receipt' is missing
    Charge.toLayer(() => Effect.succeed({}))
    // @ts-expect-error Type '"lost"' is not assignable to type '"shipped" | "declined"'
    Charge.toLayer(() => Effect.succeed({ receipt: { status: "lost", amount: 1 } }))
    // @ts-expect-error node \"charge\" declares no output \"other\"
    Charge.toLayer(() => Effect.succeed({ receipt, other: 1 }))
    // @ts-expect-error node \"charge\" declares no output \"other\"
    Charge.toLayer(() =>
      Effect.gen(function* () {
        const { attempt } = yield* NodeContext
        return attempt > 1 ? { receipt } : { receipt, other: 1 }
      })
    )
  })

  it("leaves out or undefines an optional output, and gives an array to a `many`", () => {
    Charge.toLayer(() => Effect.succeed({ receipt }))
    Charge.toLayer(() => Effect.succeed({ receipt, note: undefined }))
    Charge.toLayer(() => Effect.succeed({ receipt, note: "thanks" }))
    // @ts-expect-error Type 'number' is not assignable to type 'string'
    Charge.toLayer(() => Effect.succeed({ receipt, note: 1 }))
    Split.toLayer(() => Effect.succeed({ parts: [1, 2] }))
    // @ts-expect-error Type 'number' is not assignable to type 'readonly number[] | Stream<number, never, NodeContext>'
    Split.toLayer(() => Effect.succeed({ parts: 1 }))
  })

  it("fails with the declared error only", () => {
    Charge.toLayer(() => Effect.fail(new CardDeclined({ code: 1 })))
    // @ts-expect-error Type 'string' is not assignable to type 'CardDeclined'
    Charge.toLayer(() => Effect.fail("declined"))
    // @ts-expect-error Type 'string' is not assignable to type 'never'
    Sum.toLayer(() => Effect.fail("overflow"))
  })

  it("of a trigger gets the payload", () => {
    Approval.toLayer(({ reservation }, payload) => {
      expect(payload).type.toBe<{ readonly approved: boolean }>()
      return Effect.succeed(payload.approved ? { approved: reservation } : { rejected: reservation })
    })
    expect<HandlerEvent<typeof Charge>>().type.toBe<[]>()
  })

  it("of a resumable node suspends with its state and gets it back", () => {
    Poll.toLayer((_inputs, resume) => {
      expect(resume).type.toBe<Option.Option<{ readonly state: { readonly asked: number }; readonly input: number }>>()
      return Effect.succeed(
        Option.isNone(resume)
          ? NodeOutcome.suspend({ reason: "waiting for the bank", state: { asked: 1 } })
          : { answer: String(resume.value.input) }
      )
    })
    // @ts-expect-error Type 'string' is not assignable to type 'number'
    Poll.toLayer(() => Effect.succeed(NodeOutcome.suspend({ reason: "bank", state: { asked: "once" } })))
    // @ts-expect-error Property 'receipt' is missing
    Charge.toLayer(() => Effect.succeed(NodeOutcome.suspend({ reason: "bank", state: { asked: 1 } })))
  })
})

describe("a node", () => {
  it("retries by its typed error", () => {
    const retry = { schedule: Schedule.exponential("200 millis"), times: 5 }
    Node.make("pay", { error: CardDeclined, retry: { ...retry, while: ({ code }) => code > 3 } })
    // @ts-expect-error Property 'kind' does not exist on type 'CardDeclined'
    Node.make("pay", { error: CardDeclined, retry: { ...retry, while: ({ kind }) => kind } })
  })

  it("has a reserved port for its error", () => {
    // @ts-expect-error the port \"error\" is reserved for the typed error
    Node.make("pay", { outputs: { error: Schema.String } })
    // @ts-expect-error the port \"error\" is reserved for the typed error
    Node.trigger("pay", { payload: Item, outputs: { error: Schema.String } })
  })

  it("takes no schema that needs something from outside", () => {
    const needing = Schema.String as unknown as Schema.Schema<string, string, Payments>
    // @ts-expect-error Type 'Payments' is not assignable to type 'never'
    Node.make("pay", { inputs: { amount: needing } })
    // @ts-expect-error Type 'Payments' is not assignable to type 'never'
    Node.make("pay", { outputs: { amount: Output.many(needing) } })
  })
})
