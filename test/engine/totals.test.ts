import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Node from "../../src/definition/Node.js"
import type { NodeContext } from "../../src/definition/NodeContext.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Approved, Declined } from "./fixtures.js"
import { approved } from "./handlers.js"
import { scenario } from "./world.js"

const { Number: N } = Schema

const Slow = Node.make("slow", {
  inputs: { n: N },
  outputs: { n: N },
  error: Declined,
  retry: { times: 1_000, schedule: Schedule.spaced("1 hour") },
  timeout: { attempt: "1 hour", total: "3 seconds" }
})
const Timed = Workflow.make("timed", { version: 1, input: { n: N } })
  .node("slow", Slow, ({ input }) => ({ n: input.n }))
  .output(({ slow }) => ({ n: slow.n }))

const timed = (
  handler: (inputs: { readonly n: number }) => Effect.Effect<{ readonly n: number }, Declined, NodeContext>
) => Timed.layer.pipe(Layer.provide(Slow.toLayer(handler)))

const timedOut = { failure: { kind: "timeout", nodeId: "slow", message: expect.stringContaining("total time-out") } }

scenario("a total time-out interrupts the attempt, which is not tried again", (world) =>
  Effect.gen(function* () {
    const interrupted = yield* Deferred.make<void>()
    const { engine } = yield* world.start({
      workflows: timed(() => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)))
    })
    yield* engine.start(Timed, { n: 1 }, { runId: "a" })
    expect(yield* Effect.flip(engine.await(Timed, "a"))).toMatchObject(timedOut)
    yield* Deferred.await(interrupted)
    expect((yield* world.firings("a"))["slow/1"]).toMatchObject({ status: "failed", attempt: 1 })
  })
)

scenario("a retry whose pause would end after it is not waited for", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: timed(({ n }) => new Declined({ code: n })) })
    yield* engine.start(Timed, { n: 1 }, { runId: "a" })
    expect(yield* Effect.flip(engine.await(Timed, "a"))).toMatchObject(timedOut)
    expect((yield* world.firings("a"))["slow/1"]).toMatchObject({ status: "failed", attempt: 1 })
    expect(
      yield* world.sql(
        "select from perdure.run_state r join perdure.run_node_state n using (run_id) where r.ended_at < n.deadline"
      )
    ).toHaveLength(1)
  })
)

scenario("it is over while the firing sleeps in a step, and nobody was there when it was", (world) =>
  Effect.gen(function* () {
    const sleeping = timed(({ n }) => Effect.as(Step.sleep("long", "1 day"), { n }))
    const first = yield* world.start({ workflows: sleeping, settings: { idleMs: 0 } })
    yield* first.engine.start(Timed, { n: 1 }, { runId: "a" })
    yield* world.untilReleased("a")
    yield* world.kill(first)
    yield* world.sql("update perdure.run_node_state set deadline = deadline - interval '1 hour'")
    yield* world.sql("update perdure.run_state set due_at = due_at - interval '1 hour'")
    const second = yield* world.start({ workflows: sleeping })
    expect(yield* Effect.flip(second.engine.await(Timed, "a"))).toMatchObject(timedOut)
  })
)

scenario("a firing keeps its deadline when its process dies, and its attempt is bounded by what is left", (world) =>
  Effect.gen(function* () {
    const begun = yield* Deferred.make<void>()
    const hanging = timed(() => Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never))
    const first = yield* world.start({ workflows: hanging })
    yield* first.engine.start(Timed, { n: 1 }, { runId: "a" })
    yield* Deferred.await(begun)
    const before = (yield* world.firings("a"))["slow/1"]?.deadline
    yield* world.kill(first)
    const second = yield* world.start({ workflows: hanging })
    expect(yield* Effect.flip(second.engine.await(Timed, "a"))).toMatchObject(timedOut)
    const { deadline } = (yield* world.firings("a"))["slow/1"]!
    expect(deadline).toBe(before)
    expect(deadline).toEqual(expect.any(Number))
  })
)

const Parent = Workflow.make("parent", { version: 1, input: { n: N } })
  .node("approving", Node.child("approving", Approved, { timeout: { total: "3 seconds" } }), ({ input }) => ({
    n: input.n
  }))
  .output(({ approving }) => ({ n: approving.n }))

scenario("a child that takes too long fails its parent, and is cancelled", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: Layer.merge(Parent.layer, approved()),
      settings: { idleMs: 0 }
    })
    yield* engine.start(Parent, { n: 1 }, { runId: "a" })
    const child = String((yield* world.untilRow("select child_id from perdure.run_children"))["child_id"])
    expect(yield* Effect.flip(engine.await(Parent, "a"))).toMatchObject({ failure: { kind: "timeout" } })
    yield* world.until(child, "cancelled")
  })
)
