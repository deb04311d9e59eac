import { expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Node, Workflow } from "../../src/definition/index.js"
import { Engine } from "../../src/Engine.js"
import * as Perdure from "../../src/layers.js"
import { Transactor } from "../../src/store/Transactor.js"
import { freshUrl } from "../postgres/harness.js"

const Nothing = Node.make("nothing", {})
const Empty = Workflow.make("empty", { version: 1, input: {} })
  .node("nothing", Nothing, () => ({}))
  .output(() => ({}))

it.live("what people look at waits for no connection of the engine", () =>
  Effect.gen(function* () {
    const url = yield* freshUrl
    const stores = Perdure.layerPostgres({ url, maxConnections: 1 })
    const workflows = Layer.provide(
      Empty.layer,
      Nothing.toLayer(() => Effect.succeed({}))
    )
    const App = workflows.pipe(Layer.provideMerge(Perdure.layerEngine()), Layer.provideMerge(stores))
    yield* Effect.gen(function* () {
      const engine = yield* Engine
      const transactor = yield* Transactor
      yield* engine.start(Empty, {}, { runId: "r" })
      yield* engine.await(Empty, "r")
      const before = yield* engine.events("r")
      const [held, free] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const hold = Effect.zipRight(Deferred.succeed(held, undefined), Deferred.await(free))
      yield* Effect.forkScoped(transactor.transact("hold", hold))
      yield* Deferred.await(held)
      const answers = Effect.all([
        engine.events("r"),
        engine.queryEncoded("r", "nothing", "asked"),
        Effect.flip(engine.queryEncoded("none", "nothing", "asked")),
        engine.get("r"),
        engine.list({ limit: 10 }),
        engine.resumability("r")
      ])
      // Abandoned, not interrupted, where one of them does wait.
      const [events, asked, missing, run] = yield* answers.pipe(
        Effect.disconnect,
        Effect.timeout("20 seconds"),
        Effect.ensuring(Deferred.succeed(free, undefined))
      )
      expect(before.length).toBeGreaterThan(0)
      expect(events).toEqual(before)
      expect(asked).toEqual(Option.none())
      expect(missing).toMatchObject({ _tag: "RunNotFound" })
      expect(run.status).toBe("completed")
    }).pipe(Effect.scoped, Effect.provide(App))
  }).pipe(Effect.scoped)
)
