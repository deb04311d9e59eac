import { randomUUID } from "node:crypto"
import * as Layer from "effect/Layer"
import { describe, expect, it } from "vitest"
import * as Effects from "../../src/example/Effects.js"
import { handlers, Order } from "../../src/example/order.js"
import * as Perdure from "../../src/layers.js"
import { type Following, follow, type SentEvent } from "./events.js"
import { orderBody, serving } from "./harness.js"

const stores = Perdure.layerEmbedded({})

const engine = Order.layer.pipe(
  Layer.provide(handlers),
  Layer.provide(Effects.layer()),
  Layer.provideMerge(Perdure.layerEngine({ pollMs: 50 })),
  Layer.provideMerge(stores)
)

const operated = Layer.provideMerge(Perdure.layerOperator, engine)

const server = serving(operated, { operator: operated, settings: { streamMs: 20, maxStreams: 3 } })

const start = async (order: object = {}, rest: object = {}) => {
  const runId = `run-${randomUUID()}`
  const { body, status } = await server.send({ path: "/api/runs", body: orderBody(order, { runId, ...rest }) })
  expect({ status, body }).toMatchObject({ status: 201 })
  return runId
}

const ended = (runId: string) => server.send({ path: `/api/runs/${runId}/result?wait=20` })

const listed = async (query: Record<string, string>): Promise<ReadonlyArray<string>> => {
  const { body } = await server.send({ path: `/api/runs?${new URLSearchParams(query)}` })
  return (body!["runs"] as ReadonlyArray<{ readonly runId: string }>).map(({ runId }) => runId)
}

describe("Runs are found", () => {
  it("by their attributes, all of them, page by page", async () => {
    const customer = randomUUID()
    const made: Array<string> = []
    for (const region of ["eu", "us", "eu"]) made.push(await start({}, { attributes: { customer, region } }))
    const both = JSON.stringify({ customer, region: "eu" })
    expect(await listed({ attributes: JSON.stringify({ customer }) })).toEqual(made.toReversed())
    expect(await listed({ attributes: both })).toEqual([made[2], made[0]])
    expect(await listed({ attributes: both, workflow: "other" })).toEqual([])
    expect(await listed({ attributes: JSON.stringify({ customer: "nobody" }) })).toEqual([])
    const first = await server.send({ path: `/api/runs?${new URLSearchParams({ attributes: both, limit: "1" })}` })
    const cursor = String(first.body?.["nextCursor"])
    expect(await listed({ attributes: both, limit: "1", cursor })).toEqual([made[0]])
    const { body } = await server.send({ path: `/api/runs/${made[0]}` })
    expect(body).toMatchObject({ attributes: { customer, region: "eu" } })
  })

  it("by the time of their start", async () => {
    const first = await start()
    const { body } = await server.send({ path: `/api/runs/${first}` })
    const since = String(body?.["createdAt"])
    expect(await listed({ since })).toContain(first)
    expect(await listed({ until: since })).not.toContain(first)
    expect(await listed({ since: "2999-01-01" })).toEqual([])
  })

  it.each([
    ["attributes", "nonsense"],
    ["attributes", "[]"],
    ["attributes", '{"a":1}'],
    ["attributes", '{"a\'; drop table x":"1"}'],
    ["attributes", '{"__proto__":"1","":"2"}'],
    ["since", "yesterday"],
    ["until", "2026-13-45"],
    ["since", "-271821-04-20T00:00:00Z"]
  ])("but not with %s=%s", async (field, value) => {
    const answer = await server.send({ path: `/api/runs?${new URLSearchParams({ [field]: value })}` })
    expect(answer).toMatchObject({ status: 400, body: { _tag: "InvalidInput", field } })
  })

  it("and attributes that don't fit start nothing", async () => {
    for (const attributes of [{ "a b": "x" }, { a: "" }, { a: "x".repeat(201) }, { a: 1 }, [], "x"]) {
      const runId = `run-${randomUUID()}`
      const { body, status } = await server.send({ path: "/api/runs", body: orderBody({}, { runId, attributes }) })
      expect({ status, tag: body?.["_tag"] }).toEqual({ status: 400, tag: "InvalidInput" })
      expect(String(body?.["field"])).toMatch(/^attributes/)
      expect((await server.send({ path: `/api/runs/${runId}` })).status).toBe(404)
    }
  })
})

