import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mortal } from "../engine/faults.js"
import { Approved, Fan } from "../engine/fixtures.js"
import { approved, fan } from "../engine/handlers.js"
import { scenario } from "../engine/world.js"

// Random graphs stand in test/engine/dags.test.ts; here each commit of one run in turn is the last its process makes.
// start, split, the parts two by two, sum: at least five
for (let commit = 1; commit <= 5; commit++) {
  scenario(`a death after commit ${commit} of a fan-out changes nothing of its outcome`, (world) =>
    Effect.gen(function* () {
      const doomed = mortal((commits) => commits === commit)
      const first = yield* world.start({ workflows: fan(), pool: doomed.pool })
      const living = Effect.zipRight(
        first.engine.start(Fan, { n: 4, by: 3 }, { runId: "a" }),
        first.engine.awaitEnd("a")
      )
      const died = yield* Effect.raceFirst(Effect.as(doomed.dead, true), Effect.as(living, false))
      expect(died).toBe(true)
      yield* world.kill(first)
      const second = yield* world.start({ workflows: fan() })
      expect(yield* second.engine.await(Fan, "a")).toEqual({ total: 30 })
    })
  )
}

for (let commit = 1; commit <= 3; commit++) {
  scenario(`a death after commit ${commit} of a run that waits changes nothing of its outcome`, (world) =>
    Effect.gen(function* () {
      const doomed = mortal((commits) => commits === commit)
      const first = yield* world.start({ workflows: approved(), pool: doomed.pool })
      const living = Effect.gen(function* () {
        yield* first.engine.start(Approved, { n: 1 }, { runId: "a" })
        yield* first.engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
        yield* first.engine.awaitEnd("a")
      })
      const died = yield* Effect.raceFirst(Effect.as(doomed.dead, true), Effect.as(living, false))
      expect(died).toBe(true)
      yield* world.kill(first)
      const second = yield* world.start({ workflows: approved() })
      // whoever did not hear that it was accepted sends it again
      yield* second.engine.start(Approved, { n: 1 }, { runId: "a" })
      yield* Effect.ignore(second.engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" }))
      expect(yield* second.engine.await(Approved, "a")).toMatchObject({ n: { value: 4 } })
    })
  )
}
