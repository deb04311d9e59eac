import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import * as Output from "../../src/definition/Output.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Approved, Charged, Declined } from "./fixtures.js"
import { approved, charged } from "./handlers.js"
import { Calls, Stepped, stepped } from "./stepFixtures.js"
import { scenario } from "./world.js"

const { Number: N } = Schema

const Split = Node.make("split", { inputs: { n: N }, outputs: { parts: Output.many(N) } })
const Part = Node.make("part", { inputs: { part: N, by: Input.shared(N) }, outputs: { out: N }, error: Declined })
const Total = Node.make("total", { inputs: { parts: Input.all(N) }, outputs: { total: N } })
const Fanned = Workflow.make("fanned", { version: 1, input: { n: N, by: N } })
  .node("split", Split, ({ input }) => ({ n: input.n }))
  .node("part", Part, ({ input, split }) => ({ part: split.parts, by: input.by }))
  .node("total", Total, ({ part }) => ({ parts: part.out }))
  .output(({ total }) => ({ total: total.total }))

/** Parts above the bound fail until it is lifted. */
const fanned = (calls: Calls, bound: { most: number }) =>
  Fanned.layer.pipe(
    Layer.provide([
      Split.toLayer(({ n }) => Effect.succeed({ parts: Array.from({ length: n }, (_, index) => index + 1) })),
      Part.toLayer(({ by, part }) =>
        Effect.zipRight(
          calls.note(`part ${part}`),
          part > bound.most ? new Declined({ code: part }) : Effect.succeed({ out: part * by })
        )
      ),
      Total.toLayer(({ parts }) => Effect.succeed({ total: parts.reduce((a, b) => a + b, 0) }))
    ])
  )

scenario("a failed run goes on from what failed: what had ended is not done again", (world) =>
  Effect.gen(function* () {
    const calls = new Calls()
    const bound = { most: 3 }
    const { engine } = yield* world.start({ workflows: fanned(calls, bound), settings: { slots: 1 } })
    yield* engine.start(Fanned, { n: 5, by: 10 }, { runId: "a" })
    expect((yield* engine.awaitEnd("a")).status).toBe("failed")
    bound.most = 5
    expect(yield* engine.retry("a")).toBe("pending")
    yield* world.until("a", "completed")
    expect(yield* engine.await(Fanned, "a")).toEqual({ total: 150 })
    expect(calls.of).toEqual({ "part 1": 1, "part 2": 1, "part 3": 1, "part 4": 2, "part 5": 1 })
    expect((yield* world.firings("a"))["part/4"]).toMatchObject({ status: "completed", attempt: 2, failure: null })
  })
)

scenario("whatever runs when a run fails goes on after a retry, and a second failure can be retried again", (world) =>
  Effect.gen(function* () {
    const calls = new Calls()
    const bound = { most: 0 }
    const { engine } = yield* world.start({ workflows: fanned(calls, bound), settings: { alwaysEvict: true } })
    yield* engine.start(Fanned, { n: 4, by: 1 }, { runId: "a" })
    for (const most of [1, 2, 3, 4]) {
      yield* world.until("a", "failed")
      bound.most = most
      yield* engine.retry("a")
      yield* world.untilRow("select where not exists (select from perdure.run_commands where status = 'new')")
    }
    // Several may fail together, each retry lets one more through.
    yield* Effect.repeat(
      Effect.flatMap(world.run("a"), (run) =>
        run.status === "failed" ? Effect.as(Effect.ignore(engine.retry("a")), run) : Effect.succeed(run)
      ),
      { until: (run) => run.status === "completed" }
    )
    expect(yield* engine.await(Fanned, "a")).toEqual({ total: 10 })
  })
)

scenario("a retry keeps the steps that succeeded and tries those that failed", (world) =>
  Effect.gen(function* () {
    const calls = new Calls()
    const { engine } = yield* world.start({
      workflows: stepped(() =>
        Effect.gen(function* () {
          yield* Step.run("good", {}, calls.note("good"))
          const bad = Effect.suspend(() => (calls.of["bad"] === 1 ? new Declined({ code: 1 }) : Effect.void))
          yield* Step.run("bad", { error: Declined }, Effect.zipRight(calls.note("bad"), bad))
          return "through"
        })
      )
    })
    yield* engine.start(Stepped, { n: 1 }, { runId: "a" })
    expect((yield* engine.awaitEnd("a")).status).toBe("failed")
    yield* engine.retry("a")
    yield* world.until("a", "completed")
    expect(calls.of).toEqual({ good: 1, bad: 2 })
  })
)

