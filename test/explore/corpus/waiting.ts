import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Node from "../../../src/definition/Node.js"
import * as NodeOutcome from "../../../src/definition/NodeOutcome.js"
import * as Output from "../../../src/definition/Output.js"
import * as Workflow from "../../../src/definition/Workflow.js"
import type { Client } from "../../../src/testing/Client.js"
import type { Subject } from "../../../src/testing/Subject.js"
import { effect, oneRun, runId } from "./kit.js"

const N = Schema.Number

const prepare = Node.make("prepare", { inputs: { v: N }, outputs: { v: N } })
const approve = Node.trigger("approve", {
  payload: Schema.Struct({ yes: Schema.Boolean }),
  inputs: { v: N },
  outputs: { approved: Output.optional(N), rejected: Output.optional(N) }
})

const approvalWorkflow = Workflow.make("approval", { version: 1, input: { v: N } })
  .node("prepare", prepare, ({ input }) => ({ v: input.v }))
  .node("approve", approve, ({ prepare }) => ({ v: prepare.v }))
  .node("ship", prepare, ({ approve }) => ({ v: approve.approved }))
  .output(({ approve, ship }) => ({ v: Workflow.firstOf(ship.v, approve.rejected) }))

const approvalHandlers = Layer.mergeAll(
  prepare.toLayer(({ v }) => Effect.as(effect("prepare"), { v: v + 1 })),
  approve.toLayer(({ v }, { yes }) => Effect.as(effect("approve"), yes ? { approved: v } : { rejected: v }))
)

const approval = (name: string, meanwhile: (client: Client) => Promise<unknown>) =>
  oneRun({ name, workflow: approvalWorkflow, input: { v: 1 }, handlers: approvalHandlers, meanwhile })

const yes = { yes: true }

/** The event is there before anybody waits for it, twice. */
export const early = approval("triggerBefore", async (client) => {
  await client.trigger(runId, "approve", yes, "mail")
  await client.trigger(runId, "approve", yes, "mail")
})

/** The event comes while the run waits in memory. */
export const during = approval("triggerDuring", async (client) => {
  await client.sleep(200)
  await client.trigger(runId, "approve", yes, "mail")
})

/** The event comes when the run has left memory; another one after the end of its node is dead. */
export const late = approval("triggerAfter", async (client) => {
  await client.sleep(1_500)
  await client.trigger(runId, "approve", yes, "mail")
  await client.trigger(runId, "approve", yes, "late mail")
})

const ask = Node.make("ask", {
  inputs: { v: N },
  outputs: { answers: Schema.Array(N) },
  resumable: { state: Schema.Array(N), input: N }
})

const suspendWorkflow = Workflow.make("suspend", { version: 1, input: { v: N } })
  .node("ask", ask, ({ input }) => ({ v: input.v }))
  .output(({ ask }) => ({ answers: ask.answers }))

const askHandler = ask.toLayer((_, resume) =>
  Effect.gen(function* () {
    yield* Effect.yieldNow()
    const state = Option.match(resume, { onNone: () => [], onSome: ({ input, state }) => [...state, input] })
    if (state.length < 2) return NodeOutcome.suspend({ reason: `has ${state.length} answers`, state })
    yield* effect("ask")
    return { answers: state }
  })
)

/** A node that suspends twice and goes on with its state, once hot and once cold. */
export const suspend = oneRun({
  workflow: suspendWorkflow,
  input: { v: 1 },
  handlers: askHandler,
  meanwhile: async (client) => {
    await client.sleep(100)
    await client.trigger(runId, "ask", 1, "one")
    await client.trigger(runId, "ask", 1, "one")
    await client.sleep(1_500)
    await client.trigger(runId, "ask", 2, "two")
  }
})

const collect = Node.trigger("collect", { payload: N, repeated: 2, outputs: { v: N } })
const repeatedWorkflow = Workflow.make("repeated", { version: 1, input: {} })
  .node("collect", collect, () => ({}))
  .node("store", prepare, ({ collect }) => ({ v: collect.v }))
  .output(({ store }) => ({ v: store.v }))

/** A trigger that takes two events, sent at once and in another order than they were numbered. */
export const repeated = oneRun({
  workflow: repeatedWorkflow,
  input: {},
  handlers: Layer.mergeAll(
    collect.toLayer((_, v) => Effect.as(effect("collect"), { v })),
    prepare.toLayer(({ v }) => Effect.as(effect("store"), { v }))
  ),
  meanwhile: async (client) => {
    await client.trigger(runId, "collect", 2, "b")
    await client.trigger(runId, "collect", 1, "a")
    await client.trigger(runId, "collect", 2, "b")
  }
})

/** The end of a run that somebody cancels while it may just as well complete. */
export const cancelled = oneRun({
  name: "cancel",
  workflow: approvalWorkflow,
  input: { v: 1 },
  handlers: approvalHandlers,
  meanwhile: async (client) => {
    await client.sleep(300)
    await client.command(runId, "cancel")
  },
  expect: ([run]) => (run?.status === "cancelled" ? undefined : `the run is ${run?.status}`)
})

/** Cancelled at once: whatever comes first. */
export const cancelRace = oneRun({
  name: "cancelRace",
  workflow: approvalWorkflow,
  input: { v: 1 },
  handlers: approvalHandlers,
  meanwhile: async (client) => {
    await client.trigger(runId, "approve", yes, "mail")
    await client.command(runId, "cancel")
  },
  possible: ([run]) =>
    run?.status === "cancelled" || (run?.status === "completed" && run.output === '{"v":3}')
      ? undefined
      : `the run is ${run?.status} with ${run?.output}`
})

/** Paused while it waits, given its event, resumed. */
export const paused = oneRun({
  name: "pause",
  workflow: approvalWorkflow,
  input: { v: 1 },
  handlers: approvalHandlers,
  meanwhile: async (client) => {
    await client.sleep(100)
    await client.command(runId, "pause")
    await client.trigger(runId, "approve", yes, "mail")
    await client.sleep(1_000)
    await client.command(runId, "resume")
  }
})

/** Started, and given its event, in transactions of the application's own. */
export const joined: Subject = {
  name: "joined",
  workflows: approvalWorkflow.layer.pipe(Layer.provide(approvalHandlers)),
  script: async (client) => {
    await client.startJoined(approvalWorkflow, { v: 1 }, runId)
    await client.sleep(200)
    await client.triggerJoined(approvalWorkflow, runId, "approve", yes, "mail")
    await client.ended(runId)
  }
}
