import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Node from "../../src/definition/Node.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Engine } from "../../src/Engine.js"
import { Readiness } from "../../src/http/Readiness.js"
import * as HttpServer from "../../src/http/server.js"
import * as Perdure from "../../src/layers.js"
import { startServer } from "../support/postgresServer.js"

const usage = "npm run soak:streams -- [--readers 500] [--seconds 20] [--in-flight 200] [--rounds 3]"

const { values: given } = parseArgs({
  options: {
    readers: { type: "string", default: "500" },
    /** Of each measurement. */
    seconds: { type: "string", default: "20" },
    "in-flight": { type: "string", default: "200" },
    rounds: { type: "string", default: "3" },
    help: { type: "boolean", default: false }
  }
})
const numbers = [given.readers, given.seconds, given["in-flight"], given.rounds].map(Number)
const [readers, seconds, inFlight, rounds] = numbers as [number, number, number, number]
if (given.help || !numbers.every((n) => Number.isInteger(n) && n > 0)) {
  console.error(usage)
  process.exit(given.help ? 0 : 2)
}

/** The share of its throughput that an engine may lose to all readers together. */
const mostLoss = 0.25

const steps = 10

const Work = Node.make("work", { inputs: { n: Schema.Number }, outputs: { out: Schema.Number } })
const Chain = Workflow.make("chain", { version: 1, input: { n: Schema.Number } })
  .node("s1", Work, ({ input }) => ({ n: input.n }))
  .node("s2", Work, ({ s1 }) => ({ n: s1.out }))
  .node("s3", Work, ({ s2 }) => ({ n: s2.out }))
  .node("s4", Work, ({ s3 }) => ({ n: s3.out }))
  .node("s5", Work, ({ s4 }) => ({ n: s4.out }))
  .node("s6", Work, ({ s5 }) => ({ n: s5.out }))
  .node("s7", Work, ({ s6 }) => ({ n: s6.out }))
  .node("s8", Work, ({ s7 }) => ({ n: s7.out }))
  .node("s9", Work, ({ s8 }) => ({ n: s8.out }))
  .node("s10", Work, ({ s9 }) => ({ n: s9.out }))
  .output(({ s10 }) => ({ n: s10.out }))

interface Readers {
  readonly child: ChildProcess
  readonly next: () => Promise<{ readonly [figure: string]: number }>
}

/** The readers are a process of their own, as they would be. */
const openReaders = async (url: string): Promise<Readers> => {
  const path = fileURLToPath(new URL("readers.ts", import.meta.url))
  const child = spawn(process.execPath, ["--import", "tsx", path, url, String(readers)], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await lines.next()).value as string)
  const opened = await next()
  if (opened.open !== readers) throw new Error(`${opened.open} of ${readers} readers were let in`)
  return { child, next }
}

const main = Effect.gen(function* () {
  const server = yield* Effect.acquireRelease(
    Effect.promise(() => startServer({ durable: true, settings: { shared_buffers: "128MB" } })),
    ({ dispose }) => Effect.promise(dispose)
  )
  const engineLayer = Chain.layer.pipe(
    Layer.provide(Work.toLayer(({ n }) => Effect.succeed({ out: n + 1 }))),
    Layer.provideMerge(Perdure.layerEngine()),
    Layer.provideMerge(Perdure.layerPostgres({ url: Redacted.make(server.url) }))
  )
  const context = yield* Layer.build(
    HttpServer.layer({ host: "127.0.0.1", port: 0 }).pipe(
      Layer.provide(Layer.succeed(Readiness, { obstacle: Effect.succeed(undefined) })),
      Layer.provide(Perdure.layerOperator),
      Layer.provideMerge(engineLayer)
    )
  )
  const engine = Context.get(context, Engine)
  const { url } = Context.get(context, HttpServer.HttpAddress)
  let ended = 0
  const one = Effect.gen(function* () {
    const { runId } = yield* engine.start(Chain, { n: 0 })
    yield* engine.awaitEnd(runId)
    ended++
  })
  const load = yield* Effect.fork(
    Effect.forEach(Array.from({ length: inFlight }), () => Effect.forever(one), { concurrency: "unbounded" })
  )
  const measure = Effect.promise(async () => {
    const [from, before] = [performance.now(), ended]
    await delay(seconds * 1_000)
    return ((ended - before) * steps) / ((performance.now() - from) / 1_000)
  })
  yield* Effect.promise(() => delay(5_000))
  const alone: Array<number> = []
  const beside: Array<number> = []
  let heard: { readonly [figure: string]: number } = {}
  for (let round = 0; round < rounds; round++) {
    alone.push(yield* measure)
    const open = yield* Effect.promise(() => openReaders(url))
    beside.push(yield* measure)
    heard = yield* Effect.promise(async () => {
      open.child.kill("SIGTERM")
      return open.next()
    })
    console.error(JSON.stringify({ round, alone: alone.at(-1), beside: beside.at(-1), ...heard }))
  }
  yield* Fiber.interrupt(load)
  const median = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
  const loss = 1 - median(beside) / median(alone)
  const ok = loss <= mostLoss && (heard["closed"] ?? 1) === 0 && (heard["frames"] ?? 0) >= readers
  const figures = { aloneStepsPerSecond: Math.round(median(alone)), besideStepsPerSecond: Math.round(median(beside)) }
  console.log(JSON.stringify({ readers, seconds, ...figures, loss: Math.round(loss * 1_000) / 1_000, ...heard, ok }))
  return ok
}).pipe(Effect.scoped)

process.exitCode = (await Effect.runPromise(main)) ? 0 : 1
