import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { textArray } from "../../src/postgres/Arrays.js"
import { write } from "../../src/postgres/Execution.js"
import * as Pool from "../../src/postgres/Pool.js"
import { Transactor } from "../../src/store/Transactor.js"
import { onFreshDatabase } from "./harness.js"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as (options?: { readonly type: "minor" }) => void

const oldBytes = () =>
  getHeapSpaceStatistics()
    .filter(({ space_name }) => !space_name.startsWith("new"))
    .reduce((sum, space) => sum + space.space_used_size, 0)

const times = 300
const length = 1_000
/** What all of them hold, of an array of pointers each. */
const held = times * length * 8

/** How much more is in the old generation after many calls and the young collections that promote whatever is reached. */
const promotedBy = <E, R>(call: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    yield* Effect.repeatN(call, 20)
    collect()
    const before = oldBytes()
    for (let i = 0; i < times; i++) {
      yield* call
      if (i % 50 === 49) collect({ type: "minor" })
    }
    collect({ type: "minor" })
    return oldBytes() - before
  })

describe("a young collection takes", () => {
  it.live("what was written, as soon as it is", () =>
    Effect.gen(function* () {
      const transactor = yield* Transactor
      const text = "select pg_catalog.cardinality($1::text[])"
      const call = Effect.suspend(() => {
        const values = Array.from({ length }, () => "x")
        return transactor.writeAtOnce("test", [write({ name: "cardinality", text }, [textArray(values)])])
      })
      expect(yield* promotedBy(call)).toBeLessThan(held / 2)
    }).pipe(onFreshDatabase())
  )

  it.live("what was read over a connection", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.PgPool
      const text = `select g as a, g as b, g as c, g as d from generate_series(1, ${length / 4}) g`
      const { execute } = yield* pool.acquire
      expect(yield* promotedBy(execute({ name: "series", text, values: [] }))).toBeLessThan(held / 2)
    }).pipe(onFreshDatabase())
  )
})
