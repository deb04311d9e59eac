import * as Http from "node:http"
import { expect } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { it } from "vitest"
import { Engine } from "../../src/Engine.js"
import * as Perdure from "../../src/layers.js"
import { layer as traces } from "../../src/opentelemetry/index.js"
import { recordingTracer } from "../http/spans.js"
import { Approved, Chain } from "./fixtures.js"
import { approved, chain } from "./handlers.js"
import { scenario, type World } from "./world.js"

const told = (spans: ReturnType<typeof recordingTracer>["spans"], runId: string) =>
  spans.filter(({ attributes }) => attributes.get("perdure.run_id") === runId)

const traceOf = (world: World, runId: string) =>
  Effect.map(
    world.sql("select frontier->>'trace' as trace from perdure.run_state where run_id = $1", [runId]),
    ([row]) => row?.["trace"]
  )

scenario("a run is one trace, that of its caller, across the death of a process", (world) =>
  Effect.gen(function* () {
    const [before, after] = [recordingTracer(), recordingTracer()]
    const traced = ({ layer }: typeof before, hook?: () => Effect.Effect<unknown>) => ({
      workflows: approved(hook),
      around: layer
    })
    const first = yield* world.start(traced(before))
    yield* first.engine
      .start(Approved, { n: 1 }, { runId: "a" })
      .pipe(Effect.withSpan("caller"), Effect.provide(before.layer))
    yield* world.until("a", "suspended")
    yield* world.kill(first)
    const second = yield* world.start(traced(after, () => Effect.withSpan(Effect.void, "handler")))
    yield* second.engine.trigger(Approved, "a", "approval", { approved: true }, { inputId: "1" })
    expect((yield* second.engine.awaitEnd("a")).status).toBe("completed")

    const caller = before.spans.find(({ name }) => name === "caller")!
    const start = told(before.spans, "a").find(({ name }) => name === "perdure.start")!
    expect(start.parentId).toBe(caller.spanId)
    const all = [...told(before.spans, "a"), ...told(after.spans, "a")]
    expect(new Set(all.map(({ traceId }) => traceId))).toEqual(new Set([caller.traceId]))
    expect(yield* traceOf(world, "a")).toBe(`00-${start.traceId}-${start.spanId}-01`)
    const names = told(after.spans, "a").map(
      ({ attributes, name }) => `${name} ${attributes.get("perdure.node_id") ?? attributes.get("perdure.status")}`
    )
    expect(names).toContain("perdure.attempt second")
    expect(names).toContain("perdure.firing approval")
    expect(names).toContain("perdure.commit completed")
    const attempt = told(after.spans, "a").find(
      ({ attributes, name }) => name === "perdure.attempt" && attributes.get("perdure.node_id") === "second"
    )!
    expect(attempt.attributes.get("perdure.outcome")).toBe("Completed")
    expect(after.spans.find(({ name }) => name === "handler")?.parentId).toBe(attempt.spanId)
  })
)

scenario("each run of a batch is a trace of its own, with a link to its caller", (world) =>
  Effect.gen(function* () {
    const recorded = recordingTracer()
    const { engine } = yield* world.start({ workflows: chain(), around: recorded.layer })
    const runs = ["a", "b"].map((runId) => ({ runId, input: { n: 1 } }))
    yield* engine.startMany(Chain, runs).pipe(Effect.withSpan("caller"), Effect.provide(recorded.layer))
    yield* Effect.forEach(runs, ({ runId }) => engine.awaitEnd(runId))
    const caller = recorded.spans.find(({ name }) => name === "caller")!
    const starts = recorded.spans.filter(({ name }) => name === "perdure.start")
    expect(new Set([caller, ...starts].map(({ traceId }) => traceId)).size).toBe(3)
    expect(starts.map(({ links }) => links)).toEqual([[caller.spanId], [caller.spanId]])
    for (const runId of ["a", "b"]) {
      expect(new Set(told(recorded.spans, runId).map(({ traceId }) => traceId)).size).toBe(1)
    }
  })
)

scenario("where nobody listens nothing is kept of a trace", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: chain() })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" }).pipe(Effect.withSpan("caller"))
    yield* engine.awaitEnd("a")
    expect(yield* traceOf(world, "a")).toBe(null)
  })
)

/** A collector that keeps what it is sent. */
const collector = Effect.acquireRelease(
  Effect.async<{ readonly url: string; readonly bodies: Array<string>; readonly close: () => void }>((resume) => {
    const bodies: Array<string> = []
    const server = Http.createServer((request, response) => {
      let body = ""
      request
        .on("data", (chunk) => (body += chunk))
        .on("end", () => {
          bodies.push(body)
          response.end("{}")
        })
    })
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      resume(Effect.succeed({ url: `http://127.0.0.1:${port}/v1/traces`, bodies, close: () => server.close() }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

it("the spans of runs reach an OpenTelemetry collector", () =>
  Effect.gen(function* () {
    const { bodies, url } = yield* collector
    yield* Effect.scoped(
      Effect.gen(function* () {
        const context = yield* Layer.build(
          chain().pipe(
            Layer.provideMerge(Perdure.layerEngine({ pollMs: 50 })),
            Layer.provide(Perdure.layerEmbedded()),
            Layer.provide(traces({ url, serviceName: "shop" }))
          )
        )
        const engine = Context.get(context, Engine)
        yield* engine.start(Chain, { n: 1 }, { runId: "a" })
        yield* engine.awaitEnd("a")
      })
    )
    // A stop sends what is left.
    const spans = bodies.flatMap((body) => JSON.parse(body).resourceSpans[0].scopeSpans[0].spans)
    expect(bodies[0]).toContain("shop")
    const ours = spans.filter(({ name }: { readonly name: string }) => name.startsWith("perdure."))
    expect(new Set(ours.map(({ traceId }: { readonly traceId: string }) => traceId)).size).toBe(1)
    expect(new Set(ours.map(({ name }: { readonly name: string }) => name))).toEqual(
      new Set(["perdure.start", "perdure.attempt", "perdure.firing", "perdure.commit"])
    )
  }).pipe(Effect.scoped, Effect.runPromise))
