import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Node from "../../../src/definition/Node.js"
import * as Step from "../../../src/definition/Step.js"
import * as Workflow from "../../../src/definition/Workflow.js"
import { Engine } from "../../../src/Engine.js"
import type { Subject } from "../../../src/testing/Subject.js"
import { effect, runId } from "./kit.js"

const { Number: N } = Schema

const pack = Node.make("pack", { inputs: { n: N }, outputs: { v: N } })
const order = Node.make("order", { inputs: { n: N }, outputs: { v: N } })

const packing = Workflow.make("packing", { version: 1, input: { n: N } })
  .node("pack", pack, ({ input }) => ({ n: input.n }))
  .output(({ pack }) => ({ v: pack.v }))

const ordering = Workflow.make("ordering", { version: 1, input: { n: N } })
  .node("order", order, ({ input }) => ({ n: input.n }))
  .output(({ order }) => ({ v: order.v }))

const packHandler = pack.toLayer(({ n }) =>
  Effect.gen(function* () {
    yield* effect("pack")
    yield* Step.sleep("dry", `${n * 400} millis`)
    return { v: n * 10 }
  })
)

const orderHandler = order.toLayer(({ n }) =>
  Effect.gen(function* () {
    const children = Array.from({ length: n }, (_, index) =>
      Effect.orDie(Step.child("pack", packing, { n: index + 1 }, { key: `${index}` }))
    )
    const packed = yield* Effect.all(children, { concurrency: "unbounded" })
    yield* effect("order")
    return { v: packed.reduce((sum, { v }) => sum + v, 0) }
  })
)

const patience = Workflow.make("patience", { version: 1, input: { n: N } })
  .node("pack", Node.child("pack", packing), ({ input }) => ({ n: input.n }))
  .output(({ pack }) => ({ v: pack.v }))

/** A parent that is cancelled while its child sleeps, or before there is one: nobody is left behind. */
export const childCancel: Subject = {
  name: "childCancel",
  workflows: Layer.merge(packing.layer.pipe(Layer.provide(packHandler)), patience.layer),
  script: async (client) => {
    await client.start(patience, { n: 1_000_000 }, runId)
    await client.sleep(20)
    await client.command(runId, "cancel")
    await client.ended(runId)
    const children = await client.call(
      Effect.flatMap(Engine, (engine) => engine.list({ workflow: "packing", limit: 9 }))
    )
    if (Exit.isSuccess(children)) for (const child of children.value) await client.ended(child.runId)
  },
  possible: (runs) =>
    runs.every(({ status }) => status === "cancelled") ? undefined : `the runs are ${JSON.stringify(runs)}`
}

const flaky = Node.make("flaky", { inputs: { n: N }, outputs: { v: N }, error: Schema.String })

const trying = Workflow.make("trying", { version: 1, input: { n: N } })
  .node("flaky", flaky, ({ input }) => ({ n: input.n }))
  .output(({ flaky }) => ({ v: flaky.v }))

const insisting = Workflow.make("insisting", { version: 1, input: { n: N } })
  .node(
    "try",
    Node.child("try", trying, {
      retry: { times: 1, schedule: Schedule.spaced("50 millis") },
      timeout: { total: "1 hour" }
    }),
    ({ input }) => ({ n: input.n })
  )
  .output(({ try: tried }) => ({ v: Workflow.maybe(tried.v) }))

/** A node whose children fail: it has one for each of its attempts, and not one more. */
export const childAgain: Subject = {
  name: "childAgain",
  workflows: Layer.merge(
    insisting.layer,
    trying.layer.pipe(Layer.provide(flaky.toLayer(() => Effect.zipRight(effect("flaky"), Effect.fail("no")))))
  ),
  script: async (client) => {
    await client.start(insisting, { n: 1 }, runId)
    await client.ended(runId)
  },
  expect: (runs) =>
    runs.length === 3 && runs.every(({ status }) => status === "failed")
      ? undefined
      : `the runs are ${JSON.stringify(runs)}`
}

/** A parent with two children, one of which is there before the parent has left memory. */
export const children: Subject = {
  name: "children",
  workflows: Layer.merge(
    packing.layer.pipe(Layer.provide(packHandler)),
    ordering.layer.pipe(Layer.provide(orderHandler))
  ),
  script: async (client) => {
    await client.start(ordering, { n: 2 }, runId)
    await client.ended(runId)
  },
  expect: (runs) =>
    runs.find((run) => run.runId === runId)?.output === '{"v":30}' && runs.length === 3
      ? undefined
      : `the runs are ${JSON.stringify(runs)}`
}
