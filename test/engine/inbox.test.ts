import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import { RunId } from "../../src/model/Ids.js"
import { Limits } from "../../src/model/Limits.js"
import * as DatabaseClock from "../../src/runtime/DatabaseClock.js"
import { Janitor, layer as janitor } from "../../src/runtime/Janitor.js"
import { largePayloads } from "../../src/runtime/LargePayloads.js"
import { Inbox } from "../../src/store/Inbox.js"
import { loseAcknowledgement } from "./faults.js"
import { Approved, Chain, Fan, Values, Zipped } from "./fixtures.js"
import { approved, chain, fan, makeGate, values as valuesWorkflow, zipped } from "./handlers.js"
import { scenario, values } from "./world.js"

scenario("a commit puts a message into the inbox of whoever is wired, with an id derived from its producer", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain() })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    expect(yield* world.messages("a", "second", "in", "first.out")).toMatchObject([
      { producer: "first.out", firing: 1, ordinal: 0, content: { _tag: "Live", text: "2", value: 2 }, discarded: false }
    ])
  })
)

scenario("one output wired to two handles is a message in each inbox", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved() })
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    yield* engine.trigger(Approved, "a", "approval", { approved: false }, { inputId: "1" })
    yield* engine.awaitEnd("a")
    expect(values(yield* world.messages("a", "output", "no", "approval.no"))).toEqual([2])
    expect(values(yield* world.messages("a", "second", "in", "approval.yes"))).toEqual(["not_taken"])
    expect(values(yield* world.messages("a", "output", "n", "second.out"))).toEqual(["skipped"])
  })
)

scenario("a workflow's input is a message from the input to each of its consumers", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: fan() })
    yield* engine.start(Fan, { n: 2, by: 3 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    expect(values(yield* world.messages("a", "split", "n", "input.n"))).toEqual([2])
    expect(values(yield* world.messages("a", "scale", "by", "input.by"))).toEqual([3])
  })
)

scenario("each element of a many output is a message, in order", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: fan() })
    yield* engine.start(Fan, { n: 4, by: 1 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    const messages = yield* world.messages("a", "scale", "part", "split.parts")
    expect(messages.map(({ firing, ordinal }) => [firing, ordinal])).toEqual([
      [1, 0],
      [1, 1],
      [1, 2],
      [1, 3]
    ])
    expect(values(messages)).toEqual([1, 2, 3, 4])
  })
)

scenario("pending messages are read with a limit and from a position", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: fan() })
    yield* engine.start(Fan, { n: 6, by: 1 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    const parts = (ordinal: number, limit?: number) =>
      Effect.map(world.messages("a", "scale", "part", "split.parts", { firing: 1, ordinal }, limit), values)
    expect(yield* parts(0, 2)).toEqual([1, 2])
    expect(yield* parts(4)).toEqual([5, 6])
    expect(yield* parts(2, 3)).toEqual([3, 4, 5])
  })
)

scenario("a consumed message is named by the one firing that consumed it", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: fan() })
    yield* engine.start(Fan, { n: 3, by: 1 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    const firings = yield* world.firings("a")
    const taken = [1, 2, 3].map((firing) => firings[`scale/${firing}`]!.inputs["part"])
    expect(taken).toEqual([0, 1, 2].map((ordinal) => ({ ref: ["split.parts", 1, ordinal] })))
  })
)

scenario("the highest position of each producer is known", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: fan() })
    yield* engine.start(Fan, { n: 5, by: 1 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    const highest = (nodeId: string, handle: string) =>
      world.read(Effect.flatMap(Inbox, (inbox) => inbox.highest(RunId.make("a"), nodeId, handle)))
    expect(yield* highest("scale", "part")).toEqual([{ producer: "split.parts", firing: 1, ordinal: 4 }])
    expect(yield* highest("sum", "parts")).toEqual([{ producer: "scale.out", firing: 5, ordinal: 0 }])
    expect(yield* highest("sum", "nothing")).toEqual([])
  })
)

