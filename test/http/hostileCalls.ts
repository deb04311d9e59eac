import * as FastCheck from "effect/FastCheck"
import { Api } from "../../src/http/Contract.js"
import { type Route, routesOf } from "../../src/http/Routes.js"
import type { Call } from "./harness.js"

const routes = routesOf(Api)

const { constant, constantFrom, integer, oneof, record, string } = FastCheck

const nasty = constantFrom(
  ..."'\"\\;-%_$`<>&|".split(""),
  "' or 1=1 --",
  "'); drop table perdure.run_state; --",
  "../../etc/passwd",
  "<script>alert(1)</script>",
  ["$", "{7*7}"].join(""),
  "\u0000",
  "\ud800",
  "\u202e",
  "😀",
  "__proto__",
  "constructor",
  "toString",
  "NaN",
  "-1",
  "1e400",
  "null",
  "9".repeat(400),
  "x".repeat(5_000)
)
const word = oneof(
  { weight: 2, arbitrary: nasty },
  { weight: 2, arbitrary: string({ unit: "binary", maxLength: 20 }) },
  {
    weight: 1,
    arbitrary: constantFrom("order", "approval", "mail", "r-1", "r-2", "completed", "2026-11-23", "1", "50")
  }
)
const runId = oneof(
  { weight: 3, arbitrary: integer({ min: 1, max: 40 }).map((n) => `r-${n}`) },
  { weight: 1, arbitrary: word }
)
const nodeId = oneof({ weight: 3, arbitrary: constantFrom("approval", "charge") }, { weight: 1, arbitrary: word })

/** Percent-encoded, for what can be; a lone surrogate can't. */
const inUrl = (text: string): string => encodeURIComponent(text.toWellFormed())

const pathOf = (route: Route): FastCheck.Arbitrary<string> =>
  FastCheck.tuple(runId, nodeId, oneof(word, constant("nudge"))).map(([run, node, other]) =>
    route.path
      .replace(":runId", () => inUrl(run))
      .replace(":nodeId", () => inUrl(node))
      .replace(/:(source|signal|query)/, () => inUrl(other))
  )

const queryOf = (route: Route): FastCheck.Arbitrary<string> => {
  const name = oneof(
    { weight: 4, arbitrary: constantFrom(...[...route.query, "limit"]) },
    { weight: 1, arbitrary: word }
  )
  const attributes = oneof(FastCheck.dictionary(word, word, { maxKeys: 3 }), FastCheck.jsonValue()).map((value) =>
    JSON.stringify(value)
  )
  // A wait would only make the test long.
  const pair = FastCheck.tuple(name, oneof(word, attributes)).map(
    ([key, value]) => `${inUrl(key)}=${inUrl(key === "wait" ? "0" : value)}`
  )
  return FastCheck.array(pair, { maxLength: 3 }).map((pairs) => (pairs.length === 0 ? "" : `?${pairs.join("&")}`))
}

/** Mostly what fits, so that something starts. */
const mostly = <A, B>(fits: FastCheck.Arbitrary<A>, rest: FastCheck.Arbitrary<B>) =>
  oneof({ weight: 12, arbitrary: fits }, { weight: 1, arbitrary: rest })

const order = record({
  id: mostly(constant("o-1"), word),
  item: constant("book"),
  quantity: mostly(
    constant(1),
    FastCheck.anything().filter((value) => typeof value !== "bigint")
  ),
  amount: mostly(constantFrom(40, 400), FastCheck.double()),
  card: mostly(constantFrom("ok", "declined"), word)
})
const json = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? "null"
  } catch {
    return "null"
  }
}
const startBody = record(
  {
    workflow: oneof({ weight: 4, arbitrary: constant("order") }, { weight: 1, arbitrary: word }),
    input: oneof({ weight: 3, arbitrary: record({ order }) }, { weight: 1, arbitrary: FastCheck.jsonValue() }),
    runId,
    version: mostly(constant(1), integer()),
    startAt: mostly(constantFrom("2026-11-23", "2026-11-23T08:30:00Z"), word),
    deadline: mostly(constantFrom("2999-01-01", "2999-01-01T00:00:00.5+01:00"), word),
    priority: mostly(constant(5), integer({ min: -200, max: 200 })),
    attributes: mostly(constant({ customer: "c-1" }), FastCheck.dictionary(word, word, { maxKeys: 3 }))
  },
  { requiredKeys: ["workflow", "input"] }
)
const body: FastCheck.Arbitrary<string> = oneof(
  { weight: 3, arbitrary: startBody.map(json) },
  { weight: 1, arbitrary: FastCheck.array(startBody, { maxLength: 3 }).map((runs) => json({ runs })) },
  {
    weight: 2,
    arbitrary: record({
      inputId: word,
      payload: oneof(constant({ approved: true, by: "ada" }), FastCheck.jsonValue())
    }).map(json)
  },
  { weight: 1, arbitrary: constant("{}") },
  { weight: 1, arbitrary: FastCheck.json() },
  { weight: 1, arbitrary: string({ unit: "binary", maxLength: 40 }) }
)
const hostileHeaders: FastCheck.Arbitrary<Record<string, string>> = record(
  {
    "content-type": oneof(
      { weight: 5, arbitrary: constant("application/json") },
      { weight: 1, arbitrary: constant("text/plain") }
    ),
    origin: constantFrom("http://evil.example", "null"),
    authorization: constantFrom("Bearer x", "Basic eDp5"),
    "last-event-id": constantFrom("1", "-1", "'; --", "9".repeat(40)),
    "webhook-id": constantFrom("m-1", "x".repeat(300)),
    "webhook-timestamp": constantFrom("0", "9".repeat(12), "x"),
    "webhook-signature": constantFrom("v1,AAAA", "v1,", "nonsense")
  },
  { requiredKeys: ["content-type"] }
).map((given) => ({ ...given }))

const headers = mostly(constant({ "content-type": "application/json" }), hostileHeaders)

const callOf = (route: Route): FastCheck.Arbitrary<Call & { readonly path: string }> =>
  FastCheck.tuple(
    oneof(
      { weight: 9, arbitrary: constant(route.method) },
      { weight: 1, arbitrary: constantFrom("GET", "POST", "PUT", "DELETE") }
    ),
    pathOf(route),
    queryOf(route),
    body,
    headers
  ).map(([method, path, query, text, given]) =>
    method === "POST" || method === "PUT"
      ? { method, path: `${path}${query}`, body: text, headers: given }
      : { method, path: `${path}${query}`, headers: given }
  )

/** Streams last; what they answer before they begin is seen with the others' hostile values by tests of their own. */
const finite = routes.filter(({ path }) => !path.endsWith("/stream"))
/** A call of somebody who means harm, or knows no better: now and then one that fits. */
export const anyCall = FastCheck.constantFrom(...finite).chain(callOf)
