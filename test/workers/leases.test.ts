import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Approved, Chain } from "../engine/fixtures.js"
import { approved, chain, makeGate } from "../engine/handlers.js"
import { timedScenario as scenario, type World } from "../engine/world.js"

const short = { leaseMs: 600, heartbeatMs: 100, pollMs: 50 }

/** Waits until each of these has kept its lease for so many times its length. */
const outlive = (world: World, sessions: ReadonlyArray<string>, leases: number) =>
  Effect.forEach(sessions, (name) =>
    world.untilRow(
      `select from perdure.workers
       where worker_id = $1 and heartbeat_at > started_at + make_interval(secs => lease_ms * $2::int4 / 1000.0)`,
      [name, leases]
    )
  )

scenario("B5 a step that takes longer than any lease is left to the worker that lives", (world) =>
  Effect.gen(function* () {
    const gate = yield* makeGate
    const first = yield* world.start({ workflows: chain(gate.hook), settings: short })
    yield* first.engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* gate.arrived
    const second = yield* world.start({ workflows: chain(() => Effect.dieMessage("ran twice")), settings: short })
    yield* outlive(world, [first.sessions, second.sessions], 4)
    yield* gate.open
    expect(yield* first.engine.await(Chain, "a")).toEqual({ n: 4 })
    expect((yield* world.firings("a"))["first/1"]).toMatchObject({ crashes: 0, attempt: 1 })
    expect(yield* world.run("a")).toMatchObject({ fence: 1 })
  })
)

scenario("B6 sweeps leave suspended runs alone, held or not, for longer than any lease", (world) =>
  Effect.gen(function* () {
    const first = yield* world.start({ workflows: approved(), settings: { ...short, idleMs: 60_000 } })
    yield* first.engine.start(Approved, { n: 1 }, { runId: "held" })
    yield* world.until("held", "suspended")
    const second = yield* world.start({ workflows: approved(), settings: { ...short, idleMs: 0 } })
    yield* second.engine.start(Approved, { n: 1 }, { runId: "unheld" })
    yield* world.untilReleased("unheld")
    const rows = world.sql(
      "select run_id, xmin::text, worker, version, fence, status from perdure.run_state order by 1"
    )
    const before = yield* rows
    yield* outlive(world, [first.sessions, second.sessions], 4)
    expect(yield* rows).toEqual(before)
  })
)

scenario(
  "B7 a worker that comes back under its old name is somebody new: what the old one held is taken over once, and the old one is refused",
  (world) =>
    Effect.gen(function* () {
      const gates = [yield* makeGate, yield* makeGate]
      const settings = { ...short, leaseMs: 3_000, workerId: "same" }
      const old = yield* world.start({ workflows: chain(gates[0]!.hook), settings })
      yield* old.engine.start(Chain, { n: 1 }, { runId: "a" })
      yield* gates[0]!.arrived
      old.freeze()
      const young = yield* world.start({ workflows: chain(gates[1]!.hook), settings })
      // The lease of the old one counts, whatever it is called.
      expect(yield* young.engine.resumability("a")).toMatchObject({ leaseAlive: true })
      expect(yield* gates[1]!.arrived).toMatchObject({ crashes: 1 })
      old.unfreeze()
      yield* gates[0]!.open
      yield* gates[1]!.open
      expect(yield* young.engine.await(Chain, "a")).toEqual({ n: 4 })
      expect(yield* world.run("a")).toMatchObject({ fence: 2 })
      expect((yield* world.firings("a"))["first/1"]).toMatchObject({ crashes: 1, attempt: 1 })
      expect(
        yield* world.sql(
          "select count(distinct incarnation)::int4 as lives from perdure.workers where worker_id = 'same'"
        )
      ).toEqual([{ lives: 2 }])
    })
)