describe("A batch", () => {
  it("starts each of its runs by itself", async () => {
    const [one, two] = [randomUUID(), randomUUID()]
    const runs = [
      orderBody({}, { runId: one }),
      orderBody({}, { runId: two }),
      orderBody({ amount: 7 }, { runId: one }),
      orderBody({ quantity: 0 }),
      orderBody({}, { workflow: "nope" })
    ]
    const { body, status } = await server.send({ path: "/api/batches", body: { runs } })
    expect(status).toBe(200)
    expect(body?.["results"]).toMatchObject([
      { runId: one, created: true },
      { runId: two, created: true },
      { error: { _tag: "RunConflict" } },
      { error: { _tag: "InvalidInput", field: "input.order.quantity" } },
      { error: { _tag: "WorkflowNotFound" } }
    ])
    expect((await ended(two)).body).toMatchObject({ status: "completed" })
  })

  it.each([
    [{ runs: [] }, "runs"],
    [{ runs: [1] }, "runs.0"],
    [{}, "runs"]
  ])("%j is refused at %s", async (body, field) => {
    expect(await server.send({ path: "/api/batches", body })).toMatchObject({ status: 400, body: { field } })
  })
})

describe("An operator is told", () => {
  it("why a run is not moving", async () => {
    const runId = await start({ amount: 400 })
    const seen = await follow(server.port, `/api/runs/${runId}/stream`)
    await seen.until(({ event, data }) => event === "status" && (data as { status: string }).status === "suspended")
    seen.close()
    const { body } = await server.send({ path: `/api/runs/${runId}/explain` })
    expect(body).toMatchObject({ runId, explanation: { _tag: "WaitsForTrigger", nodeId: "approval" } })
  })

  it("which processes there are, and what is wrong", async () => {
    const workers = await server.send({ path: "/api/workers" })
    expect(workers.body?.["workers"]).toMatchObject([{ workerId: "worker", alive: true, serves: ["order@1"] }])
    const doctor = await server.send({ path: "/api/doctor" })
    const findings = doctor.body?.["findings"] as ReadonlyArray<{ check: string; ok: boolean; remedy?: string }>
    expect(findings.find(({ check }) => check === "workers")).toMatchObject({ ok: true })
    expect(findings.every(({ ok, remedy }) => ok || remedy !== undefined)).toBe(true)
  })

  it("figures", async () => {
    await ended(await start())
    const { headers, text } = await server.send({ path: "/metrics" })
    expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8")
    expect(text).toMatch(/^perdure_workers\{state="alive"\} 1$/m)
    expect(text).toMatch(/^perdure_commit_batch_size_count [1-9]\d*$/m)
    expect(text).toMatch(/^perdure_loop_last_turn_timestamp_seconds\{loop="The sweep"\} \d/m)
    expect(text).toMatch(/^perdure_lease_age_seconds\{worker="worker",incarnation="[0-9a-f-]{36}"\} \d/m)
    expect(text).toMatch(/^perdure_slots\{state="taken"\} \d+$/m)
    expect(text).toMatch(/^perdure_slots\{state="size"\} 200$/m)
    expect(text).toMatch(/^perdure_runs_in_memory\{state="held"\} \d+$/m)
    expect(text).toMatch(/^perdure_runs_in_memory\{state="most"\} 2000$/m)
    expect(text).toMatch(/^perdure_queue_depth\{queue="audit"\} \d+$/m)
    expect(text).toMatch(/^perdure_listener_up 1$/m)
    expect(text).toMatch(/^perdure_sweep_age_seconds \d/m)
    expect(text).toMatch(/^perdure_audit_dropped_total 0$/m)
    expect(text).toMatch(/^perdure_event_loop_lag_seconds\{quantile="0.99"\} \d/m)
  })

  it("the API, by a page that runs nothing and asks nobody", async () => {
    const { headers, text } = await server.send({ path: "/docs" })
    expect(headers["content-type"]).toBe("text/html; charset=utf-8")
    expect(headers["content-security-policy"]).toMatch(/^default-src 'none'; style-src 'sha256-[^']+';/)
    expect(text).not.toMatch(/<script|javascript:|https?:\/\/|\son\w+=|style=/)
    expect(text).toContain("/api/runs/{runId}/triggers/{nodeId}")
    const { body } = await server.send({ path: "/openapi.json" })
    expect(body).toMatchObject({ openapi: expect.stringMatching(/^3\./), info: { title: "Perdure" } })
    expect(JSON.stringify(body)).not.toContain("HttpApiDecodeError")
  })
})

