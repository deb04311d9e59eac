import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import { NodeContext } from "../../src/definition/NodeContext.js"
import * as Output from "../../src/definition/Output.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Declined } from "./fixtures.js"
import { type Elements, N } from "./streamFixtures.js"
import { scenario, type World } from "./world.js"

const declined = new Declined({ code: 7 })

/** Tried twice; an error of it is a value that others take. */
const Give = Node.make("give", {
  inputs: { count: N },
  outputs: { n: Output.many(N) },
  error: Declined,
  retry: { times: 1, schedule: Schedule.spaced(0) }
})
const Each = Node.make("each", { inputs: { n: N }, outputs: { n: N } })
const Any = Node.make("any", { inputs: { n: Input.unordered(N) }, outputs: { n: N } })
const Gather = Node.make("gather", { inputs: { each: Input.all(N), any: Input.all(N) }, outputs: { each: N, any: N } })
const Excuse = Node.make("excuse", { inputs: { error: Declined }, outputs: { code: N } })

const Given = Workflow.make("given", { version: 1, input: { count: N } })
  .node("before", Each, ({ input }) => ({ n: input.count }))
  .node("give", Give, ({ before }) => ({ count: before.n }))
  .node("each", Each, ({ give }) => ({ n: give.n }))
  .node("any", Any, ({ give }) => ({ n: give.n }))
  .node("gather", Gather, ({ any, each }) => ({ each: each.n, any: any.n }))
  .output(({ gather }) => ({ each: gather.each, any: gather.any }))

const Excused = Workflow.make("excused", { version: 1, input: { count: N } })
  .node("give", Give, ({ input }) => ({ count: input.count }))
  .node("each", Each, ({ give }) => ({ n: give.n }))
  .node("any", Any, ({ give }) => ({ n: give.n }))
  .node("gather", Gather, ({ any, each }) => ({ each: each.n, any: any.n }))
  .node("excuse", Excuse, ({ give }) => ({ error: give.error }))
  .output(({ excuse, gather }) => ({
    each: Workflow.maybe(gather.each),
    any: Workflow.maybe(gather.any),
    code: excuse.code
  }))

type Given = Effect.Effect<Elements<Declined> | ReadonlyArray<number>, Declined, NodeContext>

const othersOf = (any: (n: number) => Effect.Effect<void>) =>
  [
    Each.toLayer(({ n }) => Effect.succeed({ n })),
    Any.toLayer(({ n }) => Effect.as(any(n), { n })),
    Gather.toLayer(({ any, each }) => Effect.succeed({ each: each.length, any: any.length }))
  ] as const

const pass = () => Effect.void

/** What each attempt gives. */
const giving = (attempts: (count: number, attempt: number) => Given) =>
  Give.toLayer(({ count }) =>
    Effect.flatMap(NodeContext, ({ attempt }) => Effect.map(attempts(count, attempt), (n) => ({ n })))
  )

const given = (attempts: Parameters<typeof giving>[0], any: Parameters<typeof othersOf>[0] = pass) =>
  Given.layer.pipe(Layer.provide([giving(attempts), ...othersOf(any)]))

const excused = (attempts: Parameters<typeof giving>[0]) =>
  Excused.layer.pipe(
    Layer.provide([
      giving(attempts),
      ...othersOf(pass),
      Excuse.toLayer(({ error }) => Effect.succeed({ code: error.code }))
    ])
  )

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n)
const failing = (count: number) => Stream.concat(Stream.fromIterable(upTo(count)), Stream.fail(declined))

/** Each element was taken once by each. */
const firedFor = (world: World, count: number) =>
  Effect.gen(function* () {
    const rows = yield* world.sql(
      "select node_id as id, count(*)::int4 as n from perdure.run_node_state where node_id in ('each', 'any') group by 1 order by 1"
    )
    expect(rows).toEqual([
      { id: "any", n: count },
      { id: "each", n: count }
    ])
  })

scenario("an array that comes after a part of a stream is compared with it, and nothing is taken twice", (world) =>
  Effect.gen(function* () {
    const workflows = given((count, attempt) => Effect.succeed(attempt === 1 ? failing(count - 20) : upTo(count)))
    const { engine } = yield* world.start({ workflows })
    yield* engine.start(Given, { count: 120 }, { runId: "a" })
    expect(yield* engine.await(Given, "a")).toEqual({ each: 120, any: 120 })
    yield* firedFor(world, 120)
  })
)

scenario("an array that is shorter than a part of a stream that came before parks the run", (world) =>
  Effect.gen(function* () {
    const workflows = given((count, attempt) => Effect.succeed(attempt === 1 ? failing(count) : upTo(count - 20)))
    const { engine } = yield* world.start({ workflows })
    yield* engine.start(Given, { count: 120 }, { runId: "a" })
    expect(yield* world.until("a", "parked")).toMatchObject({
      reason: "NonDeterministicEmission: give/1.n: ended after 100 elements, it gave more before"
    })
  })
)

for (const [what, last] of [
  ["at its first element", () => Effect.succeed(Stream.fail(declined))],
  ["before its stream", () => Effect.fail(declined)]
] as const) {
  scenario(`a last attempt that fails ${what} leaves what the one before has given`, (world) =>
    Effect.gen(function* () {
      const workflows = excused((count, attempt) => (attempt === 1 ? Effect.succeed(failing(count)) : last()))
      const { engine } = yield* world.start({ workflows })
      yield* engine.start(Excused, { count: 700 }, { runId: "a" })
      expect(yield* engine.await(Excused, "a")).toEqual({
        each: Option.some(700),
        any: Option.some(700),
        code: Option.some(7)
      })
      yield* firedFor(world, 700)
    })
  )
}

scenario("a stream that waits in a step goes on behind what it has given, in the same process", (world) =>
  Effect.gen(function* () {
    const [taken, again] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    let calls = 0
    // It naps when the first element was taken.
    const nap = Effect.zipRight(Deferred.await(taken), Step.sleep("nap", "300 millis"))
    const workflows = given(
      (count) =>
        Effect.gen(function* () {
          if (++calls === 2) yield* Deferred.succeed(again, undefined)
          return Stream.tap(Stream.fromIterable(upTo(count)), (n) => (n === 60 ? nap : Effect.void))
        }),
      // Whoever takes it keeps the run in memory until the handler has started again.
      (n) => (n > 0 ? Effect.void : Effect.zipRight(Deferred.succeed(taken, undefined), Deferred.await(again)))
    )
    const { engine } = yield* world.start({ workflows })
    yield* engine.start(Given, { count: 120 }, { runId: "a" })
    expect(yield* engine.await(Given, "a")).toEqual({ each: 120, any: 120 })
    yield* firedFor(world, 120)
    expect(yield* world.run("a")).toMatchObject({ fence: 1 })
  })
)
