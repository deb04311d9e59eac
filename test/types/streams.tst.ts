import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { describe, expect, it } from "tstyche"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import type { NodeContext } from "../../src/definition/NodeContext.js"
import * as Output from "../../src/definition/Output.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { CardDeclined } from "../definition/fixtures.js"

const { Number: N, String: S } = Schema

const Produce = Node.make("produce", { inputs: { v: N }, outputs: { n: Output.many(N) }, error: CardDeclined })
const Fold = Node.make("fold", { inputs: { n: Input.stream(N), by: Input.shared(S) }, outputs: { sum: N } })

describe("a stream", () => {
  it("comes as a Stream that never fails", () => {
    Fold.toLayer((inputs) => {
      expect(inputs).type.toBe<{ readonly n: Stream.Stream<number>; readonly by: string }>()
      return Effect.map(Stream.runSum(inputs.n), (sum) => ({ sum }))
    })
  })

  it("is given where an array can be, with elements of the port's type and the node's error", () => {
    Produce.toLayer(() => Effect.succeed({ n: [1, 2] }))
    Produce.toLayer(() => Effect.succeed({ n: Stream.make(1, 2) }))
    Produce.toLayer(() => Effect.succeed({ n: Stream.fail(new CardDeclined({ code: 1 })) }))
    // @ts-expect-error Type 'string' is not assignable to type 'number'
    Produce.toLayer(() => Effect.succeed({ n: Stream.make("one") }))
    // @ts-expect-error Type 'string' is not assignable to type 'CardDeclined'
    Produce.toLayer(() => Effect.succeed({ n: Stream.fail("no") }))
  })

  it("makes one firing of everything", () => {
    const W = Workflow.make("w", { version: 1, input: { v: N, by: S } })
      .node("produce", Produce, ({ input }) => ({ v: input.v }))
      .node("fold", Fold, ({ input, produce }) => ({ n: produce.n, by: input.by }))
      .output(({ fold }) => ({ sum: fold.sum }))
    expect<Workflow.Output<typeof W>>().type.toBe<{ readonly sum: number }>()
  })

  it("has a checkpoint with a state of one type", () => {
    expect(Step.checkpoint(N, 1)).type.toBe<Effect.Effect<void, never, NodeContext>>()
    expect(Step.lastCheckpoint(N)).type.toBe<Effect.Effect<Option.Option<number>, never, NodeContext>>()
    // @ts-expect-error Argument of type 'string' is not assignable to parameter of type 'number'
    Step.checkpoint(N, "one")
  })
})
