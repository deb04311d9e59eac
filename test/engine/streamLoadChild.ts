import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Engine } from "../../src/Engine.js"
import * as Perdure from "../../src/layers.js"
import { Load, load } from "./streamLoad.js"

/** A process that streams: tells its parent how much of its heap is alive, again and again, and at last what came out. */

const [url = "", count = "0"] = process.argv.slice(2)

const everyMs = 250

const tell = (message: object): void => {
  process.send?.(message)
}

const tellHeap = (): void => {
  // What is dead is no matter here.
  globalThis.gc?.()
  tell({ heapUsed: process.memoryUsage().heapUsed })
}

const live = load.pipe(
  Layer.provideMerge(Perdure.layerEngine()),
  Layer.provide(Perdure.layerPostgres({ url: Redacted.make(url), migrate: false }))
)

const program = Effect.gen(function* () {
  const engine = yield* Engine
  tellHeap()
  setInterval(tellHeap, everyMs).unref()
  yield* engine.start(Load, { count: Number(count) }, { runId: "load" })
  const { total } = yield* engine.await(Load, "load")
  tell({ total })
})

process.on("disconnect", () => process.exit(0))
await Effect.runPromise(program.pipe(Effect.provide(live)))
process.disconnect?.()
