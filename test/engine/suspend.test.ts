import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Approved, Polled } from "./fixtures.js"
import { approved, polled } from "./handlers.js"
import { scenario } from "./world.js"

scenario("a hot wait is already suspended in the rows, and its worker still holds it", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: polled(), settings: { idleMs: 60_000 } })
    yield* engine.start(Polled, { n: 1 }, { runId: "a" })
    expect((yield* world.until("a", "suspended")).worker).not.toBeNull()
    yield* engine.trigger(Polled, "a", "poll", "x", { inputId: "1" })
    expect(yield* engine.await(Polled, "a")).toEqual({ answer: "x after 1" })
    expect((yield* world.run("a")).fence).toBe(1)
  })
)

scenario("a wait for an event stays in memory, however late the deadline of its run is", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: polled(), settings: { idleMs: 60_000 } })
    yield* engine.start(Polled, { n: 1 }, { runId: "a", deadline: new Date(Date.now() + 86_400_000) })
    expect((yield* world.until("a", "suspended")).worker).not.toBeNull()
    yield* engine.trigger(Polled, "a", "poll", "x", { inputId: "1" })
    expect(yield* engine.await(Polled, "a")).toEqual({ answer: "x after 1" })
    expect((yield* world.run("a")).fence).toBe(1)
  })
)

scenario("an evicted wait is resumed from its rows, by whoever has room", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({ workflows: polled(), settings: { idleMs: 0 } })
    yield* first.engine.start(Polled, { n: 1 }, { runId: "a" })
    yield* world.untilReleased("a")
    yield* first.stop
    const second = yield* world.start({ workflows: polled() })
    yield* second.engine.trigger(Polled, "a", "poll", "x", { inputId: "1" })
    expect(yield* second.engine.await(Polled, "a")).toEqual({ answer: "x after 1" })
    expect((yield* world.run("a")).fence).toBe(2)
  })
)

scenario("runs that wait give way to those that could run, however long they may stay", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: polled(), settings: { maxRuns: 4, idleMs: 3_600_000 } })
    yield* engine.startMany(
      Polled,
      Array.from({ length: 40 }, (_, index) => ({ input: { n: 1 }, runId: `r${index}` }))
    )
    yield* world.untilRow(
      "select from (select count(*) from perdure.run_state where status = 'suspended') c where c.count = 40"
    )
    yield* engine.trigger(Polled, "r39", "poll", "x", { inputId: "1" })
    expect(yield* engine.await(Polled, "r39")).toEqual({ answer: "x after 1" })
  })
)

scenario("evicting after every firing changes no outcome", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: polled(), settings: { alwaysEvict: true } })
    yield* engine.start(Polled, { n: 4 }, { runId: "a" })
    for (const inputId of ["1", "2", "3", "4"]) yield* engine.trigger(Polled, "a", "poll", inputId, { inputId })
    expect(yield* engine.await(Polled, "a")).toEqual({ answer: "4 after 4" })
    expect((yield* world.firings("a"))["poll/1"]).toMatchObject({ crashes: 0, attempt: 1 })
  })
)

scenario("each wait needs its own event: one does not wake it twice", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: polled() })
    yield* engine.start(Polled, { n: 2 }, { runId: "a" })
    yield* engine.trigger(Polled, "a", "poll", "one", { inputId: "1" })
    yield* world.untilRow("select from perdure.run_node_state where reason = 'question 2' and status = 'suspended'")
    expect(yield* engine.resumability("a")).toMatchObject({
      status: "suspended",
      unappliedInputs: 0,
      points: [{ nodeId: "poll", next: "wait", state: '{"asked":2}', reason: "question 2" }]
    })
    yield* engine.trigger(Polled, "a", "poll", "two", { inputId: "2" })
    expect(yield* engine.await(Polled, "a")).toEqual({ answer: "two after 2" })
  })
)

scenario("an input that becomes visible while the run is given up is not lost", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved(), settings: { idleMs: 0, pollMs: 3_600_000 } })
    const ids = Array.from({ length: 50 }, (_, index) => `r${index}`)
    yield* Effect.forEach(
      ids,
      (runId) =>
        engine
          .start(Approved, { n: 1 }, { runId })
          .pipe(
            Effect.zipRight(engine.trigger(Approved, runId, "approval", { approved: true }, { inputId: "1" })),
            Effect.zipRight(engine.awaitEnd(runId))
          ),
      { concurrency: "unbounded" }
    )
    expect(yield* world.sql("select from perdure.run_state where status <> 'completed'")).toEqual([])
  })
)
