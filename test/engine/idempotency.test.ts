import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Approved, Chain } from "./fixtures.js"
import { approved, chain, makeGate } from "./handlers.js"
import { scenario } from "./world.js"

scenario("the same run id and input again is the same run, while it runs and after its end", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    let count = 0
    const { engine } = yield* world.start({
      workflows: chain((context) =>
        Effect.zipRight(
          Effect.sync(() => count++),
          gate.hook(context)
        )
      )
    })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    expect(yield* engine.start(Chain, { n: 1 }, { runId: "a" })).toEqual({
      runId: "a",
      status: "running",
      created: false
    })
    yield* gate.open
    yield* engine.awaitEnd("a")
    expect(yield* engine.start(Chain, { n: 1 }, { runId: "a" })).toEqual({
      runId: "a",
      status: "completed",
      created: false
    })
    expect(count).toBe(1)
    expect(yield* world.run("a")).toMatchObject({ version: 3 })
  })
)

scenario("a run id with another input, version or workflow is refused and changes nothing", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain() })
    const other = yield* world.start({ workflows: approved() })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    const before = yield* world.run("a")
    const input = yield* Effect.either(engine.start(Chain, { n: 2 }, { runId: "a" }))
    expect(Either.getLeft(input)).toMatchObject({ value: { _tag: "RunConflict", runId: "a", field: "input" } })
    const workflow = yield* Effect.either(other.engine.start(Approved, { n: 1 }, { runId: "a" }))
    expect(Either.getLeft(workflow)).toMatchObject({ value: { _tag: "RunConflict", field: "workflow" } })
    expect(yield* world.run("a")).toEqual(before)
  })
)

scenario("fifty starts of one run id at once, on two workers, are one run that fires once", (world) =>
  Effect.gen(function* () {
    let count = 0
    const counted = chain(() => Effect.sync(() => count++))
    const processes = [yield* world.start({ workflows: counted }), yield* world.start({ workflows: counted })]
    const started = yield* Effect.forEach(
      Array.from({ length: 50 }, (_, index) => processes[index % 2]!),
      ({ engine }) => engine.start(Chain, { n: 3 }, { runId: "one" }),
      { concurrency: "unbounded" }
    )
    expect(started.filter(({ created }) => created)).toHaveLength(1)
    yield* processes[0]!.engine.awaitEnd("one")
    expect(count).toBe(1)
  })
)

scenario("the same trigger input again is not accepted and changes nothing, before, during and after", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const { engine } = yield* world.start({ workflows: approved(gate.hook) })
    const { runId } = yield* engine.start(Approved, { n: 1 })
    const send = engine.trigger(Approved, runId, "approval", { approved: true }, { inputId: "mail" })
    expect(yield* send).toEqual({ accepted: true })
    expect(yield* send).toEqual({ accepted: false })
    yield* gate.arrived
    expect(yield* send).toEqual({ accepted: false })
    yield* gate.open
    expect(yield* engine.await(Approved, runId)).toMatchObject({ n: { value: 4 } })
    const before = yield* world.run(runId)
    expect(yield* send).toEqual({ accepted: false })
    expect(yield* world.run(runId)).toEqual(before)
    expect(yield* world.inputs(runId)).toMatchObject([{ inputId: "mail", status: "applied" }])
  })
)

scenario("a hundred deliveries of one input at once are accepted once", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved() })
    const { runId } = yield* engine.start(Approved, { n: 1 })
    const accepted = yield* Effect.forEach(
      Array.from({ length: 100 }),
      () => engine.trigger(Approved, runId, "approval", { approved: true }, { inputId: "mail" }),
      { concurrency: "unbounded" }
    )
    expect(accepted.filter((answer) => answer.accepted)).toHaveLength(1)
    yield* engine.awaitEnd(runId)
    expect(yield* world.inputs(runId)).toHaveLength(1)
  })
)

scenario("the same input id at two runs is two inputs", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved() })
    for (const runId of ["a", "b"]) {
      yield* engine.start(Approved, { n: 1 }, { runId })
      const sent = engine.trigger(Approved, runId, "approval", { approved: true }, { inputId: "mail" })
      expect(yield* sent).toEqual({ accepted: true })
      yield* engine.awaitEnd(runId)
    }
  })
)

scenario("every attempt of a firing has one idempotency key, no two firings share one", (world) =>
  Effect.gen(function* () {
    const keys: Array<string> = []
    const { engine } = yield* world.start({
      workflows: chain(
        (context) => Effect.sync(() => keys.push(context.idempotencyKey)),
        (context) => Effect.sync(() => keys.push(context.idempotencyKey))
      )
    })
    for (const runId of ["a", "b"]) {
      yield* engine.start(Chain, { n: 1 }, { runId })
      yield* engine.awaitEnd(runId)
    }
    expect(keys).toEqual(["a/first/1", "a/second/1", "b/first/1", "b/second/1"])
  })
)
