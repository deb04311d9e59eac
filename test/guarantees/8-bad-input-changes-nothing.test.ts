import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Node from "../../src/definition/Node.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { Approved, Values } from "../engine/fixtures.js"
import { approved, values } from "../engine/handlers.js"
import { scenario, type World } from "../engine/world.js"

const nothingWritten = (world: World) =>
  Effect.forEach(["run_state", "run_values", "run_node_state", "run_inbox_messages", "trigger_inputs"], (table) =>
    Effect.map(world.sql(`select from perdure.${table}`), (rows) => expect(rows, table).toEqual([]))
  )

const nested = (depth: number): unknown => {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = { a: value }
  return value
}

class Instance {
  readonly a = 1
}

const cycle: Record<string, unknown> = {}
cycle["self"] = cycle

const refused: Readonly<Record<string, [value: unknown, field: string]>> = {
  "a bigint": [{ deep: [1n] }, "input.value.deep.0"],
  NaN: [Number.NaN, "input.value"],
  "an infinity": [{ a: { b: Number.NEGATIVE_INFINITY } }, "input.value.a.b"],
  "undefined in an array": [[undefined], "input.value.0"],
  "a Date": [{ at: new Date(0) }, "input.value.at"],
  "a Map": [new Map(), "input.value"],
  "a class instance": [{ it: new Instance() }, "input.value.it"],
  "a function": [{ call: () => 1 }, "input.value.call"],
  "a symbol": [Symbol.iterator, "input.value"],
  "a depth of 10,000": [nested(10_000), "input.value.a.a"],
  "a cycle": [cycle, "input.value.self"],
  "a key __proto__": [JSON.parse('{"a": {"__proto__": {"admin": true}}}'), "input.value.a.__proto__"]
}

scenario("what JSON can't hold is refused with the name of its field, and nothing is written", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: values() })
    for (const [name, [value, field]] of Object.entries(refused)) {
      const error = yield* Effect.flip(engine.start(Values, { value }))
      expect(error, name).toMatchObject({ _tag: "InvalidInput" })
      expect((error as { readonly field: string }).field.startsWith(field), `${name}: ${String(error)}`).toBe(true)
    }
    yield* nothingWritten(world)
  })
)

const kept: Readonly<Record<string, unknown>> = {
  "1 MB": "x".repeat(1_048_576),
  NUL: "a\u0000b",
  "lone surrogates": ["\ud800", "\udc00x", "😀"],
  "negative zero": [-0, { a: -0 }],
  "a depth of 400": nested(400),
  "keys that objects inherit": { constructor: 1, toString: 2, hasOwnProperty: 3 },
  "the order of keys": { z: 1, a: 2, "10": 3, "2": 4 },
  "numbers at the edge": [Number.MAX_SAFE_INTEGER, 5e-324, 1.7976931348623157e308, 0.1],
  null: null,
  "SQL and JSON": "'; drop table run_state; -- \" \\ {}"
}

scenario("everything else makes the round trip through two nodes and the rows as it is", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: values(), settings: { alwaysEvict: true } })
    for (const [name, value] of Object.entries(kept)) {
      const { runId } = yield* engine.start(Values, { value })
      const output = (yield* engine.await(Values, runId)).value
      expect(output, name).toStrictEqual(value)
      expect(JSON.stringify(output), name).toBe(JSON.stringify(value))
    }
  })
)

scenario("a handler's output that JSON can't hold fails its firing with the name of the field", (world) =>
  Effect.gen(function* () {
    const outputs = Object.values(refused).map(([value]) => value)
    const { engine } = yield* world.start({ workflows: values((index) => outputs[index as number]) })
    for (const index of outputs.keys()) {
      const { runId } = yield* engine.start(Values, { value: index })
      const error = yield* Effect.flip(engine.await(Values, runId))
      expect(error).toMatchObject({ _tag: "RunFailed", failure: { kind: "invalidOutput", nodeId: "echo" } })
      expect(error.message).toContain("value")
    }
  })
)

