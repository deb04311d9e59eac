import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { timedScenario as scenario } from "../engine/world.js"
import { names, openYard, startTwo } from "./support.js"

const settings = { leaseMs: 2_000, heartbeatMs: 400 }

scenario(
  "B2 a worker that was stopped beyond its lease and goes on changes nothing, and interrupts what it lost",
  (world) =>
    Effect.gen(function* () {
      const yard = yield* openYard(world)
      const { holder, other, runs } = yield* startTwo(world, yard, { ids: names(20), ms: 60_000, settings })
      yield* holder.signal("SIGSTOP")
      const isTakenOver = ({ crashes, phase, worker }: { crashes: number; phase: string; worker: string }) =>
        worker === other.name && phase === "begin" && crashes === 1
      yield* yard.until((entries) => (entries.filter(isTakenOver).length === runs.length ? true : undefined))
      yield* holder.signal("SIGCONT")
      yield* yard.until((entries) => {
        const interrupted = entries.filter(({ phase, worker }) => phase === "interrupted" && worker === holder.name)
        return interrupted.length === runs.length ? true : undefined
      })
      expect(
        yield* world.sql("select distinct max(crashes) as crashes, max(attempt) as attempt from perdure.firings")
      ).toEqual([{ crashes: 1, attempt: 1 }])
      const [row] = yield* world.sql(
        `select count(distinct r.worker)::int4 as holders, bool_and(w.worker_id = $1) as other
       from perdure.run_state r join perdure.workers w on w.incarnation = r.worker`,
        [other.name]
      )
      expect(row).toEqual({ holders: 1, other: true })
    })
)

scenario(
  "B3 a worker whose event loop stood still beyond its lease is taken over from, and is refused when it goes on",
  (world) =>
    Effect.gen(function* () {
      const yard = yield* openYard(world)
      const { holder, other } = yield* startTwo(world, yard, { ids: ["a"], kind: "block", ms: 9_000, settings })
      expect(yield* yard.client.engine.awaitEnd("a")).toMatchObject({ status: "completed" })
      const acts = yield* yard.until((entries) => {
        const found = entries.filter(({ key }) => key === "a/act/1")
        return found.length === 4 ? found : undefined
      })
      expect(acts.map(({ phase, worker }) => [worker, phase])).toEqual([
        [holder.name, "begin"],
        [other.name, "begin"],
        [other.name, "end"],
        [holder.name, "end"]
      ])
      expect((yield* world.firings("a"))["act/1"]).toMatchObject({ status: "completed", attempt: 1, crashes: 1 })
      // What came after it was started by the one that holds the lease.
      expect(
        yard
          .entries()
          .filter(({ key }) => key === "a/last/1")
          .map(({ worker }) => worker)
      ).toEqual([other.name, other.name])
    })
)
