import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import * as Node from "../../src/definition/Node.js"
import * as Signal from "../../src/definition/Signal.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import * as Perdure from "../../src/layers.js"
import type { RawRow, Transactor } from "../../src/store/Transactor.js"
import { query } from "../postgres/harness.js"
import { follow } from "./events.js"
import { type Answer, serving } from "./harness.js"

const { String: S } = Schema

const Greet = Node.make("greet", { inputs: { name: S }, outputs: { greeting: S }, error: S })
const Hello = Workflow.make("hello", { version: 1, input: { name: S } })
  .node("greet", Greet, ({ input }) => ({ name: input.name }))
  .output(({ greet }) => ({ greeting: greet.greeting }))

const known = new Set<string>()

/** Greets nobody at first sight. */
const greet = Greet.toLayer(({ name }) =>
  Effect.suspend(() => {
    if (known.has(name)) return Effect.succeed({ greeting: `Hello, ${name}` })
    known.add(name)
    return Effect.fail(`who is ${name}?`)
  })
)

const Word = Signal.make("word", { payload: S })
const Ask = Node.trigger("ask", { payload: S, outputs: { said: S } })
const Listen = Node.make("listen", { inputs: { said: S }, outputs: { heard: S }, signals: [Word] })
const Talk = Workflow.make("talk", { version: 1, input: {} })
  .node("ask", Ask, () => ({}))
  .node("listen", Listen, ({ ask }) => ({ said: ask.said }))
  .output(({ listen }) => ({ heard: listen.heard }))

const talk = [
  Ask.toLayer((_, said) => Effect.succeed({ said })),
  Listen.toLayer(({ said }) => Effect.map(Step.awaitSignal(Word), (word) => ({ heard: `${said} ${word}` })))
] as const

/** What looks into the database behind the server. */
let ask: (text: string) => Promise<ReadonlyArray<RawRow>> = () => Promise.reject(new Error("nothing is served yet"))

const stores = Layer.provideMerge(
  Layer.effectDiscard(
    Effect.map(Effect.context<Transactor>(), (context) => {
      ask = (text) => Effect.runPromise(Effect.provide(query(text), context))
    })
  ),
  Perdure.layerEmbedded({})
)

const engine = Layer.merge(Hello.layer.pipe(Layer.provide(greet)), Talk.layer.pipe(Layer.provide(talk))).pipe(
  Layer.provideMerge(Perdure.layerEngine({ pollMs: 50, idleMs: 0 })),
  Layer.provideMerge(stores)
)
const operated = Layer.provideMerge(Perdure.layerOperator, engine)

const server = serving(operated, { operator: operated, settings: { streamMs: 20 } })

const start = async (workflow: "hello" | "talk", input: object) => {
  const runId = `run-${randomUUID()}`
  expect(await server.send({ path: "/api/runs", body: { workflow, runId, input } })).toMatchObject({ status: 201 })
  return runId
}

const ended = async (runId: string) => (await server.send({ path: `/api/runs/${runId}/result?wait=60` })).body

const post = (runId: string, verb: string, body: object = {}) =>
  server.send({ path: `/api/runs/${runId}/${verb}`, body })

/** Waits until a run is told to stand so. */
const until = async (runId: string, status: string) => {
  const seen = await follow(server.port, `/api/runs/${runId}/stream`)
  const told = await seen.until(
    ({ data, event }) => event !== "event" && (data as { status: string }).status === status
  )
  seen.close()
  expect(told.at(-1)?.data).toMatchObject({ status })
}

const listed = async (status: string): Promise<ReadonlyArray<string>> => {
  const { body } = await server.send({ path: `/api/runs?workflow=talk&status=${status}&limit=500` })
  return (body!["runs"] as ReadonlyArray<{ runId: string }>).map(({ runId }) => runId)
}

/** A run that waits for its first event. */
const waiting = async () => {
  const runId = await start("talk", {})
  await until(runId, "suspended")
  return runId
}

const say = (runId: string, place: string, inputId: string) => post(runId, place, { inputId, payload: inputId })