describe("A stream", () => {
  it("of a run tells all that happens in it and how it ends, and goes on where it broke off", async () => {
    const runId = await start({ amount: 400 })
    const first = await follow(server.port, `/api/runs/${runId}/stream`)
    expect(first.response.headers["content-type"]).toBe("text/event-stream")
    const before = await first.until(({ event }) => event === "event")
    first.close()
    const last = before.at(-1)?.id
    const second = await follow(server.port, `/api/runs/${runId}/stream`, { "last-event-id": last })
    await server.send({
      path: `/api/runs/${runId}/triggers/approval`,
      body: { inputId: "i", payload: { approved: true, by: "ada" } }
    })
    const rest = await second.until(({ event }) => event === "end")
    expect(rest.at(-1)?.data).toEqual({ status: "completed" })
    const ids = [...before, ...rest].flatMap(({ id }) => (id === undefined ? [] : [id]))
    expect(new Set(ids).size).toBe(ids.length)
    const { body } = await server.send({ path: `/api/runs/${runId}/events?limit=500` })
    expect(ids).toEqual((body!["events"] as ReadonlyArray<{ seq: string }>).map(({ seq }) => seq))
  })

  /** Which runs have completed, as a stream of all runs tells it. */
  const completedIn = ({ data, event }: SentEvent): ReadonlyArray<string> =>
    event === "runs"
      ? (data as ReadonlyArray<{ runId: string; kind: string }>).flatMap(({ kind, runId }) =>
          kind === "run.completed" ? [runId] : []
        )
      : []

  /** A reader of all runs, and what it was told first. */
  const followAll = async () => {
    const reader = await follow(server.port, "/api/stream")
    // The stream begins with what comes after its first look, so that runs are started until it tells of one.
    let isTold = false
    const told = reader
      .until(({ event }) => event === "runs")
      .finally(() => {
        isTold = true
      })
    while (!isTold) await ended(await start())
    return { reader, told: await told }
  }

  const startMany = async (count: number): Promise<ReadonlyArray<string>> => {
    const runs = Array.from({ length: count }, () => orderBody({}, { runId: `run-${randomUUID()}` }))
    const { body } = await server.send({ path: "/api/batches", body: { runs } })
    return (body!["results"] as ReadonlyArray<{ runId: string }>).map(({ runId }) => runId)
  }

  /** All that a reader is told up to a run's end, or to its being told that something was left out. */
  const untilEndOf = (runId: string, reader: Following) =>
    reader.until((one) => one.event === "skipped" || completedIn(one).includes(runId))

  it("of all runs goes on where it broke off, however much there was in between", async () => {
    const { reader: first, told } = await followAll()
    first.close()
    const missed = await startMany(60)
    await Promise.all(missed.map(ended))
    const second = await follow(server.port, "/api/stream", { "last-event-id": told.at(-1)?.id })
    const last = await start()
    const seen = await untilEndOf(last, second)
    second.close()
    expect(seen.map(({ event }) => event)).not.toContain("skipped")
    expect(seen.at(-1)?.id).toMatch(/^\d+$/)
    const completed = seen.flatMap(completedIn).filter((runId) => missed.includes(runId))
    expect(completed.toSorted()).toEqual(missed.toSorted())
  })

  it("of all runs tells of each of many that end at once", async () => {
    const { reader } = await followAll()
    const runs = await startMany(20)
    await Promise.all(runs.map(ended))
    const seen = await untilEndOf(await start(), reader)
    reader.close()
    expect(seen.map(({ event }) => event)).not.toContain("skipped")
    const completed = seen.flatMap(completedIn).filter((runId) => runs.includes(runId))
    expect(completed.toSorted()).toEqual(runs.toSorted())
  })

  it.each(["/api/stream", "/api/runs/RUN/stream"])("%s is refused with a Last-Event-ID that is none", async (path) => {
    const runId = await start()
    const headers = { "last-event-id": "1; drop" }
    expect(await server.send({ path: path.replace("RUN", runId), headers })).toMatchObject({
      status: 400,
      body: { _tag: "InvalidInput", field: "last-event-id" }
    })
  })

  it("of a run that is not there is refused", async () => {
    expect(await server.send({ path: "/api/runs/nobody/stream" })).toMatchObject({ status: 404 })
  })

  it("more than are served is refused politely, and taken once another has gone", async () => {
    const open = await Promise.all([1, 2, 3].map(() => follow(server.port, "/api/stream")))
    expect(await server.send({ path: "/api/stream" })).toMatchObject({
      status: 429,
      body: { _tag: "TooManyStreams", limit: 3 }
    })
    expect((await server.send({ method: "HEAD", path: "/api/stream" })).status).toBe(200)
    open[0]?.close()
    let again = await follow(server.port, "/api/stream")
    while (again.response.statusCode === 429) {
      again.close()
      again = await follow(server.port, "/api/stream")
    }
    expect(again.response.statusCode).toBe(200)
    for (const stream of [...open, again]) stream.close()
  })
})
