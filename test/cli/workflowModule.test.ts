import * as Context from "effect/Context"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { describe, expect, it } from "vitest"
import { layerIn } from "../../src/cli/WorkflowModule.js"

class Some extends Context.Tag("test/Some")<Some, number>() {}

const [one, other] = [Layer.succeed(Some, 1), Layer.succeed(Some, 2)]

describe("a module of workflows", () => {
  it.each(["default", "workflows", "layer", "anything"])("may export its layer as %s", (name) => {
    expect(Either.getOrThrow(layerIn({ [name]: one, version: 1 }))).toBe(one)
  })

  it("may export others beside the one that is meant", () => {
    expect(Either.getOrThrow(layerIn({ first: one, workflows: other }))).toBe(other)
  })

  it("has none, or several of which none is meant: it says so", () => {
    expect(Either.flip(layerIn({ version: 1 }))).toEqual(
      Either.right("exports no layer: expected one as its default export")
    )
    expect(Either.flip(layerIn({ first: one, second: other }))).toEqual(
      Either.right(
        "exports several layers (first, second): expected one of them as its default export, or as workflows"
      )
    )
  })
})
