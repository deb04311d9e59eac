import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Chain, Fan } from "./fixtures.js"
import { chain, fan, type Hook } from "./handlers.js"
import { scenario } from "./world.js"

/** Counts who is inside; each waits until so many are, or nobody else can come. */
const crowd = () => {
  const seen = { now: 0, most: 0 }
  const hook: Hook = () =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        seen.most = Math.max(seen.most, ++seen.now)
      }),
      () => Effect.yieldNow(),
      () => Effect.sync(() => seen.now--)
    )
  return { seen, hook }
}

scenario("a node's concurrency bounds its firings of one run", (world) =>
  Effect.gen(function* () {
    const { hook, seen } = crowd()
    const { engine } = yield* world.start({ workflows: fan(hook) })
    yield* engine.start(Fan, { n: 12, by: 1 }, { runId: "a" })
    expect(yield* engine.await(Fan, "a")).toEqual({ total: 78 })
    expect(seen.most).toBe(2)
  })
)

scenario("a worker's slots bound what it runs, and whoever waited for one gets it", (world) =>
  Effect.gen(function* () {
    const { hook, seen } = crowd()
    const { engine } = yield* world.start({ workflows: chain(hook, hook), settings: { slots: 3 } })
    const outputs = yield* Effect.forEach(
      Array.from({ length: 30 }, (_, n) => n),
      (n) => Effect.flatMap(engine.start(Chain, { n }), ({ runId }) => engine.await(Chain, runId)),
      { concurrency: "unbounded" }
    )
    expect(outputs).toEqual(outputs.map((_, n) => ({ n: (n + 1) * 2 })))
    expect(seen.most).toBeLessThanOrEqual(3)
  })
)

scenario("slots come back after failures, interruptions and deaths of handlers", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: chain(({ runId }) => (runId.startsWith("bad") ? Effect.dieMessage("bad") : Effect.void)),
      settings: { slots: 1 }
    })
    for (const runId of ["bad1", "bad2", "good"]) yield* engine.start(Chain, { n: 1 }, { runId })
    expect(yield* engine.await(Chain, "good")).toEqual({ n: 4 })
  })
)

scenario("two workers share runs, and no firing runs twice", (world) =>
  Effect.gen(function* () {
    const ran: Array<string> = []
    const note: Hook = ({ idempotencyKey }) => Effect.sync(() => ran.push(idempotencyKey))
    const client = yield* world.start({ workflows: chain(), settings: { maxRuns: 0 } })
    yield* Effect.forEach(Array.from({ length: 60 }), (_, n) => client.engine.start(Chain, { n }, { runId: `r${n}` }), {
      concurrency: "unbounded"
    })
    const settings = { maxRuns: 10 }
    yield* Effect.all(
      [
        world.start({ workflows: chain(note, note), settings }),
        world.start({ workflows: chain(note, note), settings })
      ],
      { concurrency: 2 }
    )
    for (let n = 0; n < 60; n++) yield* client.engine.awaitEnd(`r${n}`)
    expect(ran).toHaveLength(120)
    expect(new Set(ran).size).toBe(120)
  })
)
