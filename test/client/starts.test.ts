import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import * as Node from "../../src/definition/Node.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { serve } from "./harness.js"

const Double = Node.make("double", { inputs: { n: Schema.Int }, outputs: { n: Schema.Int } })
const Doubled = Workflow.make("doubled", { version: 1, input: { n: Schema.Int } })
  .node("double", Double, ({ input }) => ({ n: input.n }))
  .output(({ double }) => ({ n: double.n }))
const Other = Workflow.make("other", { version: 1, input: { n: Schema.Int } })
  .node("double", Double, ({ input }) => ({ n: input.n }))
  .output(({ double }) => ({ n: double.n }))

const doubled = Doubled.layer.pipe(Layer.provide(Double.toLayer(({ n }) => Effect.succeed({ n: 2 * n }))))

it("The client starts many runs, more than one batch takes, each by itself, and tells how they end", () =>
  Effect.gen(function* () {
    const client = yield* (yield* serve(doubled)).client()
    // Most of them are only there: what is tested is their start.
    const runs = Array.from({ length: 1_100 }, (_, n) => ({
      ...{ input: { n }, runId: `r-${n}` },
      ...(n < 3 ? {} : { startAt: "2999-01-01T00:00:00Z" })
    }))
    const wrong = [
      { input: { n: 7 }, runId: "r-0" },
      { input: { n: 0.5 }, runId: "w-1" },
      { input: { n: 1 }, runId: "w-2", attributes: { "a b": "x" } },
      { input: { n: 1 }, runId: "w 3" }
    ]
    const results = yield* client.startMany(Doubled, [...wrong.slice(1), ...runs, ...wrong.slice(0, 1)])
    expect(results.slice(3, -1).map(Either.getOrThrow)).toMatchObject(
      runs.map(({ runId }) => ({ runId, created: true }))
    )
    expect([...results.slice(0, 3), ...results.slice(-1)].map(Either.flip).map(Either.getOrThrow)).toMatchObject([
      { _tag: "InvalidInput", field: "input.n" },
      { _tag: "InvalidInput", field: "attributes" },
      { _tag: "InvalidInput", field: "runId" },
      { _tag: "RunConflict", runId: "r-0", field: "input" }
    ])
    expect((yield* client.startMany(Doubled, runs.slice(0, 1))).map(Either.getOrThrow)).toMatchObject([
      { runId: "r-0", created: false }
    ])
    expect((yield* client.startMany(Other, [{ input: { n: 1 } }])).map(Either.flip)).toMatchObject([
      Either.right({ _tag: "WorkflowNotFound", workflow: "other" })
    ])
    expect(yield* client.startMany(Doubled, [])).toEqual([])
    expect(yield* client.awaitEnd("r-2")).toMatchObject({
      ...{ runId: "r-2", status: "completed", output: '{"n":4}', failure: null }
    })
    expect(yield* client.await(Doubled, "r-1")).toEqual({ n: 2 })
    expect(yield* Effect.flip(client.awaitEnd("r 1"))).toMatchObject({ _tag: "InvalidInput", field: "runId" })
  }).pipe(Effect.scoped, Effect.runPromise))
