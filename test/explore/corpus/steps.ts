import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Node from "../../../src/definition/Node.js"
import { NodeContext } from "../../../src/definition/NodeContext.js"
import * as Signal from "../../../src/definition/Signal.js"
import * as Step from "../../../src/definition/Step.js"
import * as Workflow from "../../../src/definition/Workflow.js"
import { Ledger } from "../../../src/testing/Ledger.js"
import { effect, oneRun, runId } from "./kit.js"

const { Number: N, String: S } = Schema

class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}

const Decision = Signal.make("decision", { payload: S })

const ship = Node.make("ship", { inputs: { v: N }, outputs: { out: S }, error: Busy })

const stepsWorkflow = Workflow.make("steps", { version: 1, input: { v: N } })
  .node("ship", ship, ({ input }) => ({ v: input.v }))
  .output(({ ship }) => ({ out: ship.out }))

/** Fails the first time anybody asks for it. */
const busyOnce = Effect.gen(function* () {
  const { idempotencyKey } = yield* NodeContext
  const fresh = yield* (yield* Ledger).record("busy", idempotencyKey)
  return fresh ? yield* new Busy() : "through"
})

const retry = { times: 3, schedule: Schedule.spaced("1 second") }

/** Loops, sleeps and retries in one handler, the waits longer than a worker keeps a run in memory. */
export const steps = oneRun({
  workflow: stepsWorkflow,
  input: { v: 2 },
  handlers: ship.toLayer(({ v }) =>
    Effect.gen(function* () {
      for (let line = 0; line < v; line++) yield* Step.run("line", { key: `${line}` }, effect(`line ${line}`))
      yield* Step.sleep("cool down", "900 millis")
      const tried = yield* Step.run("busy", { success: S, error: Busy, retry }, busyOnce)
      yield* effect("ship")
      return { out: tried }
    })
  )
})

const signalsWorkflow = Workflow.make("signals", { version: 1, input: { v: N } })
  .node("ship", ship, ({ input }) => ({ v: input.v }))
  .output(({ ship }) => ({ out: ship.out }))

/** A signal that comes, and one that never does, after a step that is remembered. */
export const signals = oneRun({
  workflow: signalsWorkflow,
  input: { v: 1 },
  handlers: ship.toLayer(() =>
    Effect.gen(function* () {
      yield* Step.run("before", {}, effect("before"))
      const decision = yield* Step.awaitSignal(Decision)
      const second = yield* Step.awaitSignal(Decision, { key: "second", timeout: "1 second" })
      yield* effect("ship")
      return { out: `${decision} ${Option.getOrElse(second, () => "nobody")}` }
    })
  ),
  meanwhile: async (client) => {
    await client.sleep(300)
    await client.signal(signalsWorkflow, runId, "ship", Decision, "yes", "mail")
  }
})

const wait = Workflow.make("waits", { version: 1, input: { v: N } })
  .node("ship", ship, ({ input }) => ({ v: input.v }))
  .output(({ ship }) => ({ out: ship.out }))

/** Waits side by side; the signal comes while the handler suspends, or long before its time is over. */
export const waits = oneRun({
  workflow: wait,
  input: { v: 1 },
  handlers: ship.toLayer(() =>
    Effect.map(
      Effect.all([Step.awaitSignal(Decision), Effect.asVoid(Step.sleep("pause", "700 millis"))], { concurrency: 2 }),
      ([out]) => ({ out })
    )
  ),
  meanwhile: (client) => client.signal(wait, runId, "ship", Decision, "yes", "mail")
})
