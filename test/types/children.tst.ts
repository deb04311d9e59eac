import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "tstyche"
import type { Handler } from "../../src/definition/Handler.js"
import * as Node from "../../src/definition/Node.js"
import type { Port } from "../../src/definition/Port.js"
import type { Registry } from "../../src/definition/Registry.js"
import * as Workflow from "../../src/definition/Workflow.js"
import type { DatabaseError, DefinitionConflict, RunCancelled, RunFailed } from "../../src/model/Errors.js"
import { Batch, Item, Order, type Receipt } from "../definition/fixtures.js"

const Ordering = Node.child("ordering", Order)
const Batching = Node.child("batching", Batch, { concurrency: 2 })

const draft = Workflow.make("outer", { version: 1, input: { item: Item, by: Schema.Number } })

describe("a child node", () => {
  it("takes what its workflow takes", () => {
    // @ts-expect-error Property 'by' is missing
    draft.node("batching", Batching, ({ input }) => ({ item: input.item }))
    // @ts-expect-error Type 'number' is not assignable to type '{ readonly id: string; readonly at: Date; }'
    draft.node("batching", Batching, ({ input }) => ({ item: input.by, by: input.by }))
    // @ts-expect-error node \"batching\" has no handle \"other\"
    draft.node("batching", Batching, ({ input }) => ({ item: input.item, by: input.by, other: input.by }))
  })

  it("gives what its workflow gives: a route for an Option, a message per element of an array, its end as an error", () => {
    draft
      .node("batching", Batching, ({ input }) => input)
      .node("ordering", Ordering, ({ input }) => ({ order: input.item }))
      .output(({ batching, ordering }) => {
        expect(batching.parts).type.toBe<Port<number, number, false, true>>()
        expect(batching.total).type.toBe<Port<number, number, true, false>>()
        expect(ordering.receipt).type.toBe<Port<typeof Receipt.Type, typeof Receipt.Encoded, true, false>>()
        expect(ordering.rejected).type.toBe<Port<typeof Item.Type, typeof Item.Encoded, false, false>>()
        expect(ordering.error).type.toBe<
          Port<RunFailed | RunCancelled, typeof Node.ChildFailure.Encoded, false, false>
        >()
        return {}
      })
  })

  it("can be a child in its turn", () => {
    const outer = draft
      .node("ordering", Ordering, ({ input }) => ({ order: input.item }))
      .output(({ ordering }) => ({ receipt: ordering.receipt, rejected: ordering.rejected }))
    expect<Workflow.Output<typeof outer>>().type.toBe<{
      readonly receipt: typeof Receipt.Type
      readonly rejected: Option.Option<typeof Item.Type>
    }>()
    Workflow.make("outermost", { version: 1, input: { item: Item, by: Schema.Number } })
      .node("outer", Node.child("outer", outer), ({ input }) => input)
      .output(({ outer }) => {
        expect(outer.rejected).type.toBe<Port<typeof Item.Type, typeof Item.Encoded, false, false>>()
        return {}
      })
  })

  it("asks for no handler", () => {
    const outer = draft
      .node("batching", Batching, ({ input }) => input)
      .output(({ batching }) => ({ sum: batching.total }))
    expect(outer.layer).type.toBe<Layer.Layer<never, DefinitionConflict | DatabaseError, Registry>>()
    expect(Batching.toLayer).type.toBe<undefined>()
  })

  it("asks for what compensates, with the inputs of the child and its outputs", () => {
    const Undone = Node.child("undone", Batch, { compensate: {} })
    const outer = draft.node("undone", Undone, ({ input }) => input).output(({ undone }) => ({ sum: undone.total }))
    expect(outer.layer).type.toBe<
      Layer.Layer<never, DefinitionConflict | DatabaseError, Registry | Handler<"undone">>
    >()
    const layer = Undone.toLayer(({ by, item }, outputs) => {
      expect(by).type.toBe<number>()
      expect(item).type.toBe<typeof Item.Type>()
      expect(outputs).type.toBe<Option.Option<{ readonly parts: ReadonlyArray<number>; readonly total: number }>>()
      return Effect.succeed(Option.isSome(outputs))
    })
    expect(layer).type.toBe<Layer.Layer<Handler<"undone">>>()
  })

  it("is tried again by what it failed of", () => {
    Node.child("batching", Batch, {
      retry: {
        times: 2,
        schedule: Schedule.spaced("1 second"),
        while: (error) => {
          expect(error).type.toBe<RunFailed | RunCancelled>()
          return true
        }
      }
    })
    // @ts-expect-error 'heartbeat' does not exist in type
    Node.child("batching", Batch, { heartbeat: "1 second" })
    // @ts-expect-error Argument of type 'Node<
    Node.child("batching", Node.make("x", {}))
  })
})
