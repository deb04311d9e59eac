import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Node from "../../../src/definition/Node.js"
import * as Workflow from "../../../src/definition/Workflow.js"
import type { Outcome, Subject } from "../../../src/testing/Subject.js"
import { effect, runId } from "./kit.js"

const N = Schema.Number

const work = Node.make("work", { inputs: { v: N }, outputs: { v: N } })
const go = Node.trigger("go", { payload: N, inputs: { v: N }, outputs: { v: N } })

const handlers = Layer.mergeAll(
  work.toLayer(({ v }) => Effect.sleep("400 millis").pipe(Effect.zipRight(effect("work")), Effect.as({ v: v + 1 }))),
  go.toLayer(({ v }, more) => Effect.as(effect("go"), { v: v + more }))
)

const waiting = Workflow.make("waiting", { version: 1, input: { v: N } })
  .node("work", work, ({ input }) => ({ v: input.v }))
  .node("go", go, ({ work }) => ({ v: work.v }))
  .node("last", work, ({ go }) => ({ v: go.v }))
  .output(({ last }) => ({ v: last.v }))

const plain = Workflow.make("plain", { version: 1, input: { v: N } })
  .node("work", work, ({ input }) => ({ v: input.v }))
  .output(({ work }) => ({ v: work.v }))

/** Cleaned up behind itself at once, while another run needs everything it has. */
export const cleaned: Subject = {
  name: "cleaned",
  workflows: Layer.mergeAll(waiting.layer, plain.layer).pipe(Layer.provide(handlers)) as Subject["workflows"],
  settings: { retentionMs: 1, cleanupMs: 900 },
  script: async (client) => {
    await client.start(waiting, { v: 1 }, "r1")
    await client.start(plain, { v: 1 }, "r2")
    // Meanwhile what it has done with goes, twice over.
    await client.sleep(2_000)
    await client.trigger("r1", "go", 1, "early")
    await client.ended("r2")
    await client.ended("r1")
    await client.sleep(1_000)
  }
}

/** The worker is stopped in order while a handler is at work, and again while the run waits. */
export const handedOver: Subject = {
  name: "handedOver",
  workflows: waiting.layer.pipe(Layer.provide(handlers)) as Subject["workflows"],
  script: async (client) => {
    await client.start(waiting, { v: 1 }, runId)
    await client.sleep(100)
    await client.stop()
    await client.sleep(1_000)
    await client.stop()
    await client.trigger(runId, "go", 1, "mail")
    await client.ended(runId)
  }
}

const isOver = ([run]: Outcome): string | undefined =>
  run === undefined || ["cancelled", "completed"].includes(run.status) ? undefined : `the run is ${run.status}`

/** Nobody who lives knows the workflow any more: its run is parked, and can still be cancelled. */
export const unknown: Subject = {
  name: "unknown",
  workflows: waiting.layer.pipe(Layer.provide(handlers)) as Subject["workflows"],
  workflowsOf: (life) => (life === 1 ? waiting : plain).layer.pipe(Layer.provide(handlers)) as Subject["workflows"],
  settings: { unknownAfterMs: 1_000 },
  script: async (client) => {
    await client.start(waiting, { v: 1 }, runId)
    await client.trigger(runId, "go", 1, "early")
    await client.trigger(runId, "go", 1, "late")
    await client.stop()
    await client.sleep(3_000)
    await client.command(runId, "cancel")
    await client.ended(runId)
  },
  possible: isOver
}
