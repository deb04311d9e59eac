import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type RunFilter, StateStore } from "../../src/store/StateStore.js"
import { writeAll } from "../../src/store/Transactor.js"
import { both, commit, firing, query, runId, start, transact } from "./harness.js"

const starts = (...runs: ReadonlyArray<ReturnType<typeof start>>) =>
  Effect.flatMap(StateStore, (states) => transact(states.start(runs)))

const list = (filter: RunFilter) => Effect.flatMap(StateStore, (states) => transact(states.list(filter)))

/** All pages of a list, two runs each. */
const pages = (filter: Omit<RunFilter, "limit" | "after">) =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    let page = yield* list({ ...filter, limit: 2 })
    while (page.length > 0) {
      const last = page[page.length - 1]
      seen.push(...page.map((run) => run.runId))
      page = last === undefined ? [] : yield* list({ ...filter, limit: 2, after: last })
    }
    return seen
  })

describe("a list of runs", () => {
  both(
    "shows each run once, newest first, however it is cut into pages",
    Effect.gen(function* () {
      yield* starts(start("a"), start("c"), start("b"))
      yield* starts(start("d"))
      yield* starts(start("e"))
      yield* query(`update perdure.run_state set created_at = timestamptz '2026-01-01' +
        interval '1 ms' * case run_id when 'd' then 1 when 'e' then 2 else 0 end`)
      expect(yield* pages({})).toEqual(["e", "d", "c", "b", "a"])
    })
  )

  both(
    "can be narrowed to a workflow, a status, or both",
    Effect.gen(function* () {
      yield* starts(
        start("a"),
        start("b", { workflow: "other" }),
        start("c", { workflow: "other" }, { status: "completed" }),
        start("d", {}, { status: "completed" })
      )
      expect(yield* pages({ workflow: "other" })).toEqual(["c", "b"])
      expect(yield* pages({ status: "completed" })).toEqual(["d", "c"])
      expect(yield* pages({ workflow: "other", status: "completed" })).toEqual(["c"])
      expect(yield* pages({ workflow: "none" })).toEqual([])
    })
  )
})

describe("the firings of a run", () => {
  both(
    "are shown node by node, the last ones of each",
    Effect.gen(function* () {
      const states = yield* StateStore
      const firings = ["m", "n"].flatMap((node) => [1, 2, 3].map((number) => firing(node, number)))
      yield* transact(
        writeAll(states.writeFirings([commit("a", { firings }), commit("b", { firings: [firing("x", 1)] })]))
      )
      const shown = yield* transact(states.firings(runId("a"), 2))
      expect(shown.map((one) => [one.nodeId, one.firing])).toEqual([
        ["m", 2],
        ["m", 3],
        ["n", 2],
        ["n", 3]
      ])
      expect(yield* transact(states.firings(runId("nobody"), 2))).toEqual([])
    })
  )

  both(
    "that can't be read are an error that names the row, never left out",
    Effect.gen(function* () {
      const states = yield* StateStore
      yield* transact(writeAll(states.writeFirings([commit("a", { firings: [firing("n", 1), firing("n", 2)] })])))
      yield* query(`update perdure.run_node_state set inputs = '{"x": 1}' where firing = 2`)
      const error = yield* Effect.flip(transact(states.firings(runId("a"), 5)))
      expect(error).toMatchObject({ _tag: "UndecodableRow", table: "run_node_state", key: "a/n/2" })
    })
  )
})