scenario("order is that of positions, whatever firing ends first", (world) =>
  Effect.gen(function* () {
    const slow = yield* makeGate
    const { engine } = yield* world.start({
      workflows: fan((context) => (context.firing === 1 ? slow.hook(context) : Effect.void))
    })
    yield* engine.start(Fan, { n: 3, by: 1 }, { runId: "a" })
    yield* slow.arrived
    yield* world.untilRow(
      "select from perdure.run_node_state where node_id = 'scale' and firing = 3 and status = 'completed'"
    )
    expect(values(yield* world.messages("a", "sum", "parts", "scale.out"))).toEqual([2, 3])
    yield* slow.open
    yield* engine.awaitEnd("a")
    expect(values(yield* world.messages("a", "sum", "parts", "scale.out"))).toEqual([1, 2, 3])
  })
)

scenario("a commit whose acknowledgement was lost is not appended again", (world) =>
  Effect.gen(function* () {
    const { fault, pool } = loseAcknowledgement("runs")
    const { engine } = yield* world.start({ workflows: chain(), pool })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    expect(yield* engine.await(Chain, "a")).toEqual({ n: 4 })
    expect(fault.happened).toBe(1)
    expect(yield* world.run("a")).toMatchObject({ version: 3, fence: 1 })
    const counted = yield* world.sql("select count(*)::int4 as count from perdure.run_inbox_messages")
    expect(counted).toEqual([{ count: 3 }])
  })
)

scenario("messages left over by the end of their consumer are discarded, visibly", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: zipped() })
    yield* engine.start(Zipped, { n: 3 }, { runId: "a" })
    expect(yield* engine.await(Zipped, "a")).toEqual({ sums: [11, 22] })
    const longs = yield* world.messages("a", "zip", "long", "pair.long")
    expect(longs.map(({ discarded }) => discarded)).toEqual([false, false, true])
  })
)

const warnings = (lines: Array<string>) =>
  Logger.add(
    Logger.make(({ logLevel, message }) => {
      if (logLevel.label === "WARN") lines.push(String(Array.isArray(message) ? message[0] : message))
    })
  )

scenario("a large payload is warned of once for each port and counted always, a small one never", (world) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const large = "x".repeat(Limits.largePayloadBytes)
    const before = (yield* Metric.value(largePayloads)).count
    const { engine } = yield* world
      .start({ workflows: valuesWorkflow((value) => (value === "grow" ? large : value)) })
      .pipe(Effect.provide(warnings(lines)))
    for (const value of ["small", "grow", "grow", large]) {
      const { runId } = yield* engine.start(Values, { value }).pipe(Effect.provide(warnings(lines)))
      yield* engine.awaitEnd(runId)
    }
    const named = lines.filter((line) => line.includes("blob store")).map((line) => line.match(/values: (\S+)/)?.[1])
    expect(named.sort()).toEqual(["again.value", "echo.value", "input.value"])
    // twice two ports, once three
    expect((yield* Metric.value(largePayloads)).count - before).toBe(7)
  })
)

scenario("messages of runs that ended long ago are cleaned up; runs, firings and young messages stay", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: Layer.merge(chain(), approved()) })
    for (const runId of ["old", "young"]) {
      yield* engine.start(Chain, { n: 1 }, { runId })
      yield* engine.awaitEnd(runId)
    }
    yield* engine.start(Approved, { n: 1 }, { runId: "waits" })
    yield* world.until("waits", "suspended")
    yield* world.sql("update perdure.run_state set ended_at = ended_at - interval '8 days' where run_id = 'old'")
    const sweep = world.over(
      Effect.scoped(
        Effect.flatMap(Janitor, (service) => service.sweep).pipe(
          Effect.provide(Layer.provide(janitor, DatabaseClock.layer))
        )
      )
    )
    expect(yield* sweep).toMatchObject({ messages: 3 })
    expect(yield* sweep).toMatchObject({ messages: 0 })
    expect(yield* world.messages("old", "second", "in", "first.out")).toEqual([])
    expect(yield* world.messages("young", "second", "in", "first.out")).toHaveLength(1)
    expect(yield* world.messages("waits", "approval", "in", "first.out")).toHaveLength(1)
    expect(yield* engine.await(Chain, "old")).toEqual({ n: 4 })
    expect(Object.keys(yield* world.firings("old"))).toEqual(["first/1", "second/1"])
  })
)
