import { expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import { execute } from "../../src/testing/Case.js"
import type { Executed } from "../../src/testing/Execution.js"
import { injectionsOf } from "../../src/testing/Explore.js"
import { TestDatabase } from "../../src/testing/index.js"
import { type Injection, spell } from "../../src/testing/Points.js"
import type { Subject } from "../../src/testing/Subject.js"
import { wholes } from "./graphs/cases.js"
import { subjectOf } from "./graphs/subject.js"

class Database extends Context.Tag("test/Database")<Database, TestDatabase.TestDatabase>() {}

const numRuns = Number(process.env["PROPERTY_RUNS"] ?? 20)
const given = process.env["PROPERTY_SEED"]

/** Says of an execution what must not be. */
const judge = ({ log, violations }: Executed, injections: ReadonlyArray<Injection>): void => {
  const where = injections.map(spell).join(" + ")
  const what = violations.map(({ detail, name }) => `  ${name}: ${detail}`)
  if (violations.length > 0) throw new Error([`'${where}'`, ...what, ...log.slice(-15)].join("\n"))
}

/** Executes a workflow without a fault, and then with faults at points of it, each of those after the one before. */
const survives = async (subject: Subject, database: TestDatabase.TestDatabase, faults: ReadonlyArray<number>) => {
  const one = { subject, database, seed: 1 }
  const crashFree = await execute({ ...one, injections: [] })
  judge(crashFree, [])
  let points = crashFree.points
  const injections: Array<Injection> = []
  for (const fault of faults) {
    const ways = injectionsOf(points)
    if (ways.length === 0) return
    injections.push(ways[fault % ways.length]!)
    const executed = await execute({ ...one, crashFree, injections })
    judge(executed, injections)
    points = executed.points.slice(executed.hitAt)
  }
}

layer(Layer.scoped(Database, Effect.orDie(TestDatabase.openEmbedded)), { timeout: 120_000 })((it) => {
  it.effect(
    "random workflows that use everything at once come to what they mean, wherever their processes die",
    () =>
      Effect.flatMap(Database, (database) =>
        Effect.promise(async () => {
          let count = 0
          const cases = FastCheck.record({
            whole: wholes(),
            faults: FastCheck.array(FastCheck.nat(1_000_000), { minLength: 1, maxLength: 3 })
          })
          await FastCheck.assert(
            FastCheck.asyncProperty(cases, ({ faults, whole }) => {
              count++
              return survives(subjectOf(whole, "whole"), database, faults)
            }),
            { numRuns, ...(given === undefined ? {} : { seed: Number(given) }) }
          )
          expect(count).toBe(numRuns)
        })
      ),
    Math.max(600_000, numRuns * 5_000)
  )
})
