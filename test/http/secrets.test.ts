import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import * as Node from "../../src/definition/Node.js"
import * as NodeOutcome from "../../src/definition/NodeOutcome.js"
import * as Query from "../../src/definition/Query.js"
import * as Signal from "../../src/definition/Signal.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { SecretText, secret, watched } from "./canary.js"
import type { Call } from "./harness.js"

class Declined extends Schema.TaggedError<Declined>()("Declined", {
  code: Schema.String,
  card: SecretText,
  tries: Schema.Array(Schema.Struct({ at: Schema.Int, token: SecretText }))
}) {}

const Pin = Signal.make("pin", { payload: Schema.Struct({ pin: SecretText }) })
const Balance = Query.make("balance", { success: SecretText })

const Pay = Node.make("pay", {
  inputs: { card: Schema.Struct({ number: SecretText, holder: Schema.String }), how: Schema.String },
  outputs: { receipt: Schema.Struct({ token: SecretText }) },
  error: Declined,
  timeout: "5 seconds"
})
const Approve = Node.trigger("approve", {
  payload: Schema.Struct({ by: Schema.String, pin: SecretText }),
  inputs: { receipt: Schema.Struct({ token: SecretText }) },
  outputs: { approved: Schema.Struct({ token: SecretText }) }
})
const Hold = Node.make("hold", {
  inputs: { receipt: Schema.Struct({ token: SecretText }) },
  outputs: { done: Schema.Struct({ token: SecretText }) },
  resumable: { state: Schema.Struct({ key: SecretText }), input: Schema.Struct({ code: SecretText }) }
})
const Confirm = Node.make("confirm", {
  inputs: { receipt: Schema.Struct({ token: SecretText }) },
  outputs: { receipt: Schema.Struct({ token: SecretText }) },
  signals: [Pin]
})

const Sale = Workflow.make("sale", {
  version: 1,
  input: { card: Schema.Struct({ number: SecretText, holder: Schema.String }), how: Schema.String }
})
  .node("pay", Pay, ({ input }) => ({ card: input.card, how: input.how }))
  .node("confirm", Confirm, ({ pay }) => ({ receipt: pay.receipt }))
  .node("approve", Approve, ({ confirm }) => ({ receipt: confirm.receipt }))
  .node("hold", Hold, ({ approve }) => ({ receipt: approve.approved }))
  .output(({ hold }) => ({ receipt: hold.done }))

const PayHandler = Pay.toLayer(({ card, how }) =>
  Effect.gen(function* () {
    const token = yield* Step.run("tokenise", { success: SecretText }, Effect.succeed(secret("step")))
    yield* Step.publish(Balance, secret("query"))
    yield* Effect.logInfo("pays", card, token)
    if (how === "typed") {
      const tries = [{ at: 1, token }]
      return yield* new Declined({ code: "51", card: card.number, tries })
    }
    // What is no error of this node is a bug of its handler.
    if (how === "defect") return yield* Effect.die(new Declined({ code: "51", card: card.number, tries: [] }))
    if (how === "slow") return yield* Effect.never
    return { receipt: { token: how === "invalid" ? Redacted.make("short") : token } }
  }).pipe(Effect.withSpan("pays", { attributes: { card } }))
)

const sales = Sale.layer.pipe(
  Layer.provide([
    PayHandler,
    Confirm.toLayer(({ receipt }) =>
      Effect.map(Step.awaitSignal(Pin), ({ pin }) => ({
        receipt: Redacted.value(pin) === "" ? { token: pin } : receipt
      }))
    ),
    Approve.toLayer(({ receipt }, { pin }) => Effect.as(Effect.logInfo("approved", pin), { approved: receipt })),
    Hold.toLayer(({ receipt }, resume) =>
      Effect.succeed(
        Option.isNone(resume)
          ? NodeOutcome.suspend({ reason: "wants a code", state: { key: secret("state") } })
          : { done: receipt }
      )
    )
  ])
)

const card = { number: secret("input"), holder: "Ada" }
const badly = (place: string) => Redacted.value(secret(place))

/** Calls that are refused with a secret in their hands. */
const refused: ReadonlyArray<Call> = [
  { path: "/api/runs", body: { workflow: "sale", input: { card: badly("shape"), how: "ok" } } },
  {
    path: "/api/runs",
    body: { workflow: "sale", input: { card: { number: [badly("shape")], holder: "a" }, how: "" } }
  },
  { path: "/api/runs", body: { workflow: "sale", input: { card: { number: "canary-" }, how: "ok" } } },
  {
    path: "/api/runs",
    body: `{"workflow": "sale", "input": ${badly("syntax")}`,
    headers: { "content-type": "application/json" }
  },
  { path: "/api/runs/ok/triggers/approve", body: { inputId: "x", payload: { by: "a", pin: { deep: badly("pin") } } } },
  { path: "/api/runs/ok/triggers/approve", body: { inputId: "x", payload: badly("pin") } },
  { path: "/api/runs/ok/signals/confirm/pin", body: { inputId: "x", payload: { pin: [badly("pin")] } } },
  { path: "/api/runs/ok/triggers/approve", headers: { authorization: `Bearer ${badly("stranger")}` }, body: {} },
  {
    path: "/hooks/mail/runs/ok/triggers/approve",
    headers: { "webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1,x" },
    body: {}
  }
]

it("a secret is seen in no log, trace, metric, error, audit row or view of a run, however it ends", () =>
  Effect.gen(function* () {
    const { ask, client, isSilent, lookAt, seen } = yield* watched(sales)
    for (const how of ["typed", "defect", "slow", "invalid"]) {
      yield* client.start(Sale, { card, how }, { runId: how })
      expect((yield* Effect.flip(client.await(Sale, how)))._tag).toBe("RunFailed")
    }
    yield* client.start(Sale, { card, how: "ok" }, { runId: "ok" })
    for (const call of refused) expect((yield* ask(call)).status).toBeGreaterThanOrEqual(400)
    yield* client.signal(Sale, "ok", "confirm", Pin, { pin: secret("signal") }, { inputId: "s" })
    const approval = { by: "ada", pin: secret("payload") }
    yield* client.trigger(Sale, "ok", "approve", approval, { inputId: "t" })
    yield* ask({ path: "/api/runs/ok/result?wait=1" })
    yield* client.trigger(Sale, "ok", "hold", { code: secret("event") }, { inputId: "h" })
    const { receipt } = yield* client.await(Sale, "ok")

    // Values are for the application, which gets them in full.
    expect(Redacted.value(receipt.token)).toBe(Redacted.value(secret("step")))
    expect(Option.map(yield* client.query(Sale, "ok", "pay", Balance), Redacted.value)).toEqual(
      Option.some(Redacted.value(secret("query")))
    )
    // Its result has been seen by the one that asked for it: everything below is for people.
    seen.answers.splice(0, Number.POSITIVE_INFINITY, ...seen.answers.filter((line) => !line.includes("/result")))

    yield* lookAt(["ok", "typed", "defect", "slow", "invalid"])
    const audit = yield* isSilent
    const failed = seen.answers.find((line) => line.startsWith("/api/runs/typed 200"))
    expect(failed).toContain(`"card":"<redacted>"`)
    expect(failed).toContain(`"code":"51"`)
    expect(audit).toContain("<redacted>")
    expect(seen.logs.join()).toContain("pays")
  }).pipe(Effect.scoped, Effect.runPromise))
