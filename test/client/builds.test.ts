import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import * as Node from "../../src/definition/Node.js"
import * as Output from "../../src/definition/Output.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { serve } from "./harness.js"

const Hello = Workflow.make("hello", { version: 1, input: { who: Schema.String } })

const inputs = { who: Schema.String }
const Greet = Node.make("greet", { inputs, outputs: { greeting: Schema.String, words: Output.many(Schema.String) } })
const served = Hello.node("greet", Greet, ({ input }) => ({ who: input.who }))
  .output(({ greet }) => ({ greeting: greet.greeting, words: greet.words }))
  .layer.pipe(
    Layer.provide(Greet.toLayer(({ who }) => Effect.succeed({ greeting: `Hello, ${who}`, words: ["Hello", who] })))
  )

const Lines = Node.make("greet", { inputs, outputs: { lines: Output.many(Schema.String) } })
const Line = Node.make("greet", { inputs, outputs: { line: Schema.String } })
const Greetings = Node.make("greet", { inputs, outputs: { greeting: Output.many(Schema.String) } })
const Words = Node.make("greet", { inputs, outputs: { words: Schema.String } })

const others = [
  [
    Hello.node("greet", Lines, ({ input }) => ({ who: input.who })).output(({ greet }) => ({ lines: greet.lines })),
    "output.lines: is missing"
  ],
  [
    Hello.node("greet", Line, ({ input }) => ({ who: input.who })).output(({ greet }) => ({ line: greet.line })),
    "output.line: Expected string, actual undefined"
  ],
  [
    Hello.node("greet", Greetings, ({ input }) => ({ who: input.who })).output(({ greet }) => ({
      greeting: greet.greeting
    })),
    "output.greeting: is no array"
  ],
  [
    Hello.node("greet", Words, ({ input }) => ({ who: input.who })).output(({ greet }) => ({ words: greet.words })),
    "output.words: Expected string, actual"
  ]
] as const

it("A client of another build is told what the server's build does not give", () =>
  Effect.gen(function* () {
    const client = yield* (yield* serve(served)).client()
    for (const [workflow, reason] of others) {
      const { runId } = yield* client.start(workflow as Workflow.Any, { who: "Ada" })
      const error = yield* Effect.flip(client.await(workflow as Workflow.Any, runId))
      expect(error).toMatchObject({ _tag: "DefinitionMismatch", workflow: "hello", version: 1 })
      expect(error.message).toContain(reason)
    }
  }).pipe(Effect.scoped, Effect.runPromise))
