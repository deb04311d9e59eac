import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import * as Node from "../../src/definition/Node.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { serve } from "./harness.js"

class Late extends Schema.TaggedError<Late>()("Late", { due: Schema.Date, pin: Schema.Redacted(Schema.String) }) {}

const inputs = { due: Schema.Date }
const Deliver = Node.make("deliver", { inputs, outputs: { on: Schema.Date }, error: Late })
const Parcel = Workflow.make("parcel", { version: 1, input: inputs })

const build = <Failure extends Schema.Schema.AnyNoContext | undefined>(error: Failure) =>
  Parcel.node(
    "deliver",
    Node.make("deliver", { inputs, outputs: { on: Schema.Date }, error }),
    ({ input }) => input
  ).output(({ deliver }) => ({ on: deliver.on }))

it("A caller with the definition gets the typed error of a failed run, of another build a typed mismatch", () =>
  Effect.gen(function* () {
    const due = new Date("2026-11-23T08:30:00Z")
    const pin = Redacted.make("0815")
    const Sent = Parcel.node("deliver", Deliver, ({ input }) => input).output(({ deliver }) => ({ on: deliver.on }))
    const late = Deliver.toLayer((given) => Effect.fail(new Late({ ...given, pin })))
    const client = yield* (yield* serve(Sent.layer.pipe(Layer.provide(late)))).client()
    yield* client.start(Sent, { due }, { runId: "p-1" })
    const failed = yield* Effect.flip(client.await(Sent, "p-1"))
    if (failed._tag !== "RunFailed" || failed.nodeId !== "deliver") return expect.fail(failed.message)
    expect(failed.error).toBeInstanceOf(Late)
    expect(failed.error).toMatchObject({ due, pin })
    expect(failed.failure).toMatchObject({ kind: "error", nodeId: "deliver", error: { _tag: "Late", pin: "0815" } })

    const Other = build(Schema.Struct({ due: Schema.Date, by: Schema.String }))
    expect((yield* Effect.flip(client.await(Other, "p-1"))).message).toContain("deliver.error.by: is missing")
    for (const other of [Other, build(undefined), build(Schema.Number)]) {
      expect(yield* Effect.flip(client.await(other, "p-1"))).toMatchObject({
        ...{ _tag: "DefinitionMismatch", workflow: "parcel", version: 1 }
      })
    }
    const Throws = build(
      Schema.Unknown.pipe(
        Schema.filter(() => {
          throw new Error("of the author")
        })
      )
    )
    expect((yield* Effect.flip(client.await(Throws, "p-1"))).message).toContain("deliver.error: its schema failed")
  }).pipe(Effect.scoped, Effect.runPromise))
