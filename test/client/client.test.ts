import { readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import ts from "typescript"
import { describe, expect, it } from "vitest"
import * as Node from "../../src/definition/Node.js"
import * as Query from "../../src/definition/Query.js"
import * as Signal from "../../src/definition/Signal.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import * as Effects from "../../src/example/Effects.js"
import { handlers, Order } from "../../src/example/order.js"
import { tokenOf } from "../../src/http/Tokens.js"
import { serve } from "./harness.js"

const order = { id: "o-1", item: "book", quantity: 1, amount: 40, card: "ok" } as const

const orders = Order.layer.pipe(Layer.provide(handlers), Layer.provide(Effects.layer()))

const Said = Signal.make("said", { payload: Schema.Struct({ who: Schema.Redacted(Schema.String) }) })
const Unsaid = Signal.make("unsaid", { payload: Schema.String })
const Asked = Query.make("asked", { success: Schema.Struct({ question: Schema.String }) })
const Unasked = Query.make("un asked", { success: Schema.String })
const Talking = Node.make("talk", { outputs: { heard: Schema.String }, signals: [Said] })
const Talk = Workflow.make("talk", { version: 1, input: {} })
  .node("talk", Talking, () => ({}))
  .output(({ talk }) => ({ heard: talk.heard }))
const talks = Talk.layer.pipe(
  Layer.provide(
    Talking.toLayer(() =>
      Effect.gen(function* () {
        yield* Step.publish(Asked, { question: "who?" })
        return { heard: Redacted.value((yield* Step.awaitSignal(Said)).who) }
      })
    )
  )
)

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

describe("The client", () => {
  it("starts, triggers and awaits as the engine itself does", () =>
    run(
      Effect.gen(function* () {
        const client = yield* (yield* serve(orders)).client()
        const input = { order: { ...order, amount: 400 } }
        const options = { runId: "r-1", attributes: { customer: "c-1" } }
        expect(yield* client.start(Order, input, options)).toMatchObject({ runId: "r-1", created: true })
        expect(yield* client.start(Order, input, options)).toMatchObject({ runId: "r-1", created: false })
        const conflict = yield* Effect.flip(client.start(Order, { order }, { runId: "r-1" }))
        expect(conflict).toMatchObject({ _tag: "RunConflict", field: "input" })
        const decision = { approved: true, by: "ada" }
        expect(yield* client.trigger(Order, "r-1", "approval", decision, { inputId: "i" })).toEqual({ accepted: true })
        const { receipt } = yield* client.await(Order, "r-1")
        expect(receipt).toMatchObject({ orderId: "o-1", status: "shipped", amount: 400 })
        expect(yield* Effect.flip(client.trigger(Order, "r-1", "approval", decision, { inputId: "j" }))).toMatchObject({
          _tag: "RunEnded",
          status: "completed"
        })
        expect((yield* client.get("r-1")).attributes).toEqual({ customer: "c-1" })
        const { runs } = yield* client.list({ attributes: { customer: "c-1" }, status: "completed", limit: 5 })
        expect(runs.map(({ runId }) => runId)).toEqual(["r-1"])
        expect(yield* client.explain("r-1")).toMatchObject({ _tag: "Ended" })
        expect((yield* client.workflows).map(({ name }) => name)).toEqual(["order"])
        expect((yield* client.events("r-1", { limit: 1 })).length).toBe(1)
      })
    ))

  it("sends signals, asks queries and says when a run begins and has to have ended", () =>
    run(
      Effect.gen(function* () {
        const client = yield* (yield* serve(talks)).client()
        yield* client.start(Talk, {}, { runId: "t-1", deadline: "2999-01-01T00:00:00Z", priority: 3 })
        const ask = client
          .query(Talk, "t-1", "talk", Asked)
          .pipe(Effect.filterOrFail(Option.isSome), Effect.retry(Schedule.spaced("20 millis")))
        expect(yield* ask).toEqual(Option.some({ question: "who?" }))
        expect(yield* client.query(Talk, "t-1", "talk", Unasked)).toEqual(Option.none())
        const said = { who: Redacted.make("ada") }
        expect(yield* client.signal(Talk, "t-1", "talk", Said, said, { inputId: "s" })).toEqual({ accepted: true })
        expect(yield* client.signal(Talk, "t-1", "talk", Said, said, { inputId: "s" })).toEqual({ accepted: false })
        expect(yield* client.await(Talk, "t-1")).toEqual({ heard: "ada" })
        expect(yield* Effect.flip(client.signal(Talk, "t-1", "talk", Said, said, { inputId: "u" }))).toMatchObject({
          _tag: "RunEnded"
        })
        yield* client.start(Talk, {}, { runId: "t-2", startAt: "2999-01-01T00:00:00Z" })
        expect(yield* Effect.flip(client.signal(Talk, "t-2", "talk", Unsaid, "x", { inputId: "v" }))).toMatchObject({
          ...{ _tag: "SignalNotFound", workflow: "talk", nodeId: "talk", signal: "unsaid" }
        })
        const later = client.explain("t-2").pipe(
          Effect.filterOrFail(({ _tag }) => _tag === "WaitsToStart"),
          Effect.retry(Schedule.spaced("20 millis"))
        )
        expect(yield* later).toEqual({ _tag: "WaitsToStart", dueAt: new Date("2999-01-01T00:00:00Z") })
        const late = { startAt: "2999-01-02", deadline: "2999-01-01" }
        expect(yield* Effect.flip(client.start(Talk, {}, late))).toMatchObject({
          _tag: "InvalidInput",
          field: "deadline"
        })
        const over = yield* client.start(Talk, {}, { deadline: new Date(0) })
        expect(yield* Effect.flip(client.await(Talk, over.runId))).toMatchObject({ _tag: "RunFailed" })
      })
    ))

  it("pages through a list", () =>
    run(
      Effect.gen(function* () {
        const client = yield* (yield* serve(orders)).client()
        for (const runId of ["a", "b", "c"]) yield* client.start(Order, { order }, { runId })
        const first = yield* client.list({ limit: 2 })
        expect(first.runs.map(({ runId }) => runId)).toEqual(["c", "b"])
        const second = yield* client.list({ limit: 2, cursor: first.nextCursor! })
        expect(second.runs.map(({ runId }) => runId)).toEqual(["a"])
        expect(yield* Effect.flip(client.list({ cursor: "x" }))).toMatchObject({
          _tag: "InvalidInput",
          field: "cursor"
        })
      })
    ))

  it("follows a run to its end", () =>
    run(
      Effect.gen(function* () {
        const client = yield* (yield* serve(orders)).client()
        yield* client.start(Order, { order }, { runId: "r-1" })
        const news = Chunk.toReadonlyArray(yield* Stream.runCollect(client.follow("r-1")))
        expect(news.at(-1)).toEqual({ _tag: "End", status: "completed" })
        const kinds = news.flatMap((one) => (one._tag === "Event" ? [one.event.kind] : []))
        expect(kinds).toContain("firing.completed")
        expect(yield* Effect.flip(Stream.runDrain(client.follow("nobody")))).toMatchObject({ _tag: "RunNotFound" })
      })
    ))

  it("gives commands, and errors as the engine does", () =>
    run(
      Effect.gen(function* () {
        const client = yield* (yield* serve(orders)).client()
        yield* client.start(Order, { order: { ...order, amount: 400 } }, { runId: "r-1" })
        yield* client.cancel("r-1")
        expect(yield* Effect.flip(client.await(Order, "r-1"))).toMatchObject({ _tag: "RunCancelled" })
        expect(yield* Effect.flip(client.resume("r-1"))).toMatchObject({ _tag: "CommandRefused", status: "cancelled" })
        expect(yield* Effect.flip(client.retry("r-1"))).toMatchObject({ _tag: "CommandRefused", command: "retry" })
        expect(yield* Effect.flip(client.get("nobody"))).toMatchObject({ _tag: "RunNotFound", runId: "nobody" })
        expect(yield* Effect.flip(client.get("a/b"))).toMatchObject({ _tag: "InvalidInput", field: "runId" })
      })
    ))

  it("bears its token, and says what the server refuses without it", () =>
    run(
      Effect.gen(function* () {
        const token = Redacted.make("a-token-that-nobody-guesses")
        const served = yield* serve(orders, { tokens: [tokenOf("reader", "read", token)] })
        const reader = yield* served.client({ token })
        expect((yield* reader.list()).runs).toEqual([])
        expect(yield* Effect.flip(reader.cancel("r"))).toMatchObject({ _tag: "AccessDenied" })
        const stranger = yield* served.client()
        expect(yield* Effect.flip(stranger.list())).toMatchObject({ _tag: "AccessDenied" })
        expect(yield* Effect.flip(Stream.runDrain(stranger.follow("r")))).toMatchObject({ _tag: "AccessDenied" })
      })
    ))

  it("says that nobody is there", () =>
    run(
      Effect.gen(function* () {
        const { client } = yield* serve(orders)
        const lost = yield* client({ url: "http://127.0.0.1:1" })
        expect(yield* Effect.flip(lost.cancel("r"))).toMatchObject({ _tag: "Unreachable" })
      })
    ))
})

describe("Different builds of one definition", () => {
  const make = <In, InText, Out, OutText>(input: Schema.Schema<In, InText>, output: Schema.Schema<Out, OutText>) => {
    const Greet = Node.make("greet", { inputs: { who: input }, outputs: { greeting: output } })
    const Hello = Workflow.make("hello", { version: 1, input: { who: input } })
      .node("greet", Greet, (ports) => ({ who: ports.input.who }))
      .output(({ greet }) => ({ greeting: greet.greeting }))
    return { Greet, Hello }
  }
  const Person = Schema.Struct({ name: Schema.String })
  const Greeting = Schema.Struct({ text: Schema.String })
  const server = make(Person, Greeting)
  const hello = server.Hello.layer.pipe(
    Layer.provide(server.Greet.toLayer(({ who }) => Effect.succeed({ greeting: { text: `Hello, ${who.name}` } })))
  )

  it("agree where one has an optional field more", () =>
    run(
      Effect.gen(function* () {
        const client = yield* (yield* serve(hello)).client()
        const { Hello } = make(
          Schema.Struct({ name: Schema.String, title: Schema.optional(Schema.String) }),
          Schema.Struct({ text: Schema.String, language: Schema.optional(Schema.String) })
        )
        const { runId } = yield* client.start(Hello, { who: { name: "Ada", title: "Countess" } })
        expect(yield* client.await(Hello, runId)).toEqual({ greeting: { text: "Hello, Ada" } })
      })
    ))

  it("tell of an input that lacks what the server wants", () =>
    run(
      Effect.gen(function* () {
        const client = yield* (yield* serve(hello)).client()
        const { Hello } = make(Schema.Struct({ nick: Schema.String }), Greeting)
        expect(yield* Effect.flip(client.start(Hello, { who: { nick: "ada" } }))).toMatchObject({
          _tag: "InvalidInput",
          field: "input.who.name"
        })
      })
    ))

  it("tell of an output that lacks what the client wants", () =>
    run(
      Effect.gen(function* () {
        const client = yield* (yield* serve(hello)).client()
        const { Hello } = make(Person, Schema.Struct({ text: Schema.String, language: Schema.String }))
        const { runId } = yield* client.start(Hello, { who: { name: "Ada" } })
        const error = yield* Effect.flip(client.await(Hello, runId))
        expect(error).toMatchObject({ _tag: "DefinitionMismatch", workflow: "hello", version: 1 })
        expect(error.message).toContain("output.greeting.language")
      })
    ))
})

describe("A browser", () => {
  const root = fileURLToPath(new URL("../..", import.meta.url))

  /** What a module imports when it runs; types are gone by then. */
  const importsOf = (file: string): ReadonlyArray<string> =>
    ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest).statements.flatMap((statement) => {
      if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return []
      const named = ts.isImportDeclaration(statement) ? statement.importClause?.namedBindings : statement.exportClause
      const elements = named !== undefined && "elements" in named ? [...named.elements] : []
      const onlyTypes =
        (ts.isImportDeclaration(statement) ? statement.importClause?.isTypeOnly : statement.isTypeOnly) === true ||
        (elements.length > 0 && elements.every((element) => element.isTypeOnly))
      const from = statement.moduleSpecifier
      return onlyTypes || from === undefined || !ts.isStringLiteral(from) ? [] : [from.text]
    })

  const reached = (entry: string): ReadonlyMap<string, string> => {
    const packages = new Map<string, string>()
    const seen = new Set<string>()
    const visit = (file: string): void => {
      if (seen.has(file)) return
      seen.add(file)
      for (const name of importsOf(file)) {
        if (name.startsWith(".")) visit(resolve(dirname(file), name.replace(/\.js$/, ".ts")))
        else packages.set(name, file)
      }
    }
    visit(join(root, entry))
    return packages
  }

  it.each(["src/client/index.ts", "src/definition/index.ts"])("can load all that %s needs", (entry) => {
    const foreign = [...reached(entry)].filter(([name]) => !/^(effect|@effect\/platform)(\/|$)/.test(name))
    expect(foreign).toEqual([])
  })

  it("would be refused what needs Node (this test sees it)", () => {
    expect([...reached("src/http/server.ts").keys()]).toContain("node:http")
  })
})
