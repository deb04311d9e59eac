import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import * as Output from "../../src/definition/Output.js"
import * as Signal from "../../src/definition/Signal.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { swept } from "./sweeping.js"
import { scenario, type World } from "./world.js"

const { Number: N, String: S } = Schema

const days = (count: number) => `interval '${count} days'`

/** Makes a run and what it has done with eight days older; of its firings and events those up to a number. */
const age = (world: World, upTo = 1_000_000) =>
  Effect.forEach(
    [
      `update perdure.run_state set created_at = created_at - ${days(8)}`,
      `update perdure.run_node_state set ended_at = ended_at - ${days(8)} where ended_at is not null and firing <= ${upTo}`,
      `update perdure.trigger_inputs set settled_at = settled_at - ${days(8)}
        where settled_at is not null and seq < (select min(seq) from perdure.trigger_inputs) + ${upTo}`,
      `update perdure.run_commands set settled_at = settled_at - ${days(8)} where settled_at is not null`
    ],
    (statement) => world.sql(statement),
    { discard: true }
  )

/** Which messages are there, as `node.handle firing`. */
const messages = (world: World) =>
  Effect.map(
    world.sql(
      `select node_id || '.' || handle || ' ' || firing as at from perdure.run_inbox_messages
      where node_id <> 'output' order by node_id, handle, firing, ordinal`
    ),
    (rows) => rows.map(({ at }) => at)
  )

const inputIds = (world: World, runId: string) =>
  Effect.map(world.inputs(runId), (inputs) => inputs.map(({ inputId }) => inputId))

const Tick = Node.trigger("tick", { payload: N, outputs: { n: N }, repeated: 6 })
const Add = Node.make("add", { inputs: { n: N, by: Input.shared(N) }, outputs: { sum: N } })
const Ticking = Workflow.make("ticking", { version: 1, input: { by: N } })
  .node("tick", Tick, () => ({}))
  .node("add", Add, ({ input, tick }) => ({ n: tick.n, by: input.by }))
  .output(({ add }) => ({ sums: add.sum }))

/** Fails the fifth time for as long as the state says so. */
const ticking = (state: { fails: boolean }) =>
  Ticking.layer.pipe(
    Layer.provide([
      Tick.toLayer((_, n) => Effect.succeed({ n })),
      Add.toLayer(({ by, n }) => (n === 5 && state.fails ? Effect.die("not five") : Effect.succeed({ sum: n + by })))
    ])
  )

scenario(
  "what a run that lives has done with goes, and it goes on from what is left, after a death and a retry",
  (world) =>
    Effect.gen(function* () {
      const state = { fails: true }
      const first = yield* world.start({ workflows: ticking(state), settings: { idleMs: 0 } })
      const tick = (engine: typeof first.engine, n: number) =>
        engine.trigger(Ticking, "a", "tick", n, { inputId: `${n}` })
      const added = (count: number) =>
        world.untilRow(
          `select from perdure.run_node_state where node_id = 'add' and status = 'completed' having count(*) = ${count}`
        )
      yield* first.engine.start(Ticking, { by: 100 }, { runId: "a" })
      for (const n of [1, 2, 3]) yield* tick(first.engine, n)
      yield* added(3)
      yield* world.untilReleased("a")
      yield* age(world, 2)

      // A row that somebody has damaged keeps nobody else from it.
      yield* first.engine.start(Ticking, { by: 1 }, { runId: "0-damaged" })
      yield* world.untilReleased("0-damaged")
      yield* world.sql(
        `update perdure.run_state set created_at = '2000-01-01', frontier = '{"nodes":{"tick":{"low":"x"}}}' where run_id = '0-damaged'`
      )
      const kept = { retention: { ticking: { retentionMs: 30 * 86_400_000 } } }
      expect(yield* swept(world, kept)).toMatchObject({ trimmed: 0 })
      // Two events, as inputs and as messages, and what their firings gave.
      expect(yield* swept(world)).toMatchObject({ trimmed: 6 })
      expect(yield* swept(world)).toMatchObject({ trimmed: 0 })
      for (const table of ["run_state", "run_node_state", "run_inbox_messages"]) {
        yield* world.sql(`delete from perdure.${table} where run_id = '0-damaged'`)
      }
      expect(yield* messages(world)).toEqual(["add.by 1", "add.n 3", "tick.$external 3"])
      expect(yield* inputIds(world, "a")).toEqual(["3"])

      yield* world.kill(first)
      const { engine } = yield* world.start({ workflows: ticking(state), settings: { idleMs: 0 } })
      expect(yield* tick(engine, 3)).toEqual({ accepted: false })
      yield* tick(engine, 4)
      yield* added(4)
      yield* tick(engine, 5)
      expect((yield* engine.awaitEnd("a")).status).toBe("failed")
      yield* age(world)
      expect(yield* swept(world)).toMatchObject({ trimmed: 0 })
      state.fails = false
      yield* world.sql("update perdure.run_state set ended_at = now() where run_id = 'a'")
      yield* engine.retry("a")
      yield* added(5)
      yield* world.untilReleased("a")
      yield* age(world)
      yield* swept(world)
      expect(yield* messages(world)).toEqual(["add.by 1"])
      // Its name is free again.
      expect(yield* tick(engine, 1)).toEqual({ accepted: true })
      expect(yield* engine.await(Ticking, "a")).toEqual({ sums: [101, 102, 103, 104, 105, 101] })
    })
)

