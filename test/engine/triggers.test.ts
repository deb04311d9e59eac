import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { RunId } from "../../src/model/Ids.js"
import * as DatabaseClock from "../../src/runtime/DatabaseClock.js"
import { Janitor, layer as janitor } from "../../src/runtime/Janitor.js"
import { TriggerStore } from "../../src/store/TriggerStore.js"
import { Approved, Chain, Polled } from "./fixtures.js"
import { approved, chain, makeGate, polled } from "./handlers.js"
import { scenario } from "./world.js"

scenario("a trigger wakes the run that waits for it", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved() })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* world.until("a", "suspended")
    yield* engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
    expect(yield* engine.await(Approved, "a")).toEqual({ n: Option.some(4), no: Option.none() })
  })
)

scenario("a trigger sent before its node waits is not lost", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const { engine } = yield* world.start({ workflows: approved(undefined, gate.hook) })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
    // it is taken over while the node before is still at work
    yield* world.untilRow("select from perdure.trigger_inputs where status = 'applied'")
    yield* gate.open
    expect(yield* engine.await(Approved, "a")).toMatchObject({ n: { value: 4 } })
  })
)

scenario("a trigger to a run that nobody holds wakes it from its rows", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved(), settings: { idleMs: 0 } })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* world.untilReleased("a")
    yield* engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
    expect(yield* engine.await(Approved, "a")).toMatchObject({ n: { value: 4 } })
  })
)

scenario("a trigger from a process without the workflow's run reaches the process that holds it", (world) =>
  Effect.gen(function* () {
    const holder = yield* world.start({ workflows: approved(), settings: { idleMs: 60_000 } })
    const other = yield* world.start({ workflows: approved() })
    yield* holder.engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* world.until("a", "suspended")
    yield* other.engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
    yield* other.engine.awaitEnd("a")
    // it never changed hands
    expect((yield* world.run("a")).fence).toBe(1)
  })
)

scenario("inputs are applied in the order in which they came", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: polled() })
    yield* engine.start(Polled, { n: 3 }, { runId: "a" })
    for (const input of ["x", "y", "z"]) yield* engine.trigger(Polled, "a", "poll", input, { inputId: input })
    expect(yield* engine.await(Polled, "a")).toEqual({ answer: "z after 3" })
    const events = yield* world.messages("a", "poll", "$external", "$external")
    expect(events.map(({ content, firing }) => [firing, content._tag === "Live" && content.value])).toEqual([
      [1, "x"],
      [2, "y"],
      [3, "z"]
    ])
  })
)

scenario("unapplied inputs of suspended runs are seen in order and by pages, and gone once processed", (world) =>
  Effect.gen(function* () {
    // nobody lives who could apply them
    const writer = yield* world.start({ workflows: polled(), settings: { idleMs: 0 } })
    for (const runId of ["a", "b"]) {
      yield* writer.engine.start(Polled, { n: 2 }, { runId })
      yield* world.untilReleased(runId)
    }
    yield* writer.stop
    const client = yield* world.start({ workflows: chain(), settings: { maxRuns: 0 } })
    for (const [runId, inputId] of [
      ["a", "1"],
      ["b", "2"],
      ["a", "3"]
    ] as const) {
      yield* client.engine.trigger(Polled, runId, "poll", inputId, { inputId })
    }
    const look = (after: string, limit: number) =>
      world.read(Effect.flatMap(TriggerStore, (triggers) => triggers.look("input", after, limit)))
    const first = yield* look("0", 2)
    expect(first).toMatchObject([
      { runId: "a", runStatus: "suspended", worker: null },
      { runId: "b", runStatus: "suspended" }
    ])
    expect(yield* look(first[1]!.seq, 2)).toMatchObject([{ runId: "a" }])
    expect(yield* client.engine.resumability("a")).toMatchObject({ unappliedInputs: 2, status: "suspended" })
    yield* world.start({ workflows: polled() })
    yield* client.engine.awaitEnd("a")
    expect(yield* look("0", 10)).toEqual(expect.not.arrayContaining([expect.objectContaining({ runId: "a" })]))
    expect(yield* client.engine.resumability("a")).toMatchObject({ unappliedInputs: 0, status: "completed" })
  })
)

scenario("the inputs of a run are listed with a cursor, with what became of each", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const { engine } = yield* world.start({ workflows: approved(undefined, gate.hook) })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    for (const inputId of ["1", "2"]) {
      yield* engine.trigger(Approved, "a", "approval", { approved: true }, { inputId })
    }
    yield* gate.open
    yield* engine.awaitEnd("a")
    yield* Effect.flip(engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "3" }))
    // What arrived while the run ended is settled by the next look.
    yield* world.untilRow("select from perdure.trigger_inputs where input_id = '2' and status = 'dead'")
    const history = (after: string) =>
      world.read(Effect.flatMap(TriggerStore, (triggers) => triggers.history(RunId.make("a"), after, 10)))
    const all = yield* history("0")
    expect(all.map(({ inputId }) => inputId)).toEqual(["1", "2"])
    expect(all[0]).toMatchObject({ status: "applied", payload: '{"approved":true}' })
    expect(all[1]!.status).toBe("dead")
    expect(yield* history(all[0]!.seq)).toEqual([all[1]])
  })
)

scenario("a trigger to an unknown or ended run is a typed error and leaves nothing", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: Layer.merge(approved(), chain()) })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
    yield* engine.awaitEnd("a")
    const send = (runId: string) =>
      Effect.either(engine.trigger(Approved, runId, "approval", { approved: true }, { inputId: "2" }))
    expect(Either.getLeft(yield* send("nobody"))).toMatchObject({ value: { _tag: "RunNotFound", runId: "nobody" } })
    expect(Either.getLeft(yield* send("a"))).toMatchObject({ value: { _tag: "RunEnded", status: "completed" } })
    yield* engine.start(Chain, { n: 1 }, { runId: "c" })
    const wrong = yield* Effect.flip(
      engine.triggerEncoded({ runId: "c", nodeId: "first", inputId: "1", payload: null })
    )
    expect(wrong).toMatchObject({ _tag: "NodeNotFound", nodeId: "first" })
    expect(yield* world.inputs("a")).toHaveLength(1)
    yield* engine.awaitEnd("c")
  })
)

scenario("processed inputs of runs that ended long ago are cleaned up, others stay", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved() })
    for (const runId of ["old", "young"]) {
      yield* engine.start(Approved, { n: 1 }, { runId })
      yield* engine.trigger(Approved, runId, "approval", { approved: true }, { inputId: "1" })
      yield* engine.awaitEnd(runId)
    }
    yield* world.sql("update perdure.run_state set ended_at = ended_at - interval '8 days' where run_id = 'old'")
    const swept = yield* world.over(
      Effect.scoped(
        Effect.flatMap(Janitor, (service) => service.sweep).pipe(
          Effect.provide(Layer.provide(janitor, DatabaseClock.layer))
        )
      )
    )
    expect(swept.inputs).toBe(1)
    expect(yield* world.inputs("old")).toEqual([])
    expect(yield* world.inputs("young")).toHaveLength(1)
  })
)
