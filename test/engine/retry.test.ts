import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Node from "../../src/definition/Node.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { refuse } from "./faults.js"
import { Charged, Declined, FlakyCharge, Hurried, QuickCharge } from "./fixtures.js"
import { charged, flakyCharge, hurried, quickCharge } from "./handlers.js"
import { Stepped, stepped } from "./stepFixtures.js"
import { scenario } from "./world.js"

scenario("a failure worth a retry is tried again, each attempt with the next number", (world) =>
  Effect.gen(function* () {
    const attempts: Array<number> = []
    const { engine } = yield* world.start({
      workflows: quickCharge((n, { attempt }) => {
        attempts.push(attempt)
        return attempt < 3 ? new Declined({ code: attempt }) : Effect.succeed({ out: n })
      })
    })
    yield* engine.start(QuickCharge, { n: 9 }, { runId: "a" })
    expect(yield* engine.await(QuickCharge, "a")).toEqual({ n: 9 })
    expect(attempts).toEqual([1, 2, 3])
    expect((yield* world.firings("a"))["charge/1"]).toMatchObject({ attempt: 3, crashes: 0, notBefore: null })
  })
)

scenario("after the last retry the firing fails with the last error", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: quickCharge((_, { attempt }) => new Declined({ code: attempt }))
    })
    yield* engine.start(QuickCharge, { n: 9 }, { runId: "a" })
    const error = yield* Effect.flip(engine.await(QuickCharge, "a"))
    expect(error).toMatchObject({ failure: { kind: "error", attempt: 4, error: { code: 4 } } })
  })
)

scenario("an error that the policy does not want is not tried again", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: quickCharge(() => new Declined({ code: 13 })) })
    yield* engine.start(QuickCharge, { n: 9 }, { runId: "a" })
    expect(yield* Effect.flip(engine.await(QuickCharge, "a"))).toMatchObject({ failure: { attempt: 1 } })
  })
)

const N = Schema.Number
const worth = Schedule.whileInput(({ code }: Declined) => code < 2)
const Asking = Node.make("asking", {
  inputs: { n: N },
  error: Declined,
  retry: { times: 5, schedule: Schedule.spaced("1 millis").pipe(worth) }
})
const Drawing = Node.make("drawing", {
  inputs: { n: N },
  error: Declined,
  retry: { times: 5, schedule: Schedule.jittered(Schedule.spaced("1 hour")).pipe(worth) }
})
const Asked = Workflow.make("asked", { version: 1, input: { n: N } })
  .node("asking", Asking, ({ input }) => ({ n: input.n }))
  .output(() => ({}))
const Drawn = Workflow.make("drawn", { version: 1, input: { n: N } })
  .node("drawing", Drawing, ({ input }) => ({ n: input.n }))
  .output(() => ({}))

scenario("a schedule is stepped with the typed error, and one that draws is found then at the latest", (world) =>
  Effect.gen(function* () {
    let codes = 0
    const { engine } = yield* world.start({
      workflows: Layer.mergeAll(
        Asked.layer.pipe(Layer.provide(Asking.toLayer(() => new Declined({ code: codes++ })))),
        Drawn.layer.pipe(Layer.provide(Drawing.toLayer(() => new Declined({ code: 1 })))),
        stepped(() =>
          Effect.as(
            Step.run(
              "drawing",
              { error: Declined, retry: { times: 5, schedule: Drawing.retry!.schedule } },
              new Declined({ code: 1 })
            ),
            "done"
          )
        )
      )
    })
    yield* engine.start(Asked, { n: 1 }, { runId: "a" })
    expect(yield* Effect.flip(engine.await(Asked, "a"))).toMatchObject({ failure: { attempt: 3, error: { code: 2 } } })
    yield* engine.start(Drawn, { n: 1 }, { runId: "b" })
    yield* engine.start(Stepped, { n: 1 }, { runId: "c" })
    const message = expect.stringContaining("retry.schedule: its pauses depend on more than the number of attempts")
    expect(yield* Effect.flip(engine.await(Drawn, "b"))).toMatchObject({
      failure: { kind: "error", attempt: 1, message }
    })
    expect(yield* Effect.flip(engine.await(Stepped, "c"))).toMatchObject({ failure: { kind: "defect", message } })
  })
)

