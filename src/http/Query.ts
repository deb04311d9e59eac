import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { Attributes } from "../model/Attributes.js"
import { Name, RunId } from "../model/Ids.js"
import { RunStatus } from "../model/Status.js"

const maybe = <A, I extends string>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/** A number as a query spells it: plain digits, perhaps a fraction. */
const numeral = (pattern: RegExp, low: number, high: number, message: string): Schema.Schema<number, string> =>
  Schema.String.pipe(
    Schema.filter((text) => (pattern.test(text) && Number(text) >= low && Number(text) <= high) || message),
    Schema.transform(Schema.Number, { strict: true, decode: Number, encode: String })
  )

/** Items of a page. */
const Limit = numeral(/^\d{1,3}$/, 1, 500, "expected an integer from 1 to 500")

/** Seconds a caller waits for a result. */
const Wait = numeral(/^\d{1,2}(\.\d{1,3})?$/, 0, 60, "expected seconds from 0 to 60")

/** The place in the list of runs after which a page begins. */
const RunPlace = Schema.Struct({ createdAt: Schema.ValidDateFromSelf, runId: RunId })
type RunPlace = typeof RunPlace.Type

const isRunId = Schema.is(RunId)

const toPlace = (cursor: string): RunPlace | undefined => {
  const text = Either.getOrElse(Encoding.decodeBase64UrlString(cursor), () => "")
  const [, millis, runId] = /^(\d{1,15}):(.+)$/.exec(text) ?? []
  if (millis === undefined || !isRunId(runId)) return undefined
  const place = { createdAt: new Date(Number(millis)), runId }
  return toCursor(place) === cursor ? place : undefined
}

/** The cursor of the page that begins after a run. */
export const toCursor = ({ createdAt, runId }: RunPlace): string =>
  Encoding.encodeBase64Url(`${createdAt.getTime()}:${runId}`)

/** A cursor of the list of runs; opaque to clients. */
export const RunCursor: Schema.Schema<RunPlace, string> = Schema.transformOrFail(
  Schema.String,
  Schema.typeSchema(RunPlace),
  {
    strict: true,
    decode: (cursor, _, ast) => {
      const place = toPlace(cursor)
      return place === undefined
        ? ParseResult.fail(new ParseResult.Type(ast, cursor, "expected a nextCursor of this list"))
        : ParseResult.succeed(place)
    },
    encode: (place) => ParseResult.succeed(toCursor(place))
  }
)

/** A cursor of an audit trail: the number of its last event. */
const EventCursor = Schema.String.pipe(
  Schema.pattern(/^\d{1,18}$/, { message: () => "expected a nextCursor of this list" })
)

const Status = RunStatus.annotations({ message: () => `expected one of ${RunStatus.literals.join(", ")}` })

const timePattern = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/

/** A day, or a moment with its offset from UTC. */
const Time: Schema.Schema<Date, string> = Schema.String.pipe(
  Schema.filter(
    (text) =>
      (timePattern.test(text) && !Number.isNaN(Date.parse(text))) ||
      "expected a time like 2026-11-23 or 2026-11-23T08:30:00Z"
  ),
  Schema.transform(Schema.ValidDateFromSelf, {
    strict: true,
    decode: (text) => new Date(text),
    encode: (date) => date.toISOString()
  })
)

/** `{"customer":"c-1"}`, as a query spells it. */
const AttributesText = Schema.parseJson(Attributes).annotations({
  message: () => ({
    message: 'expected a JSON object like {"customer":"c-1"}, as attributes are given at a start',
    override: true
  })
})

/** A query that knows no fields. */
export const NoQuery = Schema.Struct({})

export const ListRuns = Schema.Struct({
  workflow: maybe(Name),
  status: maybe(Status),
  attributes: maybe(AttributesText),
  since: maybe(Time),
  until: maybe(Time),
  limit: maybe(Limit),
  cursor: maybe(RunCursor)
})

export const AwaitResult = Schema.Struct({ wait: maybe(Wait) })

export const ListTroubled = Schema.Struct({ limit: maybe(Limit) })

export const ListEvents = Schema.Struct({ nodeId: maybe(Name), limit: maybe(Limit), cursor: maybe(EventCursor) })
