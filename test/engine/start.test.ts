import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { Chain } from "./fixtures.js"
import { chain, hurried, makeGate } from "./handlers.js"
import { scenario } from "./world.js"

scenario("a started run runs to its output", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain() })
    const { created, runId, status } = yield* engine.start(Chain, { n: 1 })
    expect({ created, status }).toEqual({ created: true, status: "running" })
    expect(yield* engine.await(Chain, runId)).toEqual({ n: 4 })
  })
)

scenario("a start takes the lease and starts its first firings with its one commit", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const { engine } = yield* world.start({ workflows: chain(gate.hook) })
    const { runId } = yield* engine.start(Chain, { n: 1 })
    yield* gate.arrived
    const run = yield* world.run(runId)
    expect(run).toMatchObject({ status: "running", version: 1, fence: 1, input: '{"n":1}', output: null })
    expect(run.worker).not.toBeNull()
    expect(yield* world.firings(runId)).toMatchObject({ "first/1": { status: "running", attempt: 1 } })
    yield* gate.open
    yield* engine.awaitEnd(runId)
  })
)

scenario("a run of three nodes costs one commit for its start and one for each firing", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain() })
    const { runId } = yield* engine.start(Chain, { n: 1 })
    yield* engine.awaitEnd(runId)
    expect((yield* world.run(runId)).version).toBe(3)
  })
)

scenario("a start of a worker without room is taken up by one that has", (world) =>
  Effect.gen(function* () {
    const client = yield* world.start({ workflows: chain(), settings: { maxRuns: 0 } })
    const { runId, status } = yield* client.engine.start(Chain, { n: 1 })
    expect(status).toBe("pending")
    expect(yield* world.run(runId)).toMatchObject({ status: "pending", worker: null, fence: 0 })
    yield* world.start({ workflows: chain() })
    expect(yield* client.engine.await(Chain, runId)).toEqual({ n: 4 })
    // one claim more
    expect(yield* world.run(runId)).toMatchObject({ status: "completed", fence: 1 })
  })
)

scenario("runs are taken by priority, then age", (world) =>
  Effect.gen(function* () {
    const order: Array<string> = []
    const note = chain((context) => Effect.sync(() => order.push(context.runId)))
    const client = yield* world.start({ workflows: chain(), settings: { maxRuns: 0 } })
    yield* client.engine.start(Chain, { n: 1 }, { runId: "late", priority: -1 })
    yield* client.engine.start(Chain, { n: 1 }, { runId: "usual" })
    yield* client.engine.start(Chain, { n: 1 }, { runId: "first", priority: 5 })
    yield* world.start({ workflows: note, settings: { maxRuns: 1 } })
    for (const runId of ["late", "usual", "first"]) yield* client.engine.awaitEnd(runId)
    expect(order).toEqual(["first", "usual", "late"])
  })
)

scenario("200 starts at once are 200 runs, written by few transactions", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain() })
    const outputs = yield* Effect.forEach(
      Array.from({ length: 200 }, (_, n) => n),
      (n) => Effect.flatMap(engine.start(Chain, { n }), ({ runId }) => engine.await(Chain, runId)),
      { concurrency: "unbounded" }
    )
    expect(outputs).toEqual(outputs.map((_, n) => ({ n: (n + 1) * 2 })))
    const [stored] = yield* world.sql("select count(distinct xmin::text)::int4 as transactions from perdure.run_values")
    expect(stored!["transactions"]).toBeLessThan(200)
  })
)

scenario("of many started at once each has its own answer, in the order asked", (world) =>
  Effect.gen(function* () {
    const client = yield* world.start({ workflows: chain(), settings: { maxRuns: 0 } })
    yield* client.engine.start(Chain, { n: 1 }, { runId: "there" })
    const results = yield* client.engine.startMany(Chain, [
      { input: { n: 10 }, runId: "new" },
      { input: { n: 1 }, runId: "there" },
      { input: { n: 2 }, runId: "there" },
      { input: { n: 3 }, runId: "" },
      { input: { n: 10 }, runId: "new" }
    ])
    expect(results.map(Either.match({ onLeft: ({ _tag }) => _tag, onRight: ({ created }) => created }))).toEqual([
      true,
      false,
      "RunConflict",
      "InvalidInput",
      false
    ])
    yield* world.start({ workflows: chain() })
    expect(yield* client.engine.await(Chain, "new")).toEqual({ n: 22 })
    expect(yield* client.engine.startMany(Chain, [])).toEqual([])
  })
)

scenario("of one name asked for by two workflows in one batch the first gets the run", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: Layer.merge(
        chain(),
        hurried(() => Effect.void)
      )
    })
    const asked = (workflow: string) => ({ workflow, input: { n: 1 }, runId: "a" })
    const results = yield* engine.startManyEncoded([asked("chain"), asked("hurried"), asked("chain")])
    expect(results.map(Either.match({ onLeft: ({ _tag }) => _tag, onRight: ({ created }) => created }))).toEqual([
      true,
      "RunConflict",
      false
    ])
    expect(yield* engine.await(Chain, "a")).toEqual({ n: 4 })
  })
)
