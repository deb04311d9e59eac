import { expect } from "@effect/vitest"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Registry } from "../../src/definition/Registry.js"
import { Chain, Polled } from "./fixtures.js"
import { chain, makeGate, polled } from "./handlers.js"
import { scenario } from "./world.js"

/** A layer that lends the registry to the test. */
const lent = () => {
  const lender: { registry: Context.Tag.Service<Registry> | undefined } = { registry: undefined }
  const layer = Layer.effectDiscard(Effect.map(Registry, (registry) => (lender.registry = registry)))
  return { lender, layer }
}

scenario("a workflow that is registered later takes up the runs that waited for it", (world) =>
  Effect.gen(function* () {
    const client = yield* world.start({ workflows: chain(), settings: { maxRuns: 0 } })
    yield* client.engine.start(Chain, { n: 1 }, { runId: "a" })
    const { layer, lender } = lent()
    const process = yield* world.start({ workflows: layer, settings: { pollMs: 3_600_000 } })
    expect(yield* process.engine.workflows).toEqual([])
    const scope = yield* Effect.scope
    yield* process.run(
      Layer.buildWithScope(chain().pipe(Layer.provide(Layer.succeed(Registry, lender.registry!))), scope)
    )
    expect(yield* process.engine.await(Chain, "a")).toEqual({ n: 4 })
  })
)

scenario("when a registration ends its runs are handed over, and those of others stay", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const { layer, lender } = lent()
    const process = yield* world.start({ workflows: Layer.merge(layer, polled()), settings: { graceMs: 1 } })
    const scope = yield* Scope.make()
    const registry = Layer.succeed(Registry, lender.registry!)
    yield* process.run(Layer.buildWithScope(chain(gate.hook).pipe(Layer.provide(registry)), scope))
    yield* process.engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* process.engine.start(Polled, { n: 1 }, { runId: "b" })
    yield* gate.arrived
    yield* process.run(Scope.close(scope, Exit.void))
    expect((yield* process.engine.workflows).map(({ name }) => name)).toEqual(["polled"])
    expect(yield* world.run("a")).toMatchObject({ worker: null, endedAt: null })
    yield* process.engine.trigger(Polled, "b", "poll", "x", { inputId: "1" })
    expect(yield* process.engine.await(Polled, "b")).toEqual({ answer: "x after 1" })
    const other = yield* world.start({ workflows: chain() })
    expect(yield* other.engine.await(Chain, "a")).toEqual({ n: 4 })
  })
)
