import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Node from "../../../src/definition/Node.js"
import * as Workflow from "../../../src/definition/Workflow.js"
import { effect, oneRun } from "./kit.js"

const step = Node.make("step", { inputs: { v: Schema.Number }, outputs: { v: Schema.Number } })
const workflow = Workflow.make("chain", { version: 1, input: { v: Schema.Number } })
  .node("a", step, ({ input }) => ({ v: input.v }))
  .node("b", step, ({ a }) => ({ v: a.v }))
  .output(({ b }) => ({ v: b.v }))
const handlers = step.toLayer(({ v }) => Effect.as(effect("step"), { v: v + 1 }))

/** One after the other, each with an outside effect; the run can be found by an attribute. */
export const chain = oneRun({ workflow, input: { v: 1 }, handlers, start: { attributes: { customer: "ada" } } })
