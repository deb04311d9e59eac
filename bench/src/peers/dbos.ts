import { DBOS, DBOSClient } from "@dbos-inc/dbos-sdk"
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
  type Session,
  Signals,
  step,
  stepsLeft,
  until,
  type Value
} from "../session.js"

const queueName = "bench"
const poolSize = 32
const dayS = 86_400

const quiet = () => undefined
const logger = { info: quiet, debug: quiet, warn: quiet, error: (entry: unknown) => console.error(entry) }

const stepOf = (value: Value, name: string) => DBOS.runStep(() => Promise.resolve(step(value)), { name })

const steps = async (from: number, to: number, given: Value): Promise<Value> => {
  let value = given
  for (let i = from; i < to; i++) value = await stepOf(value, `step${i + 1}`)
  return value
}

const chain = DBOS.registerWorkflow((value: Value) => steps(0, chainSteps, value), { name: "chain" })

const fan = DBOS.registerWorkflow(
  async (given: Value) => {
    const value = await stepOf(given, "split")
    const branches = await Promise.all(Array.from({ length: fanWidth }, (_, i) => stepOf(value, `work${i + 1}`)))
    return DBOS.runStep(() => Promise.resolve(step(join(branches))), { name: "join" })
  },
  { name: "fan" }
)

/** Enqueues without an executor: nothing is executed. */
const openPaused = async ({ url }: OpenOptions): Promise<Session> => {
  await DBOS.migrate(url)
  const client = await DBOSClient.create({ systemDatabaseUrl: url, systemDatabasePoolSize: poolSize, logger })
  await client.registerQueue(queueName)
  const unsupported = () => Promise.reject(new Error("a client executes nothing"))
  return {
    chain: unsupported,
    fan: unsupported,
    long: unsupported,
    resumed: unsupported,
    wait: unsupported,
    wake: unsupported,
    woken: unsupported,
    start: async (workflowID) => {
      await client.enqueue<typeof chain>({ queueName, workflowName: "chain", workflowID }, firstValue)
    },
    close: () => client.destroy()
  }
}

const openRunning = async ({ history, hold, url }: OpenOptions, held: () => void): Promise<Session> => {
  const signals = new Signals()
  const long = DBOS.registerWorkflow(
    async (given: Value) => {
      const value = await steps(0, history, given)
      if (hold) {
        held()
        await new Promise(quiet)
      }
      return steps(history, history + stepsLeft, value)
    },
    { name: "long" }
  )
  const waiting = DBOS.registerWorkflow(
    async (runId: string, given: Value) => {
      const value = await stepOf(given, "before")
      signals.tell(runId)
      await DBOS.recv("go", { timeoutSeconds: dayS })
      return stepOf(value, "after")
    },
    { name: "waiting" }
  )
  DBOS.setConfig({
    name: "bench",
    systemDatabaseUrl: url,
    systemDatabasePoolSize: poolSize,
    applicationVersion: "bench",
    tracingEnabled: false,
    logger
  })
  await DBOS.launch()
  const ends = new Map<string, Promise<Value>>()
  const reader = new pg.Pool({ connectionString: url, max: 1 })
  const succeeded = async () => {
    const text = "select count(*)::int4 as count from dbos.workflow_status where status = 'SUCCESS' and name = 'long'"
    return (await reader.query<{ count: number }>(text)).rows[0]!.count
  }
  return {
    chain: async (workflowID) => {
      const handle = await DBOS.startWorkflow(chain, { workflowID })(firstValue)
      expectCount(await handle.getResult(), chainSteps)
    },
    fan: async (workflowID) => {
      const handle = await DBOS.startWorkflow(fan, { workflowID })(firstValue)
      expectCount(await handle.getResult(), fanCount)
    },
    long: async (workflowID) => {
      await DBOS.startWorkflow(long, { workflowID })(firstValue)
    },
    resumed: (runIds) => until(10, async () => (await succeeded()) >= runIds.length),
    wait: async (workflowID) => {
      const reached = signals.heard(workflowID)
      const handle = await DBOS.startWorkflow(waiting, { workflowID })(workflowID, firstValue)
      ends.set(workflowID, handle.getResult())
      await reached
    },
    wake: (workflowID) => DBOS.send(workflowID, true, "go"),
    woken: async (workflowID) => expectCount(await ends.get(workflowID), 2),
    start: async (workflowID) => {
      await DBOS.startWorkflow(chain, { workflowID })(firstValue)
    },
    close: async () => {
      await reader.end()
      await DBOS.shutdown()
    }
  }
}

export const open: Open = (options, held) =>
  options.execution === "paused" ? openPaused(options) : openRunning(options, held)