const Word = Signal.make("word", { payload: S })
const Go = Signal.make("go", { payload: S })
const Listen = Node.make("listen", { outputs: { heard: S }, signals: [Word, Go] })
const Listening = Workflow.make("listening", { version: 1, input: {} })
  .node("listen", Listen, () => ({}))
  .output(({ listen }) => ({ heard: listen.heard }))
const listening = Listening.layer.pipe(
  Layer.provide(
    Listen.toLayer(() =>
      Effect.gen(function* () {
        const one = yield* Step.awaitSignal(Word, { key: "one" })
        yield* Step.awaitSignal(Go)
        const two = yield* Step.awaitSignal(Word, { key: "two" })
        return { heard: `${one} ${two}` }
      })
    )
  )
)

scenario("a signal stays until a step has taken it, and an answered command goes", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: listening, settings: { idleMs: 0 } })
    yield* engine.start(Listening, {}, { runId: "a" })
    for (const word of ["first", "second"]) {
      yield* engine.signal(Listening, "a", "listen", Word, word, { inputId: word })
    }
    yield* world.untilRow("select from perdure.trigger_inputs where status = 'applied' having count(*) = 2")
    yield* world.untilRow("select from perdure.run_steps where input_seq is not null")
    yield* engine.pause("a")
    yield* world.until("a", "paused")
    yield* engine.resume("a")
    yield* world.until("a", "suspended")
    yield* age(world)
    expect(yield* swept(world)).toMatchObject({ trimmed: 3 })
    expect(yield* inputIds(world, "a")).toEqual(["second"])
    expect(yield* world.sql("select from perdure.run_commands")).toEqual([])
    yield* engine.signal(Listening, "a", "listen", Go, "on", { inputId: "go" })
    expect(yield* engine.await(Listening, "a")).toEqual({ heard: "first second" })
  })
)

const Count = Node.make("count", { outputs: { n: Output.many(N) } })
const Double = Node.make("double", { inputs: { n: N }, outputs: { n: N } })
const Counting = Workflow.make("counting", { version: 1, input: {} })
  .node("count", Count, () => ({}))
  .node("double", Double, ({ count }) => ({ n: count.n }))
  .output(({ double }) => ({ all: double.n }))

scenario("what a firing that still gives has given stays: it looks there for how far it was", (world) =>
  Effect.gen(function* () {
    const gate = yield* Deferred.make<void>()
    const counting = Counting.layer.pipe(
      Layer.provide([
        Count.toLayer(() =>
          Effect.succeed({ n: Stream.concat(Stream.make(1, 2), Stream.as(Stream.fromEffect(Deferred.await(gate)), 3)) })
        ),
        Double.toLayer(({ n }) => Effect.succeed({ n: 2 * n }))
      ])
    )
    const first = yield* world.start({ workflows: counting })
    yield* first.engine.start(Counting, {}, { runId: "a" })
    yield* world.untilRow(
      "select from perdure.run_node_state where node_id = 'double' and status = 'completed' having count(*) = 2"
    )
    yield* age(world)
    expect(yield* swept(world)).toMatchObject({ trimmed: 0 })
    yield* world.kill(first)
    yield* Deferred.succeed(gate, undefined)
    const second = yield* world.start({ workflows: counting })
    expect(yield* second.engine.await(Counting, "a")).toEqual({ all: [2, 4, 6] })
  })
)
