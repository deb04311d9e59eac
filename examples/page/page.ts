import { Effect, Schema } from "effect"
import { Client, layer } from "perdure/client"
import { Node, Workflow } from "perdure/definition"

// The server imports the same definitions and gives their nodes handlers.
export const Greet = Node.make("greet", { inputs: { name: Schema.String }, outputs: { greeting: Schema.String } })

export const Hello = Workflow.make("hello", { version: 1, input: { name: Schema.String } })
  .node("greet", Greet, ({ input }) => ({ name: input.name }))
  .output(({ greet }) => ({ greeting: greet.greeting }))

/** Input and result are typed by the workflow, and encoded by its schemas. */
export const greeting = (url: string, name: string) =>
  Effect.gen(function* () {
    const client = yield* Client
    const { runId } = yield* client.start(Hello, { name }, { runId: `hello-${name}` })
    return (yield* client.await(Hello, runId)).greeting
  }).pipe(Effect.provide(layer({ url })))
