import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { timedScenario as scenario } from "../engine/world.js"
import { task } from "./fixtures.js"
import { names, openYard, startTwo } from "./support.js"

const Task2 = task(2)

scenario(
  "B10 SIGTERM under load: what ends within the grace time ends here, the rest goes on elsewhere at once",
  (world) =>
    Effect.gen(function* () {
      const yard = yield* openYard(world)
      const settings = { leaseMs: 60_000, heartbeatMs: 5_000, pollMs: 10_000, graceMs: 1_500 }
      const { holder, other, runs } = yield* startTwo(world, yard, { ids: names(30), ms: 600, settings })
      yield* yard.start(["long"], "ok", 60_000)
      const long = yield* yard.until((entries) => entries.find(({ key }) => key === "long/first/1"))
      yield* holder.signal("SIGTERM")
      const stoppedAt = Date.now()
      expect(yield* holder.exit).toBe(0)
      const leftAt = Date.now()
      // Runs between two steps are handed over without a hint from a sweep, which comes every ten seconds.
      yield* yard.until((entries) =>
        entries.find(({ key, worker }) => worker === other.name && runs.some((run) => key.startsWith(`${run}/`)))
      )
      const begun = yard
        .entries()
        .filter(({ at, phase, worker }) => worker === holder.name && phase === "begin" && at > stoppedAt + 500)
      expect(begun).toEqual([])
      if (long.worker === holder.name) {
        const again = yield* yard.until((entries) =>
          entries.find(({ key, phase, worker }) => key === "long/first/1" && phase === "begin" && worker === other.name)
        )
        // The next look without a hint would come after ten seconds.
        expect(again.at - leftAt).toBeLessThan(8_000)
      }
      yield* Effect.forEach(names(30), (runId) => yard.client.engine.awaitEnd(runId))
      expect(yield* world.sql("select max(crashes) as crashes, max(attempt) as attempt from perdure.firings")).toEqual([
        { crashes: 0, attempt: 1 }
      ])
      // Each step was done once, but for the long one that was cut off.
      const ends = yard
        .entries()
        .filter(({ phase }) => phase === "end")
        .map(({ key }) => key)
      expect(ends.length).toBe(new Set(ends).size)
      // The long step takes a minute.
      expect(leftAt - stoppedAt).toBeLessThan(15_000)
    })
)

scenario("B10 a worker that is killed in the middle of its stop loses nothing", (world) =>
  Effect.gen(function* () {
    const yard = yield* openYard(world)
    const settings = { leaseMs: 60_000, heartbeatMs: 5_000, pollMs: 10_000, graceMs: 60_000 }
    const { holder, runs } = yield* startTwo(world, yard, { ids: names(20), ms: 1_000, settings })
    yield* holder.signal("SIGTERM")
    yield* holder.signal("SIGKILL")
    expect(yield* holder.exit).toBe("SIGKILL")
    const ended = yield* Effect.forEach(names(20), (runId) => yard.client.engine.awaitEnd(runId))
    expect(new Set(ended.map(({ status }) => status))).toEqual(new Set(["completed"]))
    const [row] = yield* world.sql("select count(*)::int4 as crashed from perdure.firings where crashes > 0")
    expect(row).toEqual({ crashed: runs.length })
  })
)

scenario("versions roll over with old and new workers side by side: nothing is stranded", (world) =>
  Effect.gen(function* () {
    const yard = yield* openYard(world)
    const old = yield* yard.worker({ name: "old", versions: [1] })
    yield* old.ready
    yield* yard.start(names(10, "old"), "ok", 500)
    const young = yield* yard.worker({ name: "young", versions: [1, 2] })
    const youngest = yield* yard.worker({ name: "youngest", versions: [2] })
    yield* Effect.forEach([young, youngest], (worker) => worker.ready)
    const order = { kind: "ok", ms: 10 } as const
    yield* Effect.forEach(names(10, "new"), (runId) => yard.client.engine.start(Task2, { order }, { runId }))
    yield* old.signal("SIGTERM")
    const all = [...names(10, "old"), ...names(10, "new")]
    const ended = yield* Effect.forEach(all, (runId) => yard.client.engine.awaitEnd(runId))
    expect(new Set(ended.map(({ status }) => status))).toEqual(new Set(["completed"]))
    const wrong = yard
      .entries()
      .filter(({ key, worker }) => (key.startsWith("old") ? worker === "youngest" : worker === "old"))
    expect(wrong).toEqual([])
  })
)