scenario("a defect is tried again under the policy, and fails a node without one", (world) =>
  Effect.gen(function* () {
    const retrying = yield* world.start({
      workflows: quickCharge((n, { attempt }) =>
        attempt === 1 ? Effect.dieMessage("oops") : Effect.succeed({ out: n })
      )
    })
    yield* retrying.engine.start(QuickCharge, { n: 9 }, { runId: "a" })
    expect(yield* retrying.engine.await(QuickCharge, "a")).toEqual({ n: 9 })
    const plain = yield* world.start({ workflows: charged(() => Effect.dieMessage("oops")) })
    yield* plain.engine.start(Charged, { n: 9 }, { runId: "b" })
    const error = yield* Effect.flip(plain.engine.await(Charged, "b"))
    expect(error).toMatchObject({ failure: { kind: "defect", message: "oops", nodeId: "charge" } })
  })
)

scenario("a defect that can't be shown as text fails its firing like any other", (world) =>
  Effect.gen(function* () {
    const hostile = [
      Object.create(null),
      {
        get _tag() {
          throw new Error("no tag")
        }
      },
      "NUL \u0000 and \ud800 alone",
      undefined
    ]
    const { engine } = yield* world.start({ workflows: charged((n) => Effect.die(hostile[n])) })
    for (const n of hostile.keys()) {
      yield* engine.start(Charged, { n }, { runId: `r${n}` })
      expect(yield* Effect.flip(engine.await(Charged, `r${n}`))).toMatchObject({ failure: { kind: "defect" } })
    }
  })
)

scenario("a retry's time stands in the rows: the run leaves memory and is taken up when it comes", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: flakyCharge((n, { attempt }) =>
        attempt === 1 ? new Declined({ code: 1 }) : Effect.succeed({ out: n })
      ),
      settings: { idleMs: 0 }
    })
    yield* engine.start(FlakyCharge, { n: 9 }, { runId: "a" })
    yield* world.untilReleased("a")
    const { dueAt, points } = yield* engine.resumability("a")
    expect(points).toMatchObject([{ nodeId: "charge", attempt: 2, next: "wait" }])
    expect(Math.floor(points[0]!.notBefore!)).toBe(dueAt!.getTime())
    yield* world.sql("update perdure.run_node_state set not_before = not_before - interval '1 hour'")
    yield* world.sql("update perdure.run_state set due_at = due_at - interval '1 hour'")
    expect(yield* engine.await(FlakyCharge, "a")).toEqual({ n: 9 })
  })
)

scenario("an attempt beyond its time is interrupted, tried again, and at last fails as a time-out", (world) =>
  Effect.gen(function* () {
    const interrupted: Array<number> = []
    const { engine } = yield* world.start({
      workflows: hurried(({ attempt }) =>
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted.push(attempt)))
      )
    })
    yield* engine.start(Hurried, { n: 9 }, { runId: "a" })
    expect(yield* Effect.flip(engine.await(Hurried, "a"))).toMatchObject({ failure: { kind: "timeout", attempt: 2 } })
    expect(interrupted).toEqual([1, 2])
  })
)

scenario("trouble of the database while a result is written is not the node's failure", (world) =>
  Effect.gen(function* () {
    const { fault, pool } = refuse("firings.write", "40001", 3)
    const ran = yield* Deferred.make<number>()
    let count = 0
    const { engine } = yield* world.start({
      workflows: quickCharge((n, { attempt }) => Effect.as(Deferred.succeed(ran, ++count * attempt), { out: n })),
      pool
    })
    yield* engine.start(QuickCharge, { n: 9 }, { runId: "a" })
    expect(yield* engine.await(QuickCharge, "a")).toEqual({ n: 9 })
    expect(fault.happened).toBe(3)
    expect({ count, attempt: (yield* world.firings("a"))["charge/1"]!.attempt }).toEqual({ count: 1, attempt: 1 })
  })
)
