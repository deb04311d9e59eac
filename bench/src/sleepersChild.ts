import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { keepHeapSmall } from "../../src/cli/Rest.js"
import { Engine, Node, Perdure, Step, Workflow } from "../../src/index.js"
import type { StartSleepers, ToSleepers } from "./sleepers.js"

/** A server with runs that sleep: starts them when told to, and says how much memory it has. */

const [url = ""] = process.argv.slice(2)

const Sleep = Node.make("sleep", {
  inputs: { number: Schema.Int, hours: Schema.Int },
  outputs: { number: Schema.Int }
})

const Sleeper = Workflow.make("sleeper", { version: 1, input: { number: Schema.Int, hours: Schema.Int } })
  .node("sleep", Sleep, ({ input }) => ({ number: input.number, hours: input.hours }))
  .output(({ sleep }) => ({ number: sleep.number }))

const live = Sleeper.layer.pipe(
  Layer.provide(
    Sleep.toLayer(({ hours, number }) => Effect.as(Step.sleep("hours", Duration.hours(hours)), { number }))
  ),
  Layer.provideMerge(Perdure.layerEngine()),
  Layer.provide(Perdure.layerPostgres({ url: Redacted.make(url) }))
)

const start = (engine: typeof Engine.Service, { count, from, hours, prefix }: StartSleepers) =>
  Effect.flatMap(
    engine.startMany(
      Sleeper,
      Array.from({ length: count }, (_, index) => ({
        input: { number: from + index, hours },
        runId: `${prefix}-${from + index}`
      }))
    ),
    Effect.forEach((result) => (Either.isLeft(result) ? Effect.fail(result.left) : Effect.void), { discard: true })
  )

const program = Effect.gen(function* () {
  const engine = yield* Engine
  process.on("message", (message: ToSleepers) => {
    const answered =
      message._tag === "memory"
        ? Promise.resolve(process.memoryUsage().rss)
        : Effect.runPromise(Effect.as(start(engine, message), 0))
    answered.then(
      (value) => process.send?.({ value }),
      (error: unknown) => process.send?.({ error: String(error) })
    )
  })
  process.send?.({ value: 0 })
  return yield* Effect.never
})

process.on("disconnect", () => process.exit(0))
keepHeapSmall()
await Effect.runPromise(program.pipe(Effect.provide(live)))
