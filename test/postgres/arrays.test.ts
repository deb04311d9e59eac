import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import {
  type ArrayParameter,
  boolArray,
  columnsOf,
  float8Array,
  int4Array,
  int4Column,
  int8Array,
  textArray,
  textColumn
} from "../../src/postgres/Arrays.js"
import { both, query } from "./harness.js"

const echo = (type: string, parameter: ArrayParameter) =>
  Effect.map(query(`select array_to_json($1::${type}[])::text as json`, [parameter]), ([row]) =>
    JSON.parse(String(row?.["json"]))
  )

const text = FastCheck.string({ unit: "grapheme" }).filter((value) => !value.includes("\u0000"))

const lists = FastCheck.record({
  text: FastCheck.array(FastCheck.option(text)),
  int4: FastCheck.array(FastCheck.option(FastCheck.integer())),
  int8: FastCheck.array(FastCheck.option(FastCheck.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String))),
  float8: FastCheck.array(FastCheck.option(FastCheck.double({ noNaN: true, noDefaultInfinity: true }))),
  bool: FastCheck.array(FastCheck.option(FastCheck.boolean()))
})

both(
  "arrays reach the server as they are, nulls and empty ones included",
  Effect.gen(function* () {
    for (const list of FastCheck.sample(lists, 50)) {
      expect(yield* echo("text", textArray(list.text))).toEqual(list.text)
      expect(yield* echo("int4", int4Array(list.int4))).toEqual(list.int4)
      const [row] = yield* query("select to_json($1::int8[]::text[])::text as json", [int8Array(list.int8)])
      expect(JSON.parse(String(row?.["json"]))).toEqual(list.int8)
      expect((yield* echo("float8", float8Array(list.float8))).map(Number)).toEqual(list.float8.map(Number))
      expect(yield* echo("bool", boolArray(list.bool))).toEqual(list.bool)
    }
  })
)

both(
  "columns of a statement are the rows' values in the order of both",
  Effect.gen(function* () {
    const columns = columnsOf<{ readonly name: string | null; readonly count: number }>(
      textColumn((row) => row.name),
      int4Column((row) => row.count)
    )
    const rows = [
      { name: "a", count: 1 },
      { name: null, count: 2 }
    ]
    const [names, counts] = columns(rows)
    expect(yield* echo("text", names!)).toEqual(["a", null])
    expect(yield* echo("int4", counts!)).toEqual([1, 2])
    expect(columns([])).toHaveLength(2)
  })
)

both(
  "a lone surrogate arrives as the replacement character, never as broken text",
  Effect.gen(function* () {
    expect(yield* echo("text", textArray(["a\ud800b"]))).toEqual(["a\ufffdb"])
  })
)
