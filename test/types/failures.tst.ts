import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "tstyche"
import * as Node from "../../src/definition/Node.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import type { Engine } from "../../src/Engine.js"
import type { RunCancelled, RunFailed } from "../../src/model/Errors.js"

class Declined extends Schema.TaggedError<Declined>()("Declined", { limit: Schema.BigInt }) {}

const Charge = Node.make("charge", { inputs: { n: Schema.Number }, outputs: { n: Schema.Number }, error: Declined })
const Ship = Node.make("ship", { inputs: { n: Schema.Number }, outputs: { n: Schema.Number } })
const Sale = Workflow.make("sale", { version: 1, input: { n: Schema.Number } })
  .node("pay", Charge, ({ input }) => input)
  .node("ship", Ship, ({ pay }) => ({ n: pay.n }))
  .output(({ ship }) => ({ n: ship.n }))

declare const engine: Engine["Type"]

describe("a failed run", () => {
  it("gives the error of the node that failed", () => {
    Effect.catchTag(engine.await(Sale, "r"), "RunFailed", (failed) => {
      expect(failed.nodeId).type.toBe<"pay" | "ship" | "output" | "$compensate">()
      expect(failed.error).type.toBe<Declined | undefined>()
      if (failed.nodeId === "pay") expect(failed.error).type.toBe<Declined | undefined>()
      else expect(failed.error).type.toBe<undefined>()
      return Effect.void
    })
  })

  it("gives it to a parent as well", () => {
    const child = Effect.flip(Step.child("sale", Sale, { n: 1 }))
    expect<Effect.Effect.Success<typeof child>>().type.toBe<Workflow.Failed<typeof Sale> | RunCancelled>()
    expect<Workflow.Failed<typeof Sale>>().type.toBeAssignableTo<RunFailed>()
  })

  it("is any of a workflow that is not known", () => {
    expect<Workflow.Failed<Workflow.Any>>().type.toBe<RunFailed>()
  })
})
