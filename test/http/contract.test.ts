import { randomUUID } from "node:crypto"
import * as Layer from "effect/Layer"
import { describe, expect, it } from "vitest"
import * as Effects from "../../src/example/Effects.js"
import { handlers, Order } from "../../src/example/order.js"
import * as Perdure from "../../src/layers.js"
import { orderBody, serving } from "./harness.js"

const engine = Order.layer.pipe(
  Layer.provide(handlers),
  Layer.provide(Effects.layer()),
  Layer.provideMerge(Perdure.layerEngine({ pollMs: 50 })),
  Layer.provide(Perdure.layerEmbedded({}))
)

const server = serving(engine)

const start = async (order: object = {}) => {
  const runId = `run-${randomUUID()}`
  const started = await server.send({ path: "/api/runs", body: orderBody(order, { runId }) })
  expect(started.status).toBe(201)
  expect(started.body).toMatchObject({ runId })
  return runId
}

const resultOf = (runId: string, wait = 20) => server.send({ path: `/api/runs/${runId}/result?wait=${wait}` })

const receipt = (status: string, amount: number) => ({ receipt: { orderId: "o-1", status, amount } })

const approve = (runId: string, inputId: string, approved = true) =>
  server.send({
    path: `/api/runs/${runId}/triggers/approval`,
    body: { inputId, payload: { approved, by: "ada" } }
  })

const untilStatus = async (runId: string, status: string): Promise<void> => {
  for (;;) {
    const { body } = await resultOf(runId, 0.05)
    if (body?.["status"] === status) return
  }
}

describe("An order over HTTP", () => {
  it("below 100 is shipped", async () => {
    const runId = await start()
    const { body, status } = await resultOf(runId)
    expect({ status, body }).toEqual({ status: 200, body: { status: "completed", output: receipt("shipped", 40) } })
  })

  it.each([
    ["flaky", "shipped"],
    ["declined", "declined"]
  ])("with a %s card ends %s", async (card, outcome) => {
    const { body } = await resultOf(await start({ card }))
    expect(body).toEqual({ status: "completed", output: receipt(outcome, 40) })
  })

  it("above 100 waits for its approval", async () => {
    const runId = await start({ amount: 400 })
    await untilStatus(runId, "suspended")
    const waiting = await resultOf(runId, 0)
    expect(waiting).toMatchObject({ status: 202, body: { status: "suspended" } })
    expect(await approve(runId, "i-1")).toMatchObject({ status: 202, body: { accepted: true } })
    expect((await resultOf(runId)).body).toEqual({ status: "completed", output: receipt("shipped", 400) })
    expect(await approve(runId, "i-1")).toMatchObject({ status: 200, body: { accepted: false } })
    expect(await approve(runId, "i-2")).toMatchObject({ status: 409, body: { _tag: "RunEnded", status: "completed" } })
  })

  it("is rejected by a refusal", async () => {
    const runId = await start({ amount: 400 })
    await approve(runId, "i-1", false)
    expect((await resultOf(runId)).body).toEqual({ status: "completed", output: receipt("rejected", 400) })
  })

  it("is started once, whoever starts it again", async () => {
    const runId = await start()
    const again = await server.send({ path: "/api/runs", body: orderBody({}, { runId }) })
    expect(again).toMatchObject({ status: 200, body: { runId } })
    const other = await server.send({ path: "/api/runs", body: orderBody({ amount: 41 }, { runId }) })
    expect(other).toMatchObject({ status: 409, body: { _tag: "RunConflict", runId, field: "input" } })
  })

  it("is cancelled, once", async () => {
    const runId = await start({ amount: 400 })
    const cancel = () => server.send({ method: "POST", path: `/api/runs/${runId}/cancel` })
    expect(await cancel()).toMatchObject({ status: 202 })
    expect((await resultOf(runId)).body).toEqual({ status: "cancelled" })
    expect(await cancel()).toMatchObject({ status: 409, body: { _tag: "CommandRefused", status: "cancelled" } })
  })

  it("is paused and resumed", async () => {
    const runId = await start({ amount: 400 })
    await untilStatus(runId, "suspended")
    expect(await server.send({ path: `/api/runs/${runId}/pause`, body: {} })).toMatchObject({ status: 202 })
    await untilStatus(runId, "paused")
    expect(await server.send({ path: `/api/runs/${runId}/resume`, body: {} })).toMatchObject({ status: 202 })
    await approve(runId, "i-1")
    expect((await resultOf(runId)).body).toMatchObject({ status: "completed" })
  })
})

