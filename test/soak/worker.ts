import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { NodeContext } from "../../src/definition/NodeContext.js"
import { Engine } from "../../src/Engine.js"
import * as Perdure from "../../src/layers.js"
import type { SettingsShape } from "../../src/runtime/Settings.js"
import { type Answer, type Call, perform } from "./calls.js"
import { appender, type Entry } from "./ledger.js"
import { Outside } from "./outside.js"
import { layer as workload } from "./workload.js"

/** What a worker process is told. */
export type ToWorker =
  | {
      readonly _tag: "go"
      readonly url: string
      readonly ledger: string
      readonly settings: Partial<SettingsShape>
      /** How long each half of a step takes at most. */
      readonly stepMs: number
    }
  | { readonly _tag: "call"; readonly id: number; readonly call: Call }
  | { readonly _tag: "block"; readonly ms: number }
  | { readonly _tag: "fibers" }

/** What it says. */
export type FromWorker =
  | { readonly _tag: "loaded" }
  | { readonly _tag: "ready" }
  | { readonly _tag: "answer"; readonly id: number; readonly answer: Answer }
  | { readonly _tag: "blocked" }

const say = (message: FromWorker): void => {
  if (process.connected) process.send?.(message)
}

const outside = (path: string, stepMs: number): Context.Tag.Service<Outside> => {
  const append = appender<Entry>(path)
  const note = (phase: Entry["phase"], what: string) =>
    Effect.map(NodeContext, ({ attempt, crashes, firing, idempotencyKey, nodeId: node, runId }) => {
      const [nodeId, key] = [`${node}${what}`, `${idempotencyKey}${what}`]
      append({ at: Date.now(), pid: process.pid, runId, nodeId, firing, attempt, crashes, key, phase })
    })
  const moment = Effect.suspend(() => Effect.sleep(Math.random() * stepMs))
  return {
    step: (result, name) => {
      const what = name === undefined ? "" : `!${name}`
      return note("begin", what).pipe(
        Effect.zipRight(moment),
        Effect.zipRight(note("effect", what)),
        Effect.zipRight(moment),
        Effect.zipRight(result),
        Effect.onExit((exit) => note(Exit.isInterrupted(exit) ? "interrupted" : "end", what))
      )
    }
  }
}

/** Ends as a server would: in order when told to, with an error otherwise. */
const go = ({ ledger, settings, stepMs, url }: Extract<ToWorker, { _tag: "go" }>): void => {
  const stores = Perdure.layerPostgres({ url: Redacted.make(url), migrate: false, maxConnections: 6 })
  const all = workload.pipe(
    Layer.provide(Layer.succeed(Outside, outside(ledger, stepMs))),
    Layer.provideMerge(Perdure.layerEngine(settings)),
    Layer.provide(stores)
  )
  const main = Effect.gen(function* () {
    const engine = Context.get(yield* Layer.build(all), Engine)
    process.on("message", (message: ToWorker) => {
      if (message._tag !== "call") return
      Effect.runPromise(perform(engine, message.call)).then(
        (answer) => say({ _tag: "answer", id: message.id, answer }),
        (error: unknown) => process.stderr.write(`${String(error)}\n`)
      )
    })
    say({ _tag: "ready" })
    return yield* Effect.never
  })
  const logged = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))
  const fiber = Effect.runFork(Effect.scoped(main).pipe(Effect.provide(logged)))
  process.on("SIGTERM", () => Effect.runFork(Fiber.interruptFork(fiber)))
  fiber.addObserver((exit) => {
    if (Exit.isFailure(exit) && !Exit.isInterrupted(exit)) process.stderr.write(`${String(exit.cause)}\n`)
    process.exit(Exit.isInterrupted(exit) ? 0 : 1)
  })
}

const block = (ms: number): void => {
  const until = performance.now() + ms
  while (performance.now() < until);
  say({ _tag: "blocked" })
}

const showFibers = (): void => {
  const roots = Array.from(Fiber.unsafeRoots())
  Effect.runPromise(Fiber.dumpAll(roots)).then(
    (dumps) => {
      const lines = dumps.map(({ id, status }) => `fiber ${JSON.stringify(id)} ${status._tag}`)
      process.stderr.write(`${lines.join("\n")}\n`)
    },
    (error: unknown) => process.stderr.write(`${String(error)}\n`)
  )
}

process.on("message", (message: ToWorker) => {
  if (message._tag === "go") go(message)
  if (message._tag === "block") block(message.ms)
  if (message._tag === "fibers") showFibers()
})
// Who started it is gone: it must not stay.
process.on("disconnect", () => process.exit(1))
say({ _tag: "loaded" })
