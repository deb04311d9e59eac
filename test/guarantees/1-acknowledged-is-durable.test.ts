import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { loseAcknowledgement, refuse } from "../engine/faults.js"
import { Approved, Chain } from "../engine/fixtures.js"
import { approved, chain } from "../engine/handlers.js"
import { scenario } from "../engine/world.js"

scenario("a start is there when its process dies at the moment it was acknowledged", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({ workflows: chain() })
    yield* first.engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* world.kill(first)
    const second = yield* world.start({ workflows: chain() })
    expect(yield* second.engine.await(Chain, "a")).toEqual({ n: 4 })
  })
)

scenario("a trigger input is there when its process dies at the moment it was acknowledged", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({ workflows: approved() })
    yield* first.engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* world.until("a", "suspended")
    yield* first.engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
    yield* world.kill(first)
    const second = yield* world.start({ workflows: approved() })
    expect(yield* second.engine.await(Approved, "a")).toEqual({ n: Option.some(4), no: Option.none() })
  })
)

scenario("a command is there when its process dies at the moment it was acknowledged", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({ workflows: approved() })
    yield* first.engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* world.until("a", "suspended")
    yield* first.engine.cancel("a")
    yield* world.kill(first)
    const second = yield* world.start({ workflows: approved() })
    expect(yield* second.engine.awaitEnd("a")).toMatchObject({ status: "cancelled" })
  })
)

for (const sqlState of ["40001", "40P01", "55P03", "53300", "57P01"]) {
  scenario(`a start that the database refuses with ${sqlState} is tried again before it is acknowledged`, (world) =>
    Effect.gen(function* () {
      const { fault, pool } = refuse("start.values", sqlState, 2)
      const { engine } = yield* world.start({ workflows: chain(), pool })
      expect(yield* engine.start(Chain, { n: 1 }, { runId: "a" })).toMatchObject({ created: true })
      expect(yield* engine.await(Chain, "a")).toEqual({ n: 4 })
      expect(fault.happened).toBe(2)
    })
  )
}

scenario("a start whose COMMIT was not acknowledged is one run, held and run by who started it", (world) =>
  Effect.gen(function* () {
    const { fault, pool } = loseAcknowledgement("start")
    const { engine } = yield* world.start({ workflows: chain(), pool })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    expect(yield* engine.await(Chain, "a")).toEqual({ n: 4 })
    expect(fault.happened).toBe(1)
    expect((yield* world.firings("a"))["first/1"]).toMatchObject({ crashes: 0 })
  })
)

scenario("a trigger whose COMMIT was not acknowledged is delivered once", (world) =>
  Effect.gen(function* () {
    const { fault, pool } = loseAcknowledgement("deliver")
    const { engine } = yield* world.start({ workflows: approved(), pool })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
    yield* engine.awaitEnd("a")
    expect(fault.happened).toBe(1)
    expect(yield* world.inputs("a")).toMatchObject([{ status: "applied" }])
  })
)

scenario("a start that can't be written is a typed error, and nothing is there", (world) =>
  Effect.gen(function* () {
    const { pool } = refuse("start.values", "42501", 1_000)
    const { engine } = yield* world.start({ workflows: chain(), pool })
    expect(yield* Effect.flip(engine.start(Chain, { n: 1 }, { runId: "a" }))).toMatchObject({
      _tag: "DatabaseError",
      sqlState: "42501"
    })
    expect(yield* world.sql("select from perdure.run_state")).toEqual([])
  })
)