scenario(
  "a retry of a run that is not failed is refused, and one of a run that nobody can read changes nothing",
  (world) =>
    Effect.gen(function* () {
      const { engine } = yield* world.start({ workflows: approved() })
      yield* engine.start(Approved, { n: 1 }, { runId: "a" })
      expect(yield* Effect.flip(engine.retry("a"))).toMatchObject({ _tag: "CommandRefused", command: "retry" })
      yield* engine.cancel("a")
      yield* engine.awaitEnd("a")
      expect(yield* Effect.flip(engine.retry("a"))).toMatchObject({ _tag: "CommandRefused", status: "cancelled" })
      expect(yield* Effect.flip(engine.retry("b"))).toMatchObject({ _tag: "RunNotFound" })
    })
)

scenario("a run whose messages may be gone is not tried again", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({
      workflows: charged(() => new Declined({ code: 1 })),
      settings: { retentionMs: 0 }
    })
    yield* engine.start(Charged, { n: 1 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    yield* world.sql("update perdure.run_state set ended_at = ended_at - interval '1 hour'")
    yield* engine.retry("a")
    yield* world.untilRow("select from perdure.run_commands where status = 'refused'")
    expect((yield* world.run("a")).status).toBe("failed")
  })
)

scenario("a parked run is brought back: its deaths are forgotten and what was held for it is given to it", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved(), settings: { idleMs: 0 } })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* world.untilReleased("a")
    yield* world.sql("update perdure.run_state set status = 'parked', reason = 'Poison: by hand', due_at = null")
    yield* engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
    yield* world.untilRow("select from perdure.trigger_inputs where status = 'held'")
    expect(yield* engine.retry("a")).toBe("pending")
    yield* world.until("a", "completed")
    expect(yield* engine.await(Approved, "a")).toMatchObject({ n: { value: 4 } })
  })
)

scenario(
  "a failed run that can't be read is not tried again, and keeps nobody else from it",
  (world) =>
    Effect.gen(function* () {
      const bound = { most: 0 }
      const { engine } = yield* world.start({ workflows: fanned(new Calls(), bound) })
      for (const runId of ["a", "b"]) {
        yield* engine.start(Fanned, { n: 1, by: 1 }, { runId })
        yield* engine.awaitEnd(runId)
      }
      yield* world.sql("update perdure.run_state set frontier = '[]' where run_id = 'a'")
      bound.most = 1
      yield* engine.retry("a")
      yield* engine.retry("b")
      yield* world.until("b", "completed")
      yield* world.untilRow("select from perdure.run_commands where run_id = 'a' and status = 'refused'")
    }),
  { damages: true }
)

scenario("what reaches a run that has just failed is refused or dead, and is no retry", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: charged(() => new Declined({ code: 1 })) })
    yield* engine.start(Charged, { n: 1 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    yield* world.sql("insert into perdure.run_commands (run_id, kind) values ('a', 'pause')")
    yield* world.sql(
      "insert into perdure.trigger_inputs (run_id, node_id, input_id, payload) values ('a', 'charge', '1', 'null')"
    )
    yield* world.untilRow("select from perdure.run_commands where status = 'refused'")
    yield* world.untilRow("select from perdure.trigger_inputs where status = 'dead'")
    expect((yield* world.run("a")).status).toBe("failed")
  })
)

const Ask = Node.trigger("ask", { payload: N, outputs: { n: N } })
const Work = Node.make("work", { outputs: { n: N }, error: Declined })
const Asked = Workflow.make("asked", { version: 1, input: {} })
  .node("ask", Ask, () => ({}))
  .node("work", Work, () => ({}))
  .output(({ ask, work }) => ({ asked: ask.n, worked: work.n }))

scenario("an event that was accepted while its run failed is given to it when it is tried again", (world) =>
  Effect.gen(function* () {
    const calls = new Calls()
    const workflows = Asked.layer.pipe(
      Layer.provide([
        Ask.toLayer((_, n) => Effect.succeed({ n })),
        Work.toLayer(() =>
          Effect.flatMap(calls.note("work"), () =>
            calls.of["work"] === 1 ? new Declined({ code: 1 }) : Effect.succeed({ n: 1 })
          )
        )
      ])
    )
    const { engine } = yield* world.start({ workflows })
    yield* engine.start(Asked, {}, { runId: "a" })
    expect((yield* engine.awaitEnd("a")).status).toBe("failed")
    // As when it came between the last look of the run and its end.
    yield* world.sql(
      "insert into perdure.trigger_inputs (run_id, node_id, input_id, payload) values ('a', 'ask', '1', '7')"
    )
    yield* world.untilRow("select from perdure.trigger_inputs where status = 'dead'")
    yield* engine.retry("a")
    yield* world.until("a", "completed")
    expect(yield* engine.await(Asked, "a")).toEqual({ asked: 7, worked: 1 })
  })
)
