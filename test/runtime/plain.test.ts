import * as Arbitrary from "effect/Arbitrary"
import * as Context from "effect/Context"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as FastCheck from "effect/FastCheck"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import { FiringRow } from "../../src/model/Firing.js"
import { toJsonText } from "../../src/model/Json.js"
import { type Plain, plainOf, unsettled } from "../../src/model/Plain.js"
import { RunCommand, RunRow, TriggerInput } from "../../src/model/Run.js"
import { codecOf } from "../../src/runtime/Codec.js"
import { contextWith } from "../../src/runtime/Overlay.js"

type AnySchema = Schema.Schema.AnyNoContext

const Even = Schema.Int.pipe(Schema.filter((n) => n % 2 === 0))
const Thrower = Schema.String.pipe(
  Schema.filter((text) => {
    if (text.includes("!")) throw new Error("a filter that throws")
    return true
  })
)

const leaves: ReadonlyArray<AnySchema> = [
  Schema.String,
  Schema.Number,
  Schema.Boolean,
  Schema.Null,
  Schema.Literal("a", "b", 1, true),
  Schema.Int,
  Schema.NonEmptyString.pipe(Schema.brand("Named")),
  Even
]

/** What the library has to be asked for. */
const others: ReadonlyArray<AnySchema> = [
  Schema.Date,
  Schema.NumberFromString,
  Schema.Unknown,
  Schema.Undefined,
  Schema.Array(Schema.Number).annotations({ parseOptions: { errors: "all" } })
]

/** Structures of what is plain, with something now and then that is not. */
const schemas = FastCheck.letrec<{ any: AnySchema; leaf: AnySchema; structure: AnySchema }>((tie) => ({
  leaf: FastCheck.oneof(
    { weight: 12, arbitrary: FastCheck.constantFrom(...leaves) },
    { weight: 1, arbitrary: FastCheck.constantFrom(...others) }
  ),
  any: FastCheck.oneof({ maxDepth: 3, withCrossShrink: true }, tie("leaf"), tie("structure")),
  structure: FastCheck.oneof(
    tie("any").map((element) => Schema.Array(element)),
    tie("any").map((value) => Schema.Record({ key: Schema.String, value })),
    FastCheck.tuple(tie("any"), tie("any")).map(([a, b]) => Schema.Tuple(a, b)),
    FastCheck.tuple(tie("any"), tie("any")).map(([a, b]) => Schema.Struct({ a, b })),
    FastCheck.tuple(tie("any"), tie("any")).map(([a, b]) =>
      Schema.Struct({ a: Schema.optional(a), b: Schema.optionalWith(b, { exact: true }), "10": a, "2": b })
    ),
    FastCheck.tuple(tie("any"), tie("any")).map(([a, b]) => Schema.Union(a, b)),
    FastCheck.tuple(tie("any"), tie("any")).map(([a, b]) =>
      Schema.Union(Schema.Struct({ _tag: Schema.Literal("A"), a }), Schema.Struct({ _tag: Schema.Literal("B"), b }))
    ),
    FastCheck.tuple(tie("any"), tie("any")).map(([a, b]) =>
      Schema.Union(Schema.Struct({ a, b }), Schema.Struct({ _tag: Schema.Literal("A"), a }))
    ),
    tie("any").map((a) => Schema.NullOr(Schema.Struct({ a })))
  )
}))

/** A value beside one that fits: of another kind, with more or fewer properties, or with something odd in it. */
const bent = (value: unknown): FastCheck.Arbitrary<unknown> => {
  const junk = FastCheck.constantFrom<Array<unknown>>(
    undefined,
    null,
    -0,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    "!",
    "\ud800",
    [],
    {},
    new Date(0),
    Object.assign(Object.create({ a: 1 }), { b: 2 }),
    JSON.parse('{"__proto__":{"a":1},"a":1,"_tag":"A"}')
  )
  if (typeof value !== "object" || value === null) return FastCheck.oneof(FastCheck.constant(value), junk)
  const keys = Object.keys(value)
  const edited = FastCheck.tuple(FastCheck.constantFrom("a", "b", "_tag", "extra", ...keys), junk).map(([key, odd]) =>
    Array.isArray(value) ? [...value, odd] : { ...value, [key]: odd }
  )
  const shorter = FastCheck.constantFrom("a", ...keys).map((key) =>
    Array.isArray(value) ? value.slice(1) : Object.fromEntries(Object.entries(value).filter(([name]) => name !== key))
  )
  return FastCheck.oneof(FastCheck.constant(value), edited, shorter, junk)
}

const cases = schemas.any.chain((schema) =>
  Arbitrary.make(schema)
    .chain(bent)
    .map((value) => ({ schema, value }))
)

const libraryText = (schema: AnySchema, value: unknown) =>
  Either.flatMap(ParseResult.encodeUnknownEither(schema)(value), toJsonText)

