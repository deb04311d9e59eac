import { appendFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { watchEventLoop } from "../../src/cli/Watchdog.js"
import { NodeContext } from "../../src/definition/NodeContext.js"
import * as Perdure from "../../src/layers.js"
import type { SettingsShape } from "../../src/runtime/Settings.js"
import { Act, type Entry, First, type Kind, Last, type Order, task } from "./fixtures.js"

/** What a worker process is told. */
export interface ChildOptions {
  readonly url: string
  readonly directUrl?: string
  readonly ledger: string
  readonly versions: ReadonlyArray<number>
  readonly settings: Partial<SettingsShape>
  /** How long its event loop may stand still; 0: for ever. */
  readonly standstillMs: number
}

const options = JSON.parse(process.argv[2] ?? "{}") as ChildOptions

watchEventLoop(options.standstillMs)

let atWork = 0

const note = (phase: Entry["phase"]) =>
  Effect.map(NodeContext, ({ attempt, crashes, idempotencyKey }) => {
    const entry: Entry = {
      worker: options.settings.workerId ?? "",
      pid: process.pid,
      at: Date.now(),
      key: idempotencyKey,
      attempt,
      crashes,
      beside: atWork,
      phase
    }
    appendFileSync(options.ledger, `${JSON.stringify(entry)}\n`)
  })

const blockFor = (ms: number): void => {
  const until = performance.now() + ms
  while (performance.now() < until);
}

const act = (kind: Kind, ms: number): Effect.Effect<void> => {
  switch (kind) {
    case "exit":
      return Effect.sync(() => process.exit(3))
    case "loop":
      return Effect.sync(() => blockFor(Number.POSITIVE_INFINITY))
    case "block":
      return Effect.sync(() => blockFor(ms))
    case "memory":
      return Effect.sync(() => {
        const held: Array<Array<number>> = []
        for (;;) held.push(new Array<number>(1_000_000).fill(held.length + 0.5))
      })
    case "throw":
      return Effect.sync(() => {
        throw new Error("poison")
      })
    case "ok":
      return Effect.void
  }
}

/** A step: noted, then the time it takes, then what it does, noted again. */
const step = (order: Order, acts: boolean) =>
  Effect.gen(function* () {
    atWork++
    yield* note("begin")
    yield* Effect.sleep(order.kind === "block" ? 1 : order.ms)
    const { crashes } = yield* NodeContext
    // Who was blocked once is not blocked again: it would be poison.
    if (acts && !(order.kind === "block" && crashes > 0)) yield* act(order.kind, order.ms)
    yield* note("end")
    return { order }
  }).pipe(
    Effect.onInterrupt(() => note("interrupted")),
    Effect.ensuring(Effect.sync(() => atWork--))
  )

const handlers = Layer.mergeAll(
  First.toLayer(({ order }) => step(order, false)),
  Act.toLayer(({ order }) => step(order, true)),
  Last.toLayer(({ order }) => step(order, false))
)

const workflows = options.versions.map((version) => task(version).layer.pipe(Layer.provide(handlers)))
const engine = Perdure.layerEngine(options.settings).pipe(
  Layer.provide(
    Perdure.layerPostgres({
      url: Redacted.make(options.url),
      migrate: false,
      ...(options.directUrl === undefined ? {} : { directUrl: Redacted.make(options.directUrl) })
    })
  )
)
const [first, ...others] = workflows
const all = Layer.mergeAll(first!, ...others).pipe(Layer.provideMerge(engine))

const fiber = Effect.runFork(
  Effect.scoped(
    Effect.zipRight(
      Layer.build(all),
      Effect.zipRight(
        Effect.sync(() => process.stdout.write("ready\n")),
        Effect.never
      )
    )
  ).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))))
)
process.on("SIGTERM", () => Effect.runFork(Fiber.interruptFork(fiber)))
fiber.addObserver((exit) => {
  if (Exit.isFailure(exit) && !Exit.isInterrupted(exit)) process.stderr.write(`${String(exit.cause)}\n`)
  process.exit(Exit.isInterrupted(exit) ? 0 : 1)
})
