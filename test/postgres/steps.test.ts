import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { StepRow } from "../../src/model/StepRow.js"
import { StateStore } from "../../src/store/StateStore.js"
import { StepStore } from "../../src/store/StepStore.js"
import { writeAll } from "../../src/store/Transactor.js"
import { TriggerStore } from "../../src/store/TriggerStore.js"
import { both, commit, delivery, endedBefore, query, runId, start, transact } from "./harness.js"

const step = (changes: Partial<StepRow> = {}): StepRow => ({
  nodeId: "approval",
  firing: 1,
  kind: "run",
  name: "charge",
  key: "",
  status: "completed",
  attempt: 1,
  firingAttempt: 1,
  notBefore: null,
  value: '"receipt"',
  inputSeq: null,
  ...changes
})

const of = transact(
  Effect.flatMap(StepStore, (steps) => steps.of({ runId: runId("a"), nodeId: "approval", firing: 1 }))
)

const write = (rows: ReadonlyArray<StepRow>, version = 2) =>
  transact(
    Effect.flatMap(StepStore, (steps) => writeAll(steps.write([commit("a", { version, steps: rows }), commit("b")])))
  )

const started = transact(Effect.flatMap(StateStore, (states) => states.start([start("a")])))

const signals = (name: string) =>
  transact(Effect.flatMap(StepStore, (steps) => steps.signals({ runId: runId("a"), nodeId: "approval", name }, 10)))

both(
  "a step is what its last commit says, and of several rows in one commit the last counts",
  Effect.gen(function* () {
    const retrying = step({ status: "retrying", attempt: 2, notBefore: 1_000, value: null })
    yield* write([step({ status: "retrying", attempt: 1, notBefore: 5, value: null }), retrying])
    expect(yield* of).toEqual([retrying])
    yield* write([step({ attempt: 2 })], 3)
    expect(yield* of).toEqual([step({ attempt: 2 })])
  })
)

both(
  "a signal is offered until a step has taken it, the oldest first",
  Effect.gen(function* () {
    yield* started
    yield* transact(
      Effect.flatMap(TriggerStore, (triggers) =>
        triggers.deliver([
          { ...delivery("a", "one", 1), signal: "go" },
          { ...delivery("a", "two", 2), signal: "go" },
          { ...delivery("a", "three", 3), signal: "stop" },
          delivery("a", "four", 4)
        ])
      )
    )
    const found = yield* signals("go")
    expect(found.map(({ payload }) => payload)).toEqual(["1", "2"])
    yield* write([step({ kind: "signal", name: "go", value: "1", inputSeq: found[0]!.seq })])
    expect((yield* signals("go")).map(({ payload }) => payload)).toEqual(["2"])
    const again = step({ kind: "signal", name: "go", key: "k", value: "1", inputSeq: found[0]!.seq })
    expect(yield* Effect.flip(write([again], 3))).toMatchObject({ sqlState: "23505" })
  })
)

both(
  "an answer is that of the last firing",
  Effect.gen(function* () {
    const asked = transact(Effect.flatMap(StepStore, (steps) => steps.published(runId("a"), "approval", "progress")))
    expect(yield* asked).toBeUndefined()
    const answer = (firing: number, value: string) => step({ kind: "query", name: "progress", firing, value })
    yield* write([answer(2, "20"), answer(1, "10")])
    expect(yield* asked).toBe("20")
  })
)

both(
  "the steps of ended runs are deleted when they are old enough, a bounded number at once",
  Effect.gen(function* () {
    yield* transact(
      Effect.flatMap(StateStore, (states) => states.start([start("a", {}, { status: "completed" }), start("b")]))
    )
    yield* write([step({ key: "1" }), step({ key: "2" }), step({ key: "3" })])
    const cleanup = (before: Date) =>
      Effect.map(
        transact(Effect.flatMap(StepStore, (steps) => steps.cleanup(endedBefore(before), 2))),
        ({ rows }) => rows
      )
    expect(yield* cleanup(new Date(0))).toBe(0)
    const later = new Date(8_640_000_000_000)
    expect([yield* cleanup(later), yield* cleanup(later), yield* cleanup(later)]).toEqual([2, 1, 0])
    expect(yield* query("select from perdure.run_steps")).toEqual([])
  })
)