describe("A run is steered over HTTP", () => {
  it("a failed one goes on by retry from what failed, and unpark refuses it with the remedy", async () => {
    const runId = await start("hello", { name: "Ada" })
    expect(await ended(runId)).toMatchObject({ status: "failed", error: { error: "who is Ada?" } })
    expect(await post(runId, "unpark")).toMatchObject({
      status: 409,
      body: {
        ...{ _tag: "CommandRefused", command: "unpark", status: "failed", remedy: "retry" },
        message: `can't unpark run ${runId}: it is failed; to let it go on, retry it`
      }
    })
    expect(await ended(runId)).toMatchObject({ status: "failed" })
    expect(await post(runId, "retry")).toMatchObject({ status: 202, body: { status: "pending" } })
    // The answer came before the run has taken it: until then it is what it was.
    while ((await server.send({ path: `/api/runs/${runId}` })).body?.["status"] === "failed");
    expect(await ended(runId)).toEqual({ status: "completed", output: { greeting: "Hello, Ada" } })
    expect((await post(runId, "retry")).body).toEqual({
      ...{ _tag: "CommandRefused", runId, command: "retry", status: "completed" },
      message: `can't retry run ${runId}: it is completed`
    })
  })

  it("a parked one goes on by unpark, from where it stands", async () => {
    const runId = await waiting()
    while ((await ask(`select from perdure.run_state where run_id = '${runId}' and worker is null`)).length === 0);
    await ask(
      `update perdure.run_state set status = 'parked', reason = 'Poison: by hand', due_at = null where run_id = '${runId}'`
    )
    expect((await server.send({ path: "/api/stuck" })).body?.["runs"]).toMatchObject([{ runId, status: "parked" }])
    expect(await post(runId, "resume")).toMatchObject({ status: 409, body: { status: "parked", remedy: "unpark" } })
    expect((await post(runId, "unpark")).status).toBe(202)
    expect((await say(runId, "triggers/ask", "psst")).status).toBe(202)
    expect((await say(runId, "signals/listen/word", "now")).status).toBe(202)
    expect(await ended(runId)).toEqual({ status: "completed", output: { heard: "psst now" } })
    expect(await post(runId, "unpark")).toMatchObject({ status: 409, body: { command: "unpark", status: "completed" } })
  })

  it("by pause and resume, and each says what would let it go on", async () => {
    const runId = await waiting()
    expect(await post(runId, "resume")).toMatchObject({ status: 409, body: { status: "suspended" } })
    expect((await post(runId, "pause")).status).toBe(202)
    await until(runId, "paused")
    expect(await listed("paused")).toContain(runId)
    expect(await post(runId, "retry")).toMatchObject({ status: 409, body: { status: "paused", remedy: "resume" } })
    expect((await say(runId, "triggers/ask", "psst")).status).toBe(202)
    expect((await post(runId, "resume")).status).toBe(202)
    const seen = await follow(server.port, `/api/runs/${runId}/stream`)
    await seen.until(({ data, event }) => event === "event" && (data as { nodeId?: string }).nodeId === "listen")
    seen.close()
    expect((await say(runId, "signals/listen/word", "now")).status).toBe(202)
    expect(await ended(runId)).toEqual({ status: "completed", output: { heard: "psst now" } })
  })

  it("by cancel, from when on it is listed as cancelling or cancelled and not as what it was", async () => {
    const runId = await waiting()
    expect(await listed("suspended")).toContain(runId)
    expect(await post(runId, "cancel")).toMatchObject({ status: 202, body: { status: "cancelling" } })
    expect(await listed("suspended")).not.toContain(runId)
    expect(await ended(runId)).toEqual({ status: "cancelled" })
    expect(await listed("cancelled")).toContain(runId)
    expect(await post(runId, "cancel")).toMatchObject({ status: 409, body: { status: "cancelled" } })
  })

  it("an event and a signal are taken once each, and both come to the run", async () => {
    const runId = await waiting()
    const answers: Array<Answer> = []
    for (const inputId of ["one", "one"]) answers.push(await say(runId, "triggers/ask", inputId))
    for (const inputId of ["two", "two"]) answers.push(await say(runId, "signals/listen/word", inputId))
    expect(answers.map(({ body, status }) => [status, body])).toEqual([
      [202, { accepted: true }],
      [200, { accepted: false }],
      [202, { accepted: true }],
      [200, { accepted: false }]
    ])
    expect(await ended(runId)).toEqual({ status: "completed", output: { heard: "one two" } })
    expect(await say(runId, "triggers/ask", "late")).toMatchObject({ status: 409, body: { _tag: "RunEnded" } })
  })

  it("many are started, each found by what it is", async () => {
    const runs = ["one", "two"].map((name) => ({ workflow: "hello", runId: `b-${name}`, input: { name } }))
    known.add("one").add("two")
    expect((await server.send({ path: "/api/batches", body: { runs } })).status).toBe(200)
    for (const { input, runId } of runs) {
      expect(await ended(runId)).toEqual({ status: "completed", output: { greeting: `Hello, ${input.name}` } })
    }
  })
})
