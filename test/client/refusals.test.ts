import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { expect, it } from "vitest"
import * as Effects from "../../src/example/Effects.js"
import { handlers, Order } from "../../src/example/order.js"
import { serve } from "./harness.js"

const order = { id: "o-1", item: "book", quantity: 1, amount: 40, card: "ok" } as const

const orders = Order.layer.pipe(Layer.provide(handlers), Layer.provide(Effects.layer()))

it("The client refuses arguments that the contract does not take, and names them", () =>
  Effect.gen(function* () {
    const client = yield* (yield* serve(orders)).client()
    const started = (options: object) => client.start(Order, { order }, { runId: "r-1", ...options })
    const refused: ReadonlyArray<readonly [call: Effect.Effect<unknown, unknown>, field: string]> = [
      [client.list({ limit: 9_999 }), "limit"],
      [client.list({ workflow: "a b" }), "workflow"],
      [client.list({ attributes: { "a b": "x" } }), "attributes"],
      [client.events("r-1", { limit: 0 }), "limit"],
      [client.events("r-1", { nodeId: "a b" }), "nodeId"],
      [started({ attributes: { "a b": "x" } }), "attributes"],
      [started({ priority: 500 }), "priority"],
      [started({ startAt: new Date(8.64e15) }), "startAt"]
    ]
    for (const [call, field] of refused) {
      expect(yield* Effect.flip(call)).toMatchObject({ _tag: "InvalidInput", field })
    }
    expect(yield* Effect.flip(client.get("r-1"))).toMatchObject({ _tag: "RunNotFound" })
  }).pipe(Effect.scoped, Effect.runPromise))

it("An answer of another form is told as that", () =>
  Effect.gen(function* () {
    const other = yield* Effect.acquireRelease(
      Effect.async<Http.Server>((resume) => {
        const server = Http.createServer((_, response) =>
          response.writeHead(200, { "content-type": "application/json" }).end('{"runs":1}')
        ).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    )
    const { port } = other.address() as AddressInfo
    const client = yield* (yield* serve(orders)).client({ url: `http://127.0.0.1:${port}` })
    expect(yield* Effect.flip(client.list())).toMatchObject({ _tag: "UnexpectedAnswer" })
  }).pipe(Effect.scoped, Effect.runPromise))
