import * as restate from "@restatedev/restate-sdk"
import * as clients from "@restatedev/restate-sdk-clients"
import {
  chainSteps,
  expectCount,
  fanCount,
  fanWidth,
  firstValue,
  forEach,
  join,
  type Open,
  type OpenOptions,
  Signals,
  step,
  stepsLeft,
  type Value
} from "../session.js"

interface Params {
  readonly runId: string
  readonly value: Value
}

/** Objects behind whose first, waiting invocation all others queue: so that starts are accepted and nothing executed. */
const blockedObjects = 100

const stepOf = (ctx: restate.Context, name: string, value: Value) => ctx.run(name, () => step(value))

const steps = async (ctx: restate.Context, from: number, to: number, given: Value): Promise<Value> => {
  let value = given
  for (let i = from; i < to; i++) value = await stepOf(ctx, `step${i + 1}`, value)
  return value
}

/** Tries again at once and often: a process that is back must not be waited for. */
const retryPolicy = { initialInterval: 50, exponentiationFactor: 1, maxInterval: 50 }

const definitions = (
  { history, hold }: OpenOptions,
  held: () => void,
  signals: Signals,
  waits: Map<string, string>
) => {
  const bench = restate.service({
    name: "bench",
    options: { retryPolicy },
    handlers: {
      chain: (ctx: restate.Context, { value }: Params) => steps(ctx, 0, chainSteps, value),
      fan: async (ctx: restate.Context, { value }: Params) => {
        const split = await stepOf(ctx, "split", value)
        const branches = Array.from({ length: fanWidth }, (_, i) => stepOf(ctx, `work${i + 1}`, split))
        const values = await restate.RestatePromise.all(branches)
        return ctx.run("join", () => step(join(values)))
      },
      long: async (ctx: restate.Context, { value }: Params) => {
        const reached = await steps(ctx, 0, history, value)
        if (hold) {
          held()
          await new Promise(() => undefined)
        }
        return steps(ctx, history, history + stepsLeft, reached)
      },
      waiting: async (ctx: restate.Context, { runId, value }: Params) => {
        const before = await stepOf(ctx, "before", value)
        const { id, promise } = ctx.awakeable<boolean>()
        waits.set(runId, id)
        signals.tell(`waiting ${runId}`)
        await promise
        const last = await stepOf(ctx, "after", before)
        signals.tell(`ended ${runId}`)
        return last
      }
    }
  })
  const blocked = restate.object({
    name: "blocked",
    handlers: {
      block: async (ctx: restate.ObjectContext) => {
        await ctx.awakeable<boolean>().promise
      },
      chain: (ctx: restate.ObjectContext, { value }: Params) => steps(ctx, 0, chainSteps, value)
    }
  })
  return { bench, blocked }
}

const register = async (admin: number, service: number): Promise<void> => {
  const response = await fetch(`http://127.0.0.1:${admin}/deployments`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ uri: `http://127.0.0.1:${service}`, force: true })
  })
  if (!response.ok) throw new Error(`the service could not be registered: ${await response.text()}`)
}

export const open: Open = async (options, held) => {
  const { execution, history, restate: ports } = options
  if (ports === undefined) throw new Error("the Restate server is missing")
  const signals = new Signals()
  const waits = new Map<string, string>()
  const { bench, blocked } = definitions(options, held, signals, waits)
  await restate.serve({ services: [bench, blocked], port: ports.service })
  // in a second process of the same service it is known already
  if (history === 0 || options.hold) await register(ports.admin, ports.service)
  const ingress = clients.connect({ url: `http://127.0.0.1:${ports.ingress}` })
  const client = ingress.serviceClient<typeof bench>({ name: "bench" })
  const sender = ingress.serviceSendClient<typeof bench>({ name: "bench" })
  const params = (runId: string): Params => ({ runId, value: firstValue })
  const key = (idempotencyKey: string) => clients.rpc.sendOpts<Params>({ idempotencyKey })
  const attach = (idempotencyKey: string) => clients.rpc.opts<Params, Value>({ idempotencyKey })
  const objects = Array.from({ length: blockedObjects }, (_, i) =>
    ingress.objectSendClient<typeof blocked>({ name: "blocked" }, `object-${i}`)
  )
  const block = async (object: (typeof objects)[number]) => {
    await object.block()
  }
  if (execution === "paused") await forEach(objects, 10, block)
  let started = 0
  return {
    chain: async (runId) => expectCount(await client.chain(params(runId)), chainSteps),
    fan: async (runId) => expectCount(await client.fan(params(runId)), fanCount),
    long: async (runId) => {
      await sender.long(params(runId), key(runId))
    },
    resumed: async (runIds) => {
      const result = async (runId: string) =>
        expectCount(await client.long(params(runId), attach(runId)), history + stepsLeft)
      await Promise.all(runIds.map(result))
    },
    wait: async (runId) => {
      const reached = signals.heard(`waiting ${runId}`)
      await sender.waiting(params(runId), key(runId))
      await reached
    },
    wake: (runId) => ingress.resolveAwakeable(waits.get(runId)!, true),
    woken: async (runId) => {
      await signals.heard(`ended ${runId}`)
      expectCount(await client.waiting(params(runId), attach(runId)), 2)
    },
    start: async (runId) => {
      await objects[started++ % blockedObjects]!.chain(params(runId))
    },
    close: () => Promise.resolve()
  }
}
