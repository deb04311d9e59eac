import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Node, Workflow } from "perdure"

const Greet = Node.make("greet", { inputs: { name: Schema.String }, outputs: { greeting: Schema.String } })

const Hello = Workflow.make("hello", { version: 1, input: { name: Schema.String } })
  .node("greet", Greet, ({ input }) => ({ name: input.name }))
  .output(({ greet }) => ({ greeting: greet.greeting }))

/** What `perdure serve --workflows` loads. */
export const workflows = Hello.layer.pipe(
  Layer.provide(Greet.toLayer(({ name }) => Effect.succeed({ greeting: `Hello, ${name}` })))
)
