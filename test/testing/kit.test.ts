import { describe, expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Node from "../../src/definition/Node.js"
import { NodeContext } from "../../src/definition/NodeContext.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { CrashTest, Ledger, TestDatabase } from "../../src/testing/index.js"

const Amount = Schema.Number

const Charge = Node.make("charge", { inputs: { amount: Amount }, outputs: { receipt: Amount } })
const Approval = Node.trigger("approval", {
  payload: Schema.Struct({ approved: Schema.Boolean }),
  inputs: { receipt: Amount },
  outputs: { receipt: Amount }
})

const Payment = Workflow.make("payment", { version: 1, input: { amount: Amount } })
  .node("charge", Charge, ({ input }) => ({ amount: input.amount }))
  .node("approval", Approval, ({ charge }) => ({ receipt: charge.receipt }))
  .output(({ approval }) => ({ receipt: approval.receipt }))

const ApprovalHandler = Approval.toLayer(({ receipt }) => Effect.succeed({ receipt }))

/** Charges under the firing's own key, so that a second attempt is the same charge. */
const RightCharge = Charge.toLayer(({ amount }) =>
  Effect.gen(function* () {
    const { idempotencyKey } = yield* NodeContext
    yield* (yield* Ledger).record("charge", idempotencyKey)
    return { receipt: amount }
  })
)

let charges = 0

/** Charges under a new key each time: wrong, and without a crash nobody sees it. */
const WrongCharge = Charge.toLayer(({ amount }) =>
  Effect.gen(function* () {
    yield* (yield* Ledger).record("charge", `charge ${++charges}`)
    return { receipt: amount }
  })
)

class Database extends Context.Tag("test/Database")<Database, TestDatabase.TestDatabase>() {}

describe("CrashTest.explore", () => {
  layer(Layer.scoped(Database, Effect.orDie(TestDatabase.openEmbedded)), { timeout: 300_000 })((it) => {
    const tested = (handler: typeof RightCharge, options: Partial<CrashTest.CrashTestOptions<typeof Payment>> = {}) =>
      Effect.flatMap(Database, (database) =>
        CrashTest.explore({
          workflow: Payment,
          input: { amount: 40 },
          services: Layer.merge(handler, ApprovalHandler),
          triggers: [{ node: "approval", payload: { approved: true }, twice: true }],
          database,
          ...options
        })
      )

    it.effect(
      "finds the charge without idempotency key",
      () =>
        Effect.gen(function* () {
          const failed = yield* Effect.flip(tested(WrongCharge, { modes: ["after"], alwaysEvict: false }))
          expect(failed._tag).toBe("CrashTestFailed")
          expect(failed.message).toContain("O2_repeated: run/charge/1 charge was done 2 times")
          expect(failed.message).toContain("effect charge of charge#1@after")
        }),
      300_000
    )

    it.effect(
      "finds nothing wrong with the one that has it",
      () =>
        Effect.gen(function* () {
          const report = yield* tested(RightCharge, { modes: ["lost", "awakened"], alwaysEvict: false })
          expect(report.notReached).toEqual([])
          expect(report.cases).toBe(report.reached + 1)
        }),
      300_000
    )

    it.effect("says what the workflow's author expects and does not get", () =>
      Effect.gen(function* () {
        const failed = yield* Effect.flip(
          tested(RightCharge, { modes: [], expect: ({ output }) => `the output is ${output}` })
        )
        expect(failed.message).toContain('expect: the output is {"receipt":40}')
      })
    )
  })
})
