import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Chain, Declined, FlakyCharge } from "./fixtures.js"
import { chain, flakyCharge } from "./handlers.js"
import { scenario } from "./world.js"

const recorded = (kind: string) => `select from perdure.run_events where events::text like '%"kind":"${kind}"%'`

scenario("the audit trail tells a run's story in order, with node, firing, attempt and commit", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain() })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    yield* world.untilRow(recorded("run.completed"))
    const events = yield* engine.events("a")
    expect(events.map(({ kind, nodeId, version }) => [version, kind, nodeId])).toEqual([
      [1, "firing.running", "first"],
      [1, "run.running", null],
      [2, "firing.completed", "first"],
      [2, "firing.running", "second"],
      [2, "run.running", null],
      [3, "firing.completed", "second"],
      [3, "run.completed", null]
    ])
  })
)

scenario("the audit trail is read by run and by node, page by page", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain() })
    for (const runId of ["a", "b"]) {
      yield* engine.start(Chain, { n: 1 }, { runId })
      yield* engine.awaitEnd(runId)
    }
    yield* world.untilRow(`${recorded("run.completed")} and run_id = 'b'`)
    const second = yield* engine.events("a", { nodeId: "second" })
    expect(second.map(({ kind, runId }) => [runId, kind])).toEqual([
      ["a", "firing.running"],
      ["a", "firing.completed"]
    ])
    expect(yield* engine.events("a", { nodeId: "second", after: second[0]!.seq })).toEqual([second[1]])
    expect(yield* engine.events("a", { limit: 3 })).toHaveLength(3)
    expect(yield* Effect.flip(engine.events("nobody"))).toMatchObject({ _tag: "RunNotFound" })
  })
)

scenario("a retry, its reason and its attempt are in the audit trail", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: flakyCharge(() => new Declined({ code: 5 })) })
    yield* engine.start(FlakyCharge, { n: 1 }, { runId: "a" })
    yield* world.untilRow(recorded("firing.scheduled"))
    const [event] = (yield* engine.events("a")).filter(({ kind }) => kind === "firing.scheduled")
    expect(event).toMatchObject({ nodeId: "charge", firing: 1, attempt: 2, detail: "declined: 5" })
  })
)
