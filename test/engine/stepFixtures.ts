import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Handler } from "../../src/definition/Handler.js"
import * as Node from "../../src/definition/Node.js"
import type { NodeContext } from "../../src/definition/NodeContext.js"
import * as Query from "../../src/definition/Query.js"
import * as Signal from "../../src/definition/Signal.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Declined } from "./fixtures.js"

/** A node that works in steps, with an error of its own and retries at once. */
const Work = Node.make("work", {
  inputs: { n: Schema.Number },
  outputs: { out: Schema.String },
  error: Declined
})

/** One node that works in steps. */
export const Stepped = Workflow.make("stepped", { version: 1, input: { n: Schema.Number } })
  .node("work", Work, ({ input }) => ({ n: input.n }))
  .output(({ work }) => ({ out: work.out }))

export const Decision = Signal.make("decision", { payload: Schema.Struct({ by: Schema.String }) })
export const Progress = Query.make("progress", { success: Schema.Number })

/** The work: what it gives is the output. */
export type Steps = (n: number) => Effect.Effect<string, Declined, NodeContext>

const handler = (steps: Steps): Layer.Layer<Handler<"work">> =>
  Work.toLayer(({ n }) => Effect.map(steps(n), (out) => ({ out })))

export const stepped = (steps: Steps) => Stepped.layer.pipe(Layer.provide(handler(steps)))

/** Counts calls by name. */
export class Calls {
  readonly of: Record<string, number> = {}
  readonly keys: Array<string> = []

  /** Notes a call. */
  readonly note = (name: string): Effect.Effect<void> =>
    Effect.sync(() => {
      this.of[name] = (this.of[name] ?? 0) + 1
    })
}
