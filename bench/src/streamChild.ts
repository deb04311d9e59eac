import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Engine, Perdure } from "../../src/index.js"
import { pipelineOf } from "./streamWork.js"

/** One life of a worker that takes part in the stream load; tells its parent how much memory it has, and what came out. */

const [url = "", messages = "0", inside = "false"] = process.argv.slice(2)

const { layer, workflow } = pipelineOf(inside === "true")

const everyMs = 200

const tell = (): void => {
  const { heapUsed, rss } = process.memoryUsage()
  process.send?.({ rss, heapUsed })
}

const live = layer.pipe(
  Layer.provideMerge(Perdure.layerEngine({ leaseMs: 5_000, heartbeatMs: 1_000 })),
  Layer.provide(Perdure.layerPostgres({ url: Redacted.make(url) }))
)

const program = Effect.gen(function* () {
  const engine = yield* Engine
  tell()
  setInterval(tell, everyMs).unref()
  yield* engine.start(workflow, { messages: Number(messages) }, { runId: "pipeline" })
  const { total } = yield* engine.await(workflow, "pipeline")
  tell()
  process.send?.({ total })
})

process.on("disconnect", () => process.exit(0))
await Effect.runPromise(program.pipe(Effect.provide(live)))
process.disconnect?.()
