import { describe, expect, it } from "@effect/vitest"
import { modesOf } from "../../src/testing/Points.js"
import { coverageOf } from "./coverage.js"

/** One exploration: a handler that was hit in every mode, and a statement that was hit in all but two. */
const report = {
  passed: [
    ["handler a", "handler"],
    ["runs: perdure.runs.write", "statement"]
  ] as const,
  reached: [
    ...modesOf.handler.map((mode) => ({ name: "handler a", occurrence: 1, mode })),
    ...modesOf.statement
      .filter((mode) => mode !== "40P01" && mode !== "57P01")
      .map((mode) => ({ name: "runs: perdure.runs.write", occurrence: 1, mode }))
  ]
}

const of = (explained: Record<string, string>, statements: ReadonlyArray<string> = ["runs.write"]) =>
  coverageOf([report], true, explained, new Set(statements))

describe("the list of gaps", () => {
  it("a pair that was hit nowhere and is not explained is a gap", () => {
    const missing = ["runs: perdure.runs.write@40P01", "runs: perdure.runs.write@57P01"]
    expect(of({})).toEqual({ gaps: missing, stale: [] })
    expect(of({ "runs: perdure.runs.write@40P01": "why" })).toEqual({ gaps: missing.slice(1), stale: [] })
  })

  it("a statement of the sources that nothing passes is a gap", () => {
    const explained = { "runs: *@40P01": "why", "runs: *@57P01": "why" }
    expect(of(explained, ["runs.write", "park"]).gaps).toEqual(["park@never"])
    expect(of({ ...explained, "park@never": "why" }, ["runs.write", "park"])).toEqual({ gaps: [], stale: [] })
  })

  it("an explanation of a pair that was hit is wrong, and so is one of nothing", () => {
    const explained = { "runs: *@40P01": "why", "runs: *@57P01": "why" }
    expect(of(explained)).toEqual({ gaps: [], stale: [] })
    expect(of({ ...explained, "handler a@before": "why" }).stale).toEqual(["handler a@before"])
    expect(of({ "runs: perdure.runs.write@*": "why" }).stale).toEqual(["runs: perdure.runs.write@*"])
    expect(of({ ...explained, "nothing@never": "why" }).stale).toEqual(["nothing@never"])
  })
})
