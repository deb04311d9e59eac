import { readFileSync } from "node:fs"
import { Absurd, SuspendTask, type TaskContext } from "absurd-sdk"
import pg from "pg"
import {
  chainSteps,
  expectCount,
  fanCount,
  fanWidth,
  firstValue,
  join,
  type Open,
  type OpenOptions,
  Signals,
  step,
  stepsLeft,
  until,
  type Value
} from "../session.js"

const queueName = "bench"
const connections = 32
const tasksAtOnce = 200
const pollS = 0.01
const claimMs = 120_000

interface Params {
  readonly runId: string
  readonly value: Value
}

/** What `ctx.step` takes and gives. */
type Json = { count: number; padding: string }
const json = (value: Value): Json => ({ ...value })

const stepOf = (ctx: TaskContext, name: string, value: Value) =>
  ctx.step(name, () => Promise.resolve(json(step(value))))

const steps = async (ctx: TaskContext, from: number, to: number, given: Value): Promise<Value> => {
  let value = given
  for (let i = from; i < to; i++) value = await stepOf(ctx, `step${i + 1}`, value)
  return value
}

/** The tables and functions of Absurd are not in its npm package. */
const install = async (pool: pg.Pool, { absurdSql }: OpenOptions): Promise<void> => {
  const { rows } = await pool.query<{ there: boolean }>("select to_regnamespace('absurd') is not null as there")
  if (rows[0]?.there === true) return
  if (absurdSql === undefined) throw new Error("the SQL of Absurd is missing")
  await pool.query(readFileSync(absurdSql, "utf8"))
}

const register = (absurd: Absurd, { history, hold, leaseMs = claimMs }: OpenOptions, held: () => void): void => {
  const holdOn = async (ctx: TaskContext): Promise<void> => {
    held()
    for (;;) {
      await ctx.heartbeat()
      await new Promise((resolve) => setTimeout(resolve, leaseMs / 3))
    }
  }
  absurd.registerTask<Params, Json>({ name: "chain" }, async ({ value }, ctx) => {
    const last = await steps(ctx, 0, chainSteps, value)
    expectCount(last, chainSteps)
    return json(last)
  })
  absurd.registerTask<Params, Json>({ name: "fan" }, async ({ value }, ctx) => {
    const split = await stepOf(ctx, "split", value)
    const branches = await Promise.all(Array.from({ length: fanWidth }, (_, i) => stepOf(ctx, `work${i + 1}`, split)))
    const last = await ctx.step("join", () => Promise.resolve(json(step(join(branches)))))
    expectCount(last, fanCount)
    return last
  })
  absurd.registerTask<Params, Json>({ name: "long" }, async ({ value }, ctx) => {
    const reached = await steps(ctx, 0, history, value)
    if (hold) await holdOn(ctx)
    const last = await steps(ctx, history, history + stepsLeft, reached)
    expectCount(last, history + stepsLeft)
    return json(last)
  })
  absurd.registerTask<Params, Json>({ name: "waiting" }, async ({ runId, value }, ctx) => {
    const before = await stepOf(ctx, "before", value)
    await ctx.awaitEvent(`go:${runId}`)
    const last = await stepOf(ctx, "after", before)
    expectCount(last, 2)
    return last
  })
}

export const open: Open = async (options, held) => {
  const pool = new pg.Pool({ connectionString: options.url, max: connections })
  await install(pool, options)
  const signals = new Signals()
  const absurd = new Absurd({
    db: pool,
    queueName,
    log: { log: () => undefined, info: () => undefined, warn: () => undefined, error: console.error },
    hooks: {
      // around the handler and the commit of what it returned or waits for
      wrapTaskExecution: async (ctx, execute) => {
        try {
          const result = await execute()
          signals.tell(`ended ${ctx.taskID}`)
          return result
        } catch (cause) {
          if (cause instanceof SuspendTask) signals.tell(`waiting ${ctx.taskID}`)
          throw cause
        }
      }
    }
  })
  await absurd.createQueue()
  register(absurd, options, held)
  if (options.execution === "running")
    await absurd.startWorker({
      concurrency: tasksAtOnce,
      pollInterval: pollS,
      claimTimeout: (options.leaseMs ?? claimMs) / 1_000,
      fatalOnLeaseTimeout: false
    })
  const tasks = new Map<string, string>()
  const spawn = async (name: string, runId: string) => {
    const { taskID } = await absurd.spawn<Params>(name, { runId, value: firstValue }, { idempotencyKey: runId })
    return taskID
  }
  const completed = async () => {
    const text = "select count(*)::int4 as count from absurd.t_bench where state = 'completed'"
    return (await pool.query<{ count: number }>(text)).rows[0]!.count
  }
  const toEnd = (name: string) => async (runId: string) => signals.heard(`ended ${await spawn(name, runId)}`)
  const start = async (runId: string) => {
    await spawn("chain", runId)
  }
  return {
    chain: toEnd("chain"),
    fan: toEnd("fan"),
    long: async (runId) => {
      await spawn("long", runId)
    },
    resumed: (runIds) => until(10, async () => (await completed()) >= runIds.length),
    wait: async (runId) => {
      const task = await spawn("waiting", runId)
      tasks.set(runId, task)
      await signals.heard(`waiting ${task}`)
    },
    wake: (runId) => absurd.emitEvent(`go:${runId}`, true),
    woken: (runId) => signals.heard(`ended ${tasks.get(runId)}`),
    start,
    close: async () => {
      await absurd.close()
      await pool.end()
    }
  }
}
