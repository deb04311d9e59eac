import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashMap from "effect/HashMap"
import { Chain } from "./fixtures.js"
import { chain } from "./handlers.js"
import { scenario } from "./world.js"

/** Something that an application keeps in a reference of its own. */
const tenant = FiberRef.unsafeMake("nobody")

scenario(
  "a handler's fiber bears what its worker was built with, whoever has started the run, and names its place",
  (world) =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const look = Effect.gen(function* () {
        const words = yield* FiberRef.get(FiberRef.currentLogAnnotations)
        seen.push([yield* FiberRef.get(tenant), HashMap.toEntries(words).sort()])
      })
      const { engine } = yield* Effect.locally(
        world.start({ workflows: chain(() => look), settings: { workerId: "builder" } }),
        tenant,
        "the builder's"
      )
      const { runId } = yield* Effect.locally(engine.start(Chain, { n: 1 }, { runId: "a" }), tenant, "the caller's")
      yield* engine.awaitEnd(runId)
      const placed = [
        ["nodeId", "first"],
        ["runId", "a"],
        ["workerId", "builder"]
      ]
      expect(seen).toEqual([["the builder's", placed]])
    })
)

scenario("what a handler changes in its references stays in its own fiber", (world) =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    const change = Effect.gen(function* () {
      seen.push(yield* FiberRef.get(tenant))
      yield* FiberRef.set(tenant, "the handler's")
    })
    const { engine } = yield* world.start({ workflows: chain(() => change) })
    for (const runId of ["a", "b"]) {
      yield* engine.start(Chain, { n: 1 }, { runId })
      yield* engine.awaitEnd(runId)
    }
    expect(seen).toEqual(["nobody", "nobody"])
  })
)
