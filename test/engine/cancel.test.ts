import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Approved, Chain, Polled } from "./fixtures.js"
import { approved, chain, makeGate, polled } from "./handlers.js"
import { scenario } from "./world.js"

scenario("a cancel interrupts what runs, lets its finalizers run, and ends the run", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const finalized = yield* Deferred.make<void>()
    const { engine } = yield* world.start({
      workflows: chain((context) => Effect.ensuring(gate.hook(context), Deferred.succeed(finalized, undefined)))
    })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    expect(yield* engine.cancel("a")).toBe("cancelling")
    yield* Deferred.await(finalized)
    expect(yield* Effect.flip(engine.await(Chain, "a"))).toMatchObject({ _tag: "RunCancelled", runId: "a" })
    expect(yield* world.firings("a")).toMatchObject({ "first/1": { status: "cancelled" } })
    expect(yield* world.run("a")).toMatchObject({ status: "cancelled", worker: null, output: null })
  })
)

scenario("a cancel that nobody has taken up yet already reads as cancelling", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({ workflows: approved(), settings: { idleMs: 0 } })
    yield* first.engine.start(Approved, { n: 1 }, { runId: "a", attributes: { of: "ada" } })
    yield* world.untilReleased("a")
    first.freeze()
    // Whoever has the row can't be passed: the client's first look might end the run itself.
    yield* world.holding(
      "select from perdure.run_state where run_id = 'a' for no key update",
      Effect.gen(function* () {
        const client = yield* world.start({ workflows: chain(), settings: { pollMs: 3_600_000 } })
        expect(yield* client.engine.cancel("a")).toBe("cancelling")
        expect(yield* client.engine.get("a")).toMatchObject({ status: "cancelling" })
        const listed = (filter: object) =>
          Effect.map(client.engine.list({ ...filter, limit: 9 }), (runs) => runs.map(({ runId }) => runId))
        for (const more of [{}, { workflow: "approved" }, { since: new Date(0) }, { attributes: { of: "ada" } }]) {
          expect(yield* listed({ ...more, status: "suspended" })).toEqual([])
          expect(yield* listed({ ...more, status: "cancelling" })).toEqual(["a"])
        }
      })
    )
    first.unfreeze()
    yield* first.engine.awaitEnd("a")
  })
)

scenario("a cancel of a run that nobody holds ends it from its rows", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: polled(), settings: { idleMs: 0 } })
    yield* engine.start(Polled, { n: 1 }, { runId: "a" })
    yield* world.untilReleased("a")
    yield* engine.cancel("a")
    yield* engine.awaitEnd("a")
    expect((yield* world.firings("a"))["poll/1"]).toMatchObject({ status: "cancelled" })
  })
)

scenario("a run whose workflow no worker has is cancelled by any worker", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({ workflows: polled(), settings: { idleMs: 0 } })
    yield* first.engine.start(Polled, { n: 1 }, { runId: "a" })
    yield* world.untilReleased("a")
    yield* first.engine.start(Polled, { n: 1 }, { runId: "b" })
    yield* world.untilReleased("b")
    yield* first.stop
    const other = yield* world.start({ workflows: chain() })
    yield* other.engine.trigger(Polled, "a", "poll", "late", { inputId: "1" })
    const before = yield* world.run("a")
    expect(yield* other.engine.cancel("a")).toBe("cancelling")
    expect(yield* other.engine.awaitEnd("a")).toMatchObject({ status: "cancelled" })
    expect(yield* world.run("a")).toMatchObject({
      version: before.version + 1,
      fence: before.fence + 1,
      worker: null,
      reason: null
    })
    expect((yield* world.firings("a"))["poll/1"]).toMatchObject({ status: "cancelled", reason: null })
    expect(yield* world.inputs("a")).toMatchObject([{ status: "dead" }])
    expect(yield* world.sql("select kind, status from perdure.run_commands")).toEqual([
      { kind: "cancel", status: "applied" }
    ])
    // its neighbour is as it was
    expect(yield* world.run("b")).toMatchObject({ status: "suspended" })
  })
)