describe("What is shown", () => {
  it("of a run is its values and its nodes", async () => {
    const runId = await start({ card: "declined" })
    await resultOf(runId)
    const { body } = await server.send({ path: `/api/runs/${runId}` })
    expect(Object.keys(body ?? {}).sort()).toEqual(
      ["createdAt", "endedAt", "input", "nodes", "output", "runId", "status", "version", "workflow"].sort()
    )
    expect(body).toMatchObject({
      runId,
      workflow: "order",
      version: 1,
      status: "completed",
      input: orderBody({ card: "declined" }).input
    })
    const nodes = body?.["nodes"] as ReadonlyArray<{ readonly nodeId: string; readonly status: string }>
    expect(Object.fromEntries(nodes.map((node) => [node.nodeId, node.status]))).toEqual({
      reserve: "completed",
      approval: "skipped",
      charge: "failed",
      notify: "completed",
      ship: "skipped"
    })
    expect(nodes.find(({ nodeId }) => nodeId === "charge")).toMatchObject({
      firing: 1,
      attempt: 1,
      crashes: 0,
      error: { kind: "error", nodeId: "charge", error: { _tag: "CardDeclined", orderId: "o-1", amount: 40 } }
    })
  })

  it("of many runs is paged, newest first, each once", async () => {
    const made = [await start(), await start(), await start(), await start(), await start()]
    const seen: Array<string> = []
    let cursor: unknown
    do {
      const { body } = await server.send({
        path: `/api/runs?workflow=order&limit=2${cursor === undefined ? "" : `&cursor=${cursor}`}`
      })
      const runs = body?.["runs"] as ReadonlyArray<{ readonly runId: string }>
      expect(runs.length).toBeLessThanOrEqual(2)
      seen.push(...runs.map(({ runId }) => runId))
      cursor = body?.["nextCursor"]
    } while (cursor !== undefined)
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.slice(0, 5)).toEqual(made.toReversed())
  })

  it("of a status is only that status", async () => {
    const runId = await start({ amount: 400 })
    await untilStatus(runId, "suspended")
    const { body } = await server.send({ path: "/api/runs?status=suspended&limit=500" })
    const runs = body?.["runs"] as ReadonlyArray<{ readonly runId: string; readonly status: string }>
    expect(runs.every(({ status }) => status === "suspended")).toBe(true)
    expect(runs.map((run) => run.runId)).toContain(runId)
  })

  it("of the workflows is their graph", async () => {
    const { body } = await server.send({ path: "/api/workflows" })
    expect(body).toEqual([
      { name: "order", version: 1, hash: Order.hash, graph: JSON.parse(JSON.stringify(Order.graph)) }
    ])
  })

  it("to probes is that the server lives and is ready", async () => {
    expect(await server.send({ path: "/healthz" })).toMatchObject({ status: 200, body: { status: "ok" } })
    expect(await server.send({ path: "/readyz" })).toMatchObject({ status: 200, body: { status: "ready" } })
  })
})

describe("Nothing is written", () => {
  const missing = "run-that-never-was"

  it.each([
    ["GET", `/api/runs/${missing}`],
    ["GET", `/api/runs/${missing}/result?wait=1`],
    ["GET", `/api/runs/${missing}/events`],
    ["POST", `/api/runs/${missing}/cancel`],
    ["POST", `/api/runs/${missing}/pause`],
    ["POST", `/api/runs/${missing}/resume`]
  ])("by %s %s of a run that is not there", async (method, path) => {
    expect(await server.send({ method, path })).toMatchObject({
      status: 404,
      body: { _tag: "RunNotFound", runId: missing }
    })
  })

  it("by a trigger of a run or node that is not there", async () => {
    const body = { inputId: "i", payload: { approved: true, by: "ada" } }
    expect(await server.send({ path: `/api/runs/${missing}/triggers/approval`, body })).toMatchObject({
      status: 404,
      body: { _tag: "RunNotFound" }
    })
    const runId = await start({ amount: 400 })
    expect(await server.send({ path: `/api/runs/${runId}/triggers/charge`, body })).toMatchObject({
      status: 404,
      body: { _tag: "NodeNotFound", nodeId: "charge" }
    })
  })

  it.each([
    [{ order: {} }, "input.order.id"],
    [{}, "input.order"],
    [{ order: { id: "" } }, "input.order.id"],
    [{ order: orderBody({ quantity: 0 }).input.order }, "input.order.quantity"],
    [{ order: orderBody({ quantity: 1.5 }).input.order }, "input.order.quantity"],
    [{ order: orderBody({ amount: -1 }).input.order }, "input.order.amount"],
    [{ order: orderBody({ amount: "40" }).input.order }, "input.order.amount"],
    [{ order: orderBody({ card: "stolen" }).input.order }, "input.order.card"],
    [{ order: orderBody().input.order, other: 1 }, "input.other"],
    [[], "input"],
    [null, "input"]
  ])("by an order %j, which is refused at %s", async (input, field) => {
    const runId = `run-${randomUUID()}`
    const refused = await server.send({ path: "/api/runs", body: { workflow: "order", runId, input } })
    expect(refused).toMatchObject({ status: 400, body: { _tag: "InvalidInput", field } })
    expect((await server.send({ path: `/api/runs/${runId}` })).status).toBe(404)
  })

  it("by a payload that does not fit", async () => {
    const runId = await start({ amount: 400 })
    const refused = await server.send({
      path: `/api/runs/${runId}/triggers/approval`,
      body: { inputId: "i", payload: { approved: "yes", by: "ada" } }
    })
    expect(refused).toMatchObject({ status: 400, body: { _tag: "InvalidInput", field: "payload.approved" } })
    expect(await approve(runId, "i")).toMatchObject({ status: 202, body: { accepted: true } })
  })

  it("by an unknown workflow or version", async () => {
    for (const body of [orderBody({}, { workflow: "nope" }), orderBody({}, { version: 99 })]) {
      expect(await server.send({ path: "/api/runs", body })).toMatchObject({
        status: 404,
        body: { _tag: "WorkflowNotFound" }
      })
    }
  })
})