scenario("missing, wrong and unknown fields of an input are named", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: Layer.merge(values(), approved()) })
    const start = (input: unknown) => Effect.flip(engine.startEncoded({ workflow: "approved", input }))
    expect(yield* start({})).toMatchObject({ _tag: "InvalidInput", field: "input.n" })
    expect(yield* start({ n: "1" })).toMatchObject({ _tag: "InvalidInput", field: "input.n" })
    expect(yield* start({ n: 1, m: 2 })).toMatchObject({ _tag: "InvalidInput", field: "input.m" })
    for (const input of [null, 7, "x", [], undefined]) expect(yield* start(input)).toMatchObject({ field: "input" })
    yield* nothingWritten(world)
  })
)

scenario("bad names, priorities and payloads are named, and nothing is written", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: approved() })
    for (const runId of ["", "a b", "a/b", "a\u0000", "\ud800", "x".repeat(201), "../a", "ä"]) {
      expect(yield* Effect.flip(engine.start(Approved, { n: 1 }, { runId }))).toMatchObject({ field: "runId" })
    }
    for (const priority of [0.5, 101, Number.NaN]) {
      expect(yield* Effect.flip(engine.start(Approved, { n: 1 }, { priority }))).toMatchObject({ field: "priority" })
    }
    yield* nothingWritten(world)
    yield* engine.start(Approved, { n: 1 }, { runId: "a" })
    for (const inputId of ["", "a\u0000b", "\ud800", "x".repeat(201), "line\nbreak"]) {
      const sent = engine.trigger(Approved, "a", "approval", { approved: true }, { inputId })
      expect(yield* Effect.flip(sent)).toMatchObject({ field: "inputId" })
    }
    for (const payload of [null, {}, { approved: "yes" }, []]) {
      const sent = engine.triggerEncoded({ runId: "a", nodeId: "approval", inputId: "1", payload })
      expect(yield* Effect.flip(sent)).toMatchObject({ _tag: "InvalidInput", field: expect.stringMatching(/^payload/) })
    }
    expect(yield* world.inputs("a")).toEqual([])
  })
)

/** A schema that calls itself for each level. */
interface Tree {
  readonly child?: Tree | undefined
}
const Tree: Schema.Schema<Tree> = Schema.Struct({ child: Schema.optional(Schema.suspend(() => Tree)) })
const Grow = Node.make("grow", { inputs: { tree: Tree }, outputs: { tree: Tree } })
const Trees = Workflow.make("trees", { version: 1, input: { tree: Tree } })
  .node("grow", Grow, ({ input }) => ({ tree: input.tree }))
  .output(({ grow }) => ({ tree: grow.tree }))

const tree = (depth: number): Tree => {
  let value: Tree = {}
  for (let i = 0; i < depth; i++) value = { child: value }
  return value
}

scenario("a value too deep for its own schema is bad input, not a broken engine", (world) =>
  Effect.gen(function* () {
    const workflows = Trees.layer.pipe(
      Layer.provide(
        Grow.toLayer((inputs) => Effect.succeed({ tree: inputs.tree.child === undefined ? tree(50_000) : {} }))
      )
    )
    const { engine } = yield* world.start({ workflows })
    const deep = yield* Effect.flip(engine.start(Trees, { tree: tree(50_000) }))
    expect(deep).toMatchObject({ _tag: "InvalidInput", field: expect.stringMatching(/^input\.tree/) })
    yield* nothingWritten(world)
    const { runId } = yield* engine.start(Trees, { tree: {} })
    const failed = yield* Effect.flip(engine.await(Trees, runId))
    expect(failed).toMatchObject({ _tag: "RunFailed", failure: { kind: "invalidOutput", nodeId: "grow" } })
    const { runId: good } = yield* engine.start(Trees, { tree: tree(20) })
    expect(yield* engine.await(Trees, good)).toEqual({ tree: {} })
  })
)