scenario("a run of a dead worker and an unknown workflow is cancelled too, its death counted", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const first = yield* world.start({ workflows: chain(gate.hook) })
    yield* first.engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* world.kill(first)
    const other = yield* world.start({ workflows: polled() })
    yield* other.engine.cancel("a")
    yield* other.engine.awaitEnd("a")
    expect((yield* world.firings("a"))["first/1"]).toMatchObject({ status: "cancelled", crashes: 1 })
  })
)

scenario(
  "a parked run can be cancelled, with its definition and without, also one with a damaged row",
  (world) =>
    Effect.gen(function* () {
      const first = yield* world.start({ workflows: approved(), settings: { idleMs: 0 } })
      for (const runId of ["frontier", "firing"]) {
        yield* first.engine.start(Approved, { n: 1 }, { runId })
        yield* world.untilReleased(runId)
      }
      yield* first.stop
      yield* world.sql(
        "update perdure.run_state set frontier = '{\"nodes\": 7}', ready = true where run_id = 'frontier'"
      )
      yield* world.sql("update perdure.run_node_state set inputs = '[]' where run_id = 'firing'")
      yield* world.sql("update perdure.run_state set ready = true where run_id = 'firing'")
      const second = yield* world.start({ workflows: approved() })
      const other = yield* world.start({ workflows: chain() })
      for (const [runId, process] of [
        ["frontier", second],
        ["firing", other]
      ] as const) {
        expect(yield* world.until(runId, "parked")).toMatchObject({ reason: expect.stringContaining("UndecodableRow") })
        expect(yield* process.engine.cancel(runId)).toBe("cancelling")
        expect(yield* process.engine.awaitEnd(runId)).toMatchObject({ status: "cancelled" })
      }
    }),
  { damages: true }
)

scenario("a cancel of an ended run is refused with its status and changes nothing", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain() })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    const before = yield* world.run("a")
    expect(yield* Effect.flip(engine.cancel("a"))).toMatchObject({ _tag: "CommandRefused", status: "completed" })
    expect(yield* Effect.flip(engine.cancel("nobody"))).toMatchObject({ _tag: "RunNotFound" })
    expect(yield* world.run("a")).toEqual(before)
    expect(yield* world.sql("select from perdure.run_commands")).toEqual([])
  })
)

scenario("a cancel that races with the end is applied or kept as refused, never both and never lost", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: Layer.merge(chain(), approved()) })
    const ids = Array.from({ length: 40 }, (_, index) => `r${index}`)
    yield* Effect.forEach(
      ids,
      (runId) =>
        engine
          .start(Chain, { n: 1 }, { runId })
          .pipe(Effect.zipRight(Effect.ignore(engine.cancel(runId))), Effect.zipRight(engine.awaitEnd(runId))),
      { concurrency: "unbounded" }
    )
    yield* Effect.repeat(world.sql("select from perdure.run_commands where status = 'new'"), {
      until: (rows) => rows.length === 0
    })
    const wrong = yield* world.sql(`
      select r.run_id from perdure.run_state r left join perdure.run_commands c using (run_id)
      where r.status not in ('completed', 'cancelled')
        or (r.status = 'cancelled') <> (c.status is not distinct from 'applied')`)
    expect(wrong).toEqual([])
  })
)

scenario("a second cancel while the first is under way is the same cancel", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const { engine } = yield* world.start({
      workflows: chain((context) => Effect.uninterruptible(gate.hook(context)))
    })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* engine.cancel("a")
    // Not only asked for: a command that is not applied yet loses against the end of the run.
    yield* world.untilRow("select from perdure.run_state where status = 'cancelling'")
    expect(yield* world.until("a", "cancelling")).toMatchObject({ endedAt: null })
    yield* gate.open
    expect(yield* engine.awaitEnd("a")).toMatchObject({ status: "cancelled" })
  })
)

scenario("a cancel does not wait for ever for a handler whose finalizer hangs", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const { engine } = yield* world.start({
      workflows: chain((context) => Effect.ensuring(gate.hook(context), Effect.never))
    })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    yield* engine.cancel("a")
    expect((yield* engine.awaitEnd("a")).status).toBe("cancelled")
    expect(yield* world.firings("a")).toMatchObject({ "first/1": { status: "cancelled" } })
  })
)
