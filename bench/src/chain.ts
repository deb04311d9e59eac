import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Node from "../../src/definition/Node.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Engine } from "../../src/Engine.js"
import * as Perdure from "../../src/layers.js"
import { type Counters, difference, readCounters } from "./counters.js"

const Value = Schema.Struct({ count: Schema.Int, padding: Schema.String })
const Step = Node.make("step", { inputs: { value: Value }, outputs: { value: Value } })
const StepHandler = Step.toLayer(({ value }) => Effect.succeed({ value: { ...value, count: value.count + 1 } }))

const Chain = Workflow.make("chain", { version: 1, input: { value: Value } })
  .node("step1", Step, ({ input }) => ({ value: input.value }))
  .node("step2", Step, ({ step1 }) => ({ value: step1.value }))
  .node("step3", Step, ({ step2 }) => ({ value: step2.value }))
  .node("step4", Step, ({ step3 }) => ({ value: step3.value }))
  .node("step5", Step, ({ step4 }) => ({ value: step4.value }))
  .node("step6", Step, ({ step5 }) => ({ value: step5.value }))
  .node("step7", Step, ({ step6 }) => ({ value: step6.value }))
  .node("step8", Step, ({ step7 }) => ({ value: step7.value }))
  .node("step9", Step, ({ step8 }) => ({ value: step8.value }))
  .node("step10", Step, ({ step9 }) => ({ value: step9.value }))
  .output(({ step10 }) => ({ value: step10.value }))

const stepsPerRun = 10
const input = { value: { count: 0, padding: "x".repeat(1_000) } }

/** What one measurement of the commit path gave. */
export interface ChainFigures {
  readonly stepsPerSecond: ReadonlyArray<number>
  readonly rowWritesPerStep: number
  readonly transactionsPerRun: number
  readonly walBytesPerStep: number
  readonly cpuMicrosecondsPerStep: number
  readonly loneRunMs: { readonly p50: number; readonly p99: number }
}

const one = Effect.gen(function* () {
  const engine = yield* Engine
  const { runId } = yield* engine.start(Chain, input)
  const { value } = yield* engine.await(Chain, runId)
  if (value.count !== stepsPerRun) yield* Effect.dieMessage(`a chain ended with ${value.count}`)
})

const round = (runs: number, inFlight: number) =>
  Effect.gen(function* () {
    const started = performance.now()
    yield* Effect.forEach(Array.from({ length: runs }), () => one, { concurrency: inFlight, discard: true })
    return (runs * stepsPerRun) / ((performance.now() - started) / 1_000)
  })

const lone = Effect.gen(function* () {
  const times: Array<number> = []
  for (let i = 0; i < 300; i++) {
    const started = performance.now()
    yield* one
    times.push(performance.now() - started)
  }
  times.sort((a, b) => a - b)
  return { p50: times[150]!, p99: times[297]! }
})

/** Chains of 10 steps with values of 1 kB, so many in flight, on one worker; several rounds. */
export const measureChain = (options: {
  readonly url: string
  readonly runs: number
  readonly inFlight: number
  readonly rounds: number
}): Promise<ChainFigures> => {
  const live = Chain.layer.pipe(
    Layer.provide(StepHandler),
    Layer.provideMerge(Perdure.layerEngine()),
    Layer.provide(Perdure.layerPostgres({ url: Redacted.make(options.url) }))
  )
  const program = Effect.gen(function* () {
    yield* round(Math.min(2_000, options.runs), options.inFlight)
    const loneRunMs = yield* lone
    const before: Counters = yield* Effect.promise(() => readCounters(options.url))
    const cpu = process.cpuUsage()
    const stepsPerSecond: Array<number> = []
    for (let i = 0; i < options.rounds; i++)
      stepsPerSecond.push(Math.round(yield* round(options.runs, options.inFlight)))
    const used = process.cpuUsage(cpu)
    const after = yield* Effect.promise(() => readCounters(options.url))
    const spent = difference(before, after)
    const runs = options.runs * options.rounds
    const steps = runs * stepsPerRun
    return {
      stepsPerSecond,
      rowWritesPerStep: spent.rowWrites / steps,
      transactionsPerRun: spent.transactions / runs,
      walBytesPerStep: Math.round(spent.walBytes / steps),
      cpuMicrosecondsPerStep: Math.round((used.user + used.system) / steps),
      loneRunMs
    }
  })
  return program.pipe(Effect.provide(live), Effect.scoped, Effect.runPromise)
}
