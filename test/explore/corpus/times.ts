import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Node from "../../../src/definition/Node.js"
import { NodeContext } from "../../../src/definition/NodeContext.js"
import * as Step from "../../../src/definition/Step.js"
import * as Workflow from "../../../src/definition/Workflow.js"
import { Engine, type StartOptions } from "../../../src/Engine.js"
import type { Client } from "../../../src/testing/Client.js"
import type { Subject } from "../../../src/testing/Subject.js"
import { effect, runId } from "./kit.js"

const { Number: N } = Schema

class NotYet extends Schema.TaggedError<NotYet>()("NotYet", {}) {}

const first = Node.make("first", { inputs: { v: N }, outputs: { v: N } })
const flaky = Node.make("flaky", { inputs: { v: N }, outputs: { v: N }, error: NotYet })
const beside = Node.make("beside", { inputs: { v: N }, outputs: { v: N } })

const againWorkflow = Workflow.make("again", { version: 1, input: { v: N } })
  .node("first", first, ({ input }) => ({ v: input.v }))
  .node("flaky", flaky, ({ first }) => ({ v: first.v }))
  .node("beside", beside, ({ first }) => ({ v: first.v }))
  .output(({ beside, flaky }) => ({ v: flaky.v, w: beside.v }))

const firstHandler = first.toLayer(({ v }) => Effect.as(effect("first"), { v: v + 1 }))
const handlers = Layer.mergeAll(
  firstHandler,
  flaky.toLayer(({ v }) =>
    Effect.gen(function* () {
      const { attempt } = yield* NodeContext
      yield* Step.run("kept", {}, effect("kept"))
      return attempt === 1 ? yield* new NotYet() : { v: v * 10 }
    })
  ),
  beside.toLayer(({ v }) => Effect.as(Effect.sleep("100 millis"), { v: v * 100 }))
)

/** Until the run has completed: what failed was there before. */
const completed = async (client: Client): Promise<void> => {
  for (;;) {
    const exit = await client.ended(runId)
    if (Exit.isSuccess(exit) && exit.value.status !== "failed") return
    await client.sleep(300)
  }
}

/** A run that fails while something beside runs, and goes on when it is told to. */
export const again: Subject = {
  name: "again",
  retried: true,
  workflows: againWorkflow.layer.pipe(Layer.provide(handlers)),
  script: async (client) => {
    await client.start(againWorkflow, { v: 1 }, runId)
    await client.ended(runId)
    await client.command(runId, "retry")
    await completed(client)
  },
  expect: ([run]) => (run?.output === '{"v":20,"w":200}' ? undefined : `the run is ${run?.status} with ${run?.output}`)
}

const plain = Workflow.make("plain", { version: 1, input: { v: N } })
  .node("first", first, ({ input }) => ({ v: input.v }))
  .output(({ first }) => ({ v: first.v }))

const sleepy = Workflow.make("sleepy", { version: 1, input: { v: N } })
  .node("first", first, ({ input }) => ({ v: input.v }))
  .output(({ first }) => ({ v: first.v }))

const startAs = (
  client: Client,
  workflow: typeof plain | typeof sleepy,
  options: (now: DateTime.Utc) => StartOptions
) =>
  client.call(
    Effect.gen(function* () {
      const engine = yield* Engine
      return yield* engine.start(workflow, { v: 1 }, { runId, ...options(yield* DateTime.now) })
    })
  )

/** A run that begins when nobody holds it. */
export const later: Subject = {
  name: "later",
  workflows: plain.layer.pipe(Layer.provide(firstHandler)),
  script: async (client) => {
    await startAs(client, plain, (now) => ({ startAt: DateTime.add(now, { millis: 700 }) }))
    await client.ended(runId)
  }
}

/** A run that sleeps beyond its deadline. */
export const overdue: Subject = {
  name: "overdue",
  workflows: sleepy.layer.pipe(Layer.provide(first.toLayer(({ v }) => Effect.as(Step.sleep("a day", "1 day"), { v })))),
  script: async (client) => {
    await startAs(client, sleepy, (now) => ({ deadline: DateTime.add(now, { millis: 900 }) }))
    await client.ended(runId)
  },
  expect: ([run]) => (run?.status === "failed" ? undefined : `the run is ${run?.status}`)
}

const tardy = Node.make("tardy", { inputs: { v: N }, outputs: { v: N }, timeout: { total: "900 millis" } })

const overtimeWorkflow = Workflow.make("overtime", { version: 1, input: { v: N } })
  .node("tardy", tardy, ({ input }) => ({ v: input.v }))
  .output(({ tardy }) => ({ v: tardy.v }))

/** A firing that sleeps beyond the time that all its attempts together have. */
export const overtime: Subject = {
  name: "overtime",
  workflows: overtimeWorkflow.layer.pipe(
    Layer.provide(tardy.toLayer(({ v }) => Effect.as(Step.sleep("a day", "1 day"), { v })))
  ),
  script: async (client) => {
    await client.start(overtimeWorkflow, { v: 1 }, runId)
    await client.ended(runId)
  },
  expect: ([run]) => (run?.status === "failed" ? undefined : `the run is ${run?.status}`),
  timed: true
}
