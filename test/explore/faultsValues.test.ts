import { describe, expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import * as Output from "../../src/definition/Output.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { execute } from "../../src/testing/Case.js"
import { Client } from "../../src/testing/Client.js"
import { TestDatabase } from "../../src/testing/index.js"
import { exploredSettings, type Subject } from "../../src/testing/Subject.js"
import { World } from "../../src/testing/World.js"
import { oneRun } from "./corpus/kit.js"

class Database extends Context.Tag("test/Database")<Database, TestDatabase.TestDatabase>() {}

const make = Node.make("make", { inputs: { which: Schema.String }, outputs: { value: Schema.Unknown } })
const pass = Node.make("pass", { inputs: { value: Schema.Unknown }, outputs: { value: Schema.Unknown } })
const Passing = Workflow.make("passing", { version: 1, input: { which: Schema.String } })
  .node("make", make, ({ input }) => ({ which: input.which }))
  .node("pass", pass, ({ make }) => ({ value: make.value }))
  .output(({ pass }) => ({ value: pass.value }))

/** A run in which one handler makes a value and another one passes it on, read back from its rows in between. */
const passing = (value: unknown): Subject =>
  oneRun({
    workflow: Passing,
    input: { which: "it" },
    handlers: Layer.merge(
      make.toLayer(() => Effect.succeed({ value })),
      pass.toLayer(({ value }) => Effect.succeed({ value }))
    ),
    settings: { alwaysEvict: true }
  })

const nested = (depth: number): unknown => {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

/** As it comes out of `JSON.parse`, with the key of its own. */
const withProto: unknown = JSON.parse('{"__proto__": {"admin": true}}')

const kept: Readonly<Record<string, unknown>> = {
  "1 MB": "x".repeat(1_048_576),
  NUL: "a\u0000b",
  "lone surrogates": ["\ud800", "\udc00x"],
  "negative zero": [-0],
  "a depth of 400": nested(400),
  null: null
}

const refused: Readonly<Record<string, unknown>> = {
  "a bigint": 1n,
  NaN: Number.NaN,
  "undefined in an array": [undefined],
  "a Date": new Date(0),
  "a depth of 10,000": nested(10_000),
  "a key __proto__": withProto
}

const step = Node.trigger("step", {
  payload: Schema.Number,
  inputs: { v: Schema.Number },
  outputs: { v: Schema.Number }
})
const Waiting = Workflow.make("waiting", { version: 1, input: { v: Schema.Number } })
  .node("step", step, ({ input }) => ({ v: input.v }))
  .output(({ step }) => ({ v: step.v }))

/** Places that hold JSON text, and how to break the run's there. */
const broken: Readonly<Record<string, string>> = {
  "a message": "update perdure.run_inbox_messages set payload = '{\"a' where run_id = 'bad' and node_id = 'step'",
  "an event":
    "insert into perdure.trigger_inputs (run_id, node_id, input_id, payload) values ('bad', 'step', 'x', '{\"a')"
}

const split = Node.make("split", { inputs: { n: Schema.Number }, outputs: { items: Output.many(Schema.Number) } })
const sum = Node.make("sum", { inputs: { all: Input.all(Schema.Number) }, outputs: { v: Schema.Number } })
const Wide = Workflow.make("wide", { version: 1, input: { n: Schema.Number } })
  .node("split", split, ({ input }) => ({ n: input.n }))
  .node("sum", sum, ({ split }) => ({ all: split.items }))
  .output(({ sum }) => ({ v: sum.v }))

describe("F: awkward values", () => {
  layer(Layer.scoped(Database, Effect.orDie(TestDatabase.openEmbedded)), { timeout: 120_000 })((it) => {
    const test = (name: string, body: (database: TestDatabase.TestDatabase) => Promise<void>) =>
      it.effect(name, () => Effect.flatMap(Database, (database) => Effect.promise(() => body(database))), 120_000)

    for (const [name, value] of Object.entries(kept)) {
      test(`F ${name} goes from node to node, through the rows, as it is`, async (database) => {
        const executed = await execute({ subject: passing(value), database, seed: 1, injections: [] })
        expect(executed.violations).toEqual([])
        const [run] = executed.outcome
        expect(run?.status).toBe("completed")
        expect(JSON.parse(run?.output ?? "")).toStrictEqual({ value })
      })
    }

    for (const [name, value] of Object.entries(refused)) {
      test(`F ${name} fails the firing that made it, with the place, and nothing else`, async (database) => {
        const executed = await execute({ subject: passing(value), database, seed: 1, injections: [] })
        expect(executed.violations).toEqual([])
        const [run] = executed.outcome
        expect(run?.status).toBe("failed")
        expect(run?.failure).toContain("make")
        const rows = await database.query("select node_id from perdure.run_node_state where node_id = 'pass'")
        expect(rows).toEqual([])
      })
    }

    for (const [name, damage] of Object.entries(broken)) {
      test(`F broken JSON written by hand into ${name} parks that run, and its neighbour ends`, async (database) => {
        const subject: Subject = {
          name: "waiting",
          workflows: Waiting.layer.pipe(Layer.provide(step.toLayer(({ v }, more) => Effect.succeed({ v: v + more })))),
          script: async (client) => {
            await client.start(Waiting, { v: 1 }, "bad")
            await client.start(Waiting, { v: 1 }, "good")
            // Both have left memory.
            await client.sleep(2_000)
            await database.query(damage)
            await client.trigger("bad", "step", 1, "x")
            await client.trigger("good", "step", 1, "x")
            await client.ended("good")
            await client.sleep(10_000)
          }
        }
        const executed = await execute({ subject, database, seed: 1, injections: [] })
        expect(executed.outcome.map(({ status }) => status)).toEqual(["parked", "completed"])
        const [row] = await database.query("select reason from perdure.run_state where run_id = 'bad'")
        expect(String(row?.["reason"])).not.toBe("")
      })
    }

    test("F one commit of 70,000 messages needs no bind parameter for each", async (database) => {
      const count = 70_000
      const subject = oneRun({
        workflow: Wide,
        input: { n: count },
        handlers: Layer.merge(
          split.toLayer(({ n }) => Effect.succeed({ items: Array.from({ length: n }, () => 1) })),
          sum.toLayer(({ all }) => Effect.succeed({ v: all.reduce((a, b) => a + b, 0) }))
        )
      })
      await database.reset()
      const world = new World({ database })
      const { script, workflows } = subject
      const client = new Client(world)
      client.serve(world.start({ name: "worker", workflows, settings: exploredSettings, seed: 1 }))
      let over = false
      const done = script(client).then(() => {
        over = true
      })
      expect(await world.passUntil(() => over, world.clock.now + 60_000)).toBe(true)
      await done
      const [row] = await database.query("select output from perdure.run_values")
      expect(row?.["output"]).toBe(`{"v":${count}}`)
      await world.close()
      expect(world.violations).toEqual([])
    })
  })
})
