import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "tstyche"
import * as Node from "../../src/definition/Node.js"
import type { NodeContext } from "../../src/definition/NodeContext.js"
import * as Query from "../../src/definition/Query.js"
import * as Signal from "../../src/definition/Signal.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import type { Engine } from "../../src/Engine.js"
import { CardDeclined, Charge, Item } from "../definition/fixtures.js"

const Decision = Signal.make("decision", { payload: Schema.Struct({ by: Schema.String }) })
const Progress = Query.make("progress", { success: Schema.Number })
const { Number: N } = Schema
const spaced = { times: 3, schedule: Schedule.spaced("1 second") }

const W = Workflow.make("w", { version: 1, input: { item: Item } })
  .node("charge", Charge, ({ input }) => ({ reservation: input.item }))
  .output(({ charge }) => ({ receipt: charge.receipt }))

declare const engine: (typeof Engine)["Service"]

describe("a step", () => {
  it("gives what its schemas say, and asks for a run around it", () => {
    const some = Step.run("some", { success: N, error: CardDeclined }, Effect.succeed(1))
    expect(some).type.toBe<Effect.Effect<number, CardDeclined, NodeContext>>()
    expect(Step.run("none", {}, Effect.void)).type.toBe<Effect.Effect<void, never, NodeContext>>()
    const options = { success: N, error: CardDeclined, retry: spaced }
    const tried = Step.run("tried", options, Effect.fail(new CardDeclined({ code: 1 })))
    expect(tried).type.toBe<Effect.Effect<number, CardDeclined, NodeContext>>()
  })

  it("takes no effect that gives or fails with something else", () => {
    // @ts-expect-error Type 'string' is not assignable to type 'number'
    Step.run("some", { success: N }, Effect.succeed("one"))
    // @ts-expect-error Type 'string' is not assignable to type 'CardDeclined'
    Step.run("some", { success: N, error: CardDeclined }, Effect.fail("no"))
    // @ts-expect-error Type 'string' is not assignable to type 'never'
    Step.run("some", { success: N }, Effect.fail("no"))
  })

  it("is tried again by its typed error", () => {
    Step.run(
      "some",
      { error: CardDeclined, retry: { ...spaced, while: ({ code }) => code > 3 } },
      Effect.fail(new CardDeclined({ code: 1 }))
    )
    Step.run(
      "some",
      // @ts-expect-error Property 'kind' does not exist on type 'CardDeclined'
      { error: CardDeclined, retry: { ...spaced, while: ({ kind }) => kind } },
      Effect.fail(new CardDeclined({ code: 1 }))
    )
  })

  it("is tried again under a schedule that asks about its typed error", () => {
    const asking = Schedule.recurWhile((error: CardDeclined) => error.code > 3)
    Step.run("some", { error: CardDeclined, retry: { times: 3, schedule: asking } }, Effect.void)
    Node.make("some", { error: CardDeclined, retry: { times: 3, schedule: asking } })
    const schedule = Schedule.spaced("1 second").pipe(Schedule.whileInput((error: CardDeclined) => error.code > 3))
    Node.make("some", { error: CardDeclined, retry: { times: 3, schedule } })
    // @ts-expect-error Type 'string' is not assignable to type 'CardDeclined'
    Node.make("some", { error: Schema.String, retry: { times: 3, schedule } })
  })

  it("waits for the payload of a signal, or for an Option of it where there is a time-out", () => {
    expect(Step.awaitSignal(Decision)).type.toBe<Effect.Effect<{ readonly by: string }, never, NodeContext>>()
    expect(Step.awaitSignal(Decision, { timeout: "1 day" })).type.toBe<
      Effect.Effect<Option.Option<{ readonly by: string }>, never, NodeContext>
    >()
  })

  it("publishes what its query takes", () => {
    expect(Step.publish(Progress, 1)).type.toBe<Effect.Effect<void, never, NodeContext>>()
    // @ts-expect-error Argument of type 'string' is not assignable to parameter of type 'number'
    Step.publish(Progress, "half")
    // @ts-expect-error Argument of type 'string' is not assignable to parameter of type 'number'
    Step.heartbeat(N, "half")
  })
})

describe("a caller", () => {
  it("signals and asks nodes that are there, in their types", () => {
    engine.signal(W, "r", "charge", Decision, { by: "ada" }, { inputId: "1" })
    // @ts-expect-error Argument of type '"nobody"' is not assignable to parameter of type '"charge"'
    engine.signal(W, "r", "nobody", Decision, { by: "ada" }, { inputId: "1" })
    // @ts-expect-error Type 'number' is not assignable to type 'string'
    engine.signal(W, "r", "charge", Decision, { by: 1 }, { inputId: "1" })
    // @ts-expect-error Argument of type '"nobody"' is not assignable to parameter of type '"charge"'
    engine.query(W, "r", "nobody", Progress)
    type Answer = Effect.Effect.Success<ReturnType<typeof engine.query<typeof W, typeof Progress>>>
    expect<Answer>().type.toBe<Option.Option<number>>()
  })
})
