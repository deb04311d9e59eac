import { Effect, Layer, Schema } from "effect"
import { Engine, Node, Perdure, Workflow } from "perdure"

const Greet = Node.make("greet", { inputs: { name: Schema.String }, outputs: { greeting: Schema.String } })

const Hello = Workflow.make("hello", { version: 1, input: { name: Schema.String } })
  .node("greet", Greet, ({ input }) => ({ name: input.name }))
  .output(({ greet }) => ({ greeting: greet.greeting }))

const App = Hello.layer.pipe(
  Layer.provide(Greet.toLayer(({ name }) => Effect.succeed({ greeting: `Hello, ${name}` }))),
  Layer.provideMerge(Perdure.layerEngine()),
  Layer.provide(Perdure.layerEmbedded()) // or Perdure.layerPostgres({ url: Redacted.make("postgres://…") })
)

const program = Effect.gen(function* () {
  const engine = yield* Engine
  const { runId } = yield* engine.start(Hello, { name: "Ada" }, { runId: "hello-1" })
  const { greeting } = yield* engine.await(Hello, runId)
  yield* Effect.log(greeting)
})

await Effect.runPromise(program.pipe(Effect.provide(App)))