describe("values read without the library", () => {
  it("come out as the library reads and writes them, to the byte", async () => {
    const met = { settled: 0, left: 0, unknown: 0 }
    await FastCheck.assert(
      FastCheck.property(cases, ({ schema, value }) => {
        const plain = plainOf(schema)
        const read = plain === undefined ? unsettled : plain(value)
        if (read === unsettled) {
          met[plain === undefined ? "unknown" : "left"]++
          return
        }
        met.settled++
        expect(Either.right(read)).toStrictEqual(ParseResult.decodeUnknownEither(schema)(value))
        const text = JSON.stringify(read)
        expect(Either.right({ text, value: read })).toStrictEqual(libraryText(schema, value))
        expect(codecOf(schema).encode(value)).toStrictEqual(Either.right({ text, value: read }))
      }),
      { numRuns: Number(process.env["PROPERTY_RUNS"] ?? 2_000) }
    )
    expect(Math.min(met.settled, met.left, met.unknown)).toBeGreaterThan(0)
  })

  it("are nearly all of those that fit a plain schema", () => {
    const schema = Schema.Struct({
      id: Schema.String.pipe(Schema.brand("Id")),
      at: Schema.Tuple(Schema.Int, Schema.Number),
      tags: Schema.Record({ key: Schema.String, value: Schema.NullOr(Schema.Literal("x", "y")) }),
      note: Schema.optional(Schema.String),
      kind: Schema.Union(
        Schema.Struct({ _tag: Schema.Literal("One"), one: Schema.Array(Schema.Boolean) }),
        Schema.Struct({ _tag: Schema.Literal("Two"), two: Even })
      )
    })
    const plain = plainOf(schema)!
    const value = { id: "a", at: [1, 2.5], tags: { b: null, c: "x" }, kind: { _tag: "Two", two: 4 } }
    expect(plain({ ...value, more: 1 })).toStrictEqual(value)
    expect(plain({ ...value, kind: { _tag: "Two", two: 3 } })).toBe(unsettled)
  })

  it.each([
    ["runs", RunRow],
    ["firings", FiringRow],
    ["inputs", TriggerInput],
    ["commands", RunCommand]
  ])("are the rows of %s", async (_, schema) => {
    const plain = plainOf(schema) as Plain
    const library = ParseResult.decodeUnknownEither(schema as AnySchema)
    await FastCheck.assert(
      FastCheck.property(Arbitrary.make(schema as Schema.Schema<unknown>), (generated) => {
        // As the database gives it: without infinities and the like.
        const text = JSON.stringify(generated)
        FastCheck.pre(!text.includes("__proto__"))
        const row: unknown = JSON.parse(text)
        const read = library(row)
        expect(plain(row)).toStrictEqual(Either.isRight(read) ? read.right : unsettled)
      })
    )
  })

  it("are left to the schema where its filter throws", () => {
    expect(plainOf(Thrower)!("fine")).toBe("fine")
    expect(plainOf(Thrower)!("loud!")).toBe(unsettled)
  })
})

describe("a context with one more service", () => {
  const Some = Context.GenericTag<"some", string>("some")
  const Other = Context.GenericTag<"other", string>("other")
  const Third = Context.GenericTag<"third", string>("third")

  it.each([
    ["beside others", Context.make(Other, "other")],
    ["instead of its own", Context.make(Some, "before").pipe(Context.add(Other, "other"))],
    ["alone", Context.empty()]
  ])("%s is what Context.add gives", (_, base) => {
    const real = Context.add(base as Context.Context<"other">, Some, "mine")
    const quick = contextWith(base as Context.Context<"other">, Some, "mine")
    expect(Context.get(quick, Some)).toBe("mine")
    expect(Equal.equals(quick, real)).toBe(true)
    expect(Equal.equals(real, quick)).toBe(true)
    const sorted = (context: Context.Context<never>) => [...context.unsafeMap].sort()
    expect(sorted(quick as Context.Context<never>)).toEqual(sorted(real as Context.Context<never>))
    expect([...quick.unsafeMap.keys()].sort()).toEqual([...real.unsafeMap.keys()].sort())
    expect([...quick.unsafeMap.values()].sort()).toEqual([...real.unsafeMap.values()].sort())
    const more = Context.add(quick, Third, "third")
    expect(Equal.equals(more, Context.add(real, Third, "third"))).toBe(true)
    expect(Equal.equals(Context.merge(quick, more), Context.merge(real, more))).toBe(true)
    expect(Equal.equals(Context.mergeAll(more, quick), Context.mergeAll(more, real))).toBe(true)
    expect(Equal.equals(Context.omit(Some)(quick), Context.omit(Some)(real))).toBe(true)
    // What was there before stays as it was.
    expect(Context.getOption(base as Context.Context<"other">, Third)._tag).toBe("None")
  })
})
