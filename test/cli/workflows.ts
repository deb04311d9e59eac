import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Input, Node, Output, Query, Signal, Step, Workflow } from "perdure"

const Greet = Node.make("greet", { inputs: { name: Schema.String }, outputs: { greeting: Schema.String } })

const Hello = Workflow.make("hello", { version: 1, input: { name: Schema.String } })
  .node("greet", Greet, ({ input }) => ({ name: input.name }))
  .output(({ greet }) => ({ greeting: greet.greeting }))

const Code = Signal.make("code", { payload: Schema.Struct({ code: Schema.Redacted(Schema.String) }) })
const Progress = Query.make("progress", { success: Schema.Struct({ percent: Schema.Number }) })
const Login = Node.make("login", {
  inputs: { password: Schema.Redacted(Schema.String) },
  outputs: { user: Schema.String },
  signals: [Code]
})

const Session = Workflow.make("session", { version: 1, input: { password: Schema.Redacted(Schema.String) } })
  .node("login", Login, ({ input }) => ({ password: input.password }))
  .output(({ login }) => ({ user: login.user }))

const login = Login.toLayer(() =>
  Effect.gen(function* () {
    yield* Step.publish(Progress, { percent: 50 })
    yield* Step.awaitSignal(Code)
    return { user: "ada" }
  })
)

const Shy = Node.make("shy", {
  inputs: { name: Schema.String },
  outputs: { greeting: Schema.String },
  error: Schema.String
})
const Meeting = Workflow.make("meeting", { version: 1, input: { name: Schema.String } })
  .node("shy", Shy, ({ input }) => ({ name: input.name }))
  .output(({ shy }) => ({ greeting: shy.greeting }))

const known = new Set<string>()

/** Greets nobody at first sight. */
const shy = Shy.toLayer(({ name }) =>
  Effect.suspend(() => {
    if (known.has(name)) return Effect.succeed({ greeting: `Hello, ${name}` })
    known.add(name)
    return Effect.fail(`who is ${name}?`)
  })
)

const Tell = Node.make("tell", {
  inputs: { name: Schema.String },
  outputs: { words: Output.many(Schema.String) },
  retry: { times: 3, schedule: Schedule.spaced(0) }
})
const Hear = Node.make("hear", { inputs: { words: Input.all(Schema.String) }, outputs: { count: Schema.Int } })
const Story = Workflow.make("story", { version: 1, input: { name: Schema.String } })
  .node("tell", Tell, ({ input }) => ({ name: input.name }))
  .node("hear", Hear, ({ tell }) => ({ words: tell.words }))
  .output(({ hear }) => ({ count: hear.count }))

let telling = 0

/** Breaks off once, tells another story the second time, and the first one again from then on. */
const tell = Tell.toLayer(({ name }) =>
  Effect.sync(() => {
    telling++
    const words = Array.from({ length: 700 }, (_, place) => `${telling === 2 ? "another" : name} ${place}`)
    const told = Stream.fromIterable(words)
    return { words: telling === 1 ? Stream.concat(told, Stream.die("lost the thread")) : told }
  })
)

/** What `perdure serve --workflows` loads. */
export const workflows = Layer.mergeAll(
  Hello.layer.pipe(Layer.provide(Greet.toLayer(({ name }) => Effect.succeed({ greeting: `Hello, ${name}` })))),
  Session.layer.pipe(Layer.provide(login)),
  Meeting.layer.pipe(Layer.provide(shy)),
  Story.layer.pipe(Layer.provide([tell, Hear.toLayer(({ words }) => Effect.succeed({ count: words.length }))]))
)
