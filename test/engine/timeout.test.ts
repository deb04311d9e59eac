import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Hurried } from "./fixtures.js"
import { hurried } from "./handlers.js"
import { scenario } from "./world.js"

scenario("a second attempt that is in time completes the firing after a time-out", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: hurried(({ attempt }) => (attempt === 1 ? Effect.never : Effect.void))
    })
    yield* engine.start(Hurried, { n: 9 }, { runId: "a" })
    expect(yield* engine.await(Hurried, "a")).toEqual({ n: 9 })
    expect((yield* world.firings("a"))["hasty/1"]).toMatchObject({ status: "completed", attempt: 2, crashes: 0 })
  })
)

scenario("a time-out counts the attempt, not the time before it started or while it was away", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({ workflows: hurried(() => Effect.never), settings: { slots: 0 } })
    yield* first.engine.start(Hurried, { n: 9 }, { runId: "a" })
    yield* world.kill(first)
    yield* world.sql("update perdure.run_state set created_at = created_at - interval '1 day'")
    const second = yield* world.start({ workflows: hurried(() => Effect.void) })
    expect(yield* second.engine.await(Hurried, "a")).toEqual({ n: 9 })
    expect((yield* world.firings("a"))["hasty/1"]).toMatchObject({ attempt: 1 })
  })
)

scenario("a time-out is said so in the run's failure", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: hurried(() => Effect.never) })
    yield* engine.start(Hurried, { n: 9 }, { runId: "a" })
    const { failure, reason } = yield* Effect.zipRight(engine.awaitEnd("a"), world.run("a"))
    expect(JSON.parse(failure!)).toMatchObject({ kind: "timeout", nodeId: "hasty" })
    expect(reason).toContain("time-out")
  })
)
