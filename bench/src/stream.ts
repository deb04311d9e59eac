import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import pg from "pg"
import { childProgram } from "./build.js"
import { createDatabase } from "./databases.js"
import { totalOf } from "./streamTotal.js"

const kills = 3

/** What is claimed: so much time for a million messages, in few of which the deaths count most, and so much memory. */
const claimed = { secondsForAMillion: 600, secondsAtLeast: 120, growthMb: 100 }

/**
 * The workers' heaps may be so large: what lives in one is 28 MB at any time, and without a limit V8 lets four times as much of
 * what is dead lie about before it looks; a worker that kept its messages would end here.
 */
const heapMb = 96

const lookEveryMs = 100

const megabyte = 1_048_576

/** So many messages; and whether the map is one firing with its concurrency inside, instead of a node with that. */
export interface StreamLoad {
  readonly messages: number
  readonly inside: boolean
}

/** What one life of the worker has told. */
interface Life {
  readonly process: ChildProcess
  readonly memory: Array<{ readonly rss: number; readonly heapUsed: number }>
  total: unknown
}

const begin = (url: string, { inside, messages }: StreamLoad): Life => {
  const program = join(childProgram, "..", "streamChild.js")
  const process = fork(program, [url, `${messages}`, `${inside}`], {
    execArgv: ["--no-warnings", `--max-old-space-size=${heapMb}`],
    stdio: ["ignore", 2, 2, "ipc"]
  })
  const life: Life = { process, memory: [], total: undefined }
  process.on("message", (message: object) => {
    if ("total" in message) life.total = message.total
    else life.memory.push(message as Life["memory"][number])
  })
  return life
}

const growthMb = ({ memory }: Life, of: "rss" | "heapUsed"): number => {
  const values = memory.map((each) => each[of])
  return values.length === 0 ? 0 : Math.round((Math.max(...values) - values[0]!) / megabyte)
}

/** How many messages the fold has counted durably. */
const counted = async (client: pg.Client): Promise<number> => {
  const { rows } = await client.query(
    `select (value::jsonb->'state'->>'count')::int4 as count from perdure.run_steps where node_id = 'fold' and kind = 'checkpoint'`
  )
  return rows[0]?.count ?? 0
}

const killedAt = async (client: pg.Client, life: Life, count: number): Promise<void> => {
  while ((await counted(client)) < count) {
    if (life.process.exitCode !== null) throw new Error("the worker ended by itself")
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs))
  }
  life.process.kill("SIGKILL")
  await once(life.process, "exit")
}

const emittedStatement = `
  select producer, count(*)::int4 as count, count(distinct payload)::int4 as different
  from perdure.run_inbox_messages where producer in ('produce.message', 'double.message') group by producer`

/** The stream load: producer, map, fold, and a worker that is killed on the way. Prints one JSON line; gives whether all holds. */
export const streamLoad = async (server: string, load: StreamLoad): Promise<boolean> => {
  const { inside, messages } = load
  const url = await createDatabase(server, "bench_stream")
  const started = performance.now()
  const lives = [begin(url, load)]
  const client = new pg.Client(url)
  await client.connect()
  while ((await client.query("select to_regclass('perdure.run_steps') as found")).rows[0].found === null) {
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs))
  }
  for (let kill = 1; kill <= kills; kill++) {
    await killedAt(client, lives.at(-1)!, Math.floor((messages * kill) / (kills + 1)))
    lives.push(begin(url, load))
  }
  const last = lives.at(-1)!
  await once(last.process, "exit")
  const seconds = (performance.now() - started) / 1_000
  const { rows } = await client.query(emittedStatement)
  await client.end()
  const exact = rows.length === 2 && rows.every((row) => row.count === messages && row.different === messages)
  const rssGrowthMb = Math.max(...lives.map((life) => growthMb(life, "rss")))
  const claims = {
    exactlyOnce: exact && JSON.stringify(last.total) === JSON.stringify(totalOf(messages)),
    inTime: seconds <= Math.max(claimed.secondsAtLeast, (claimed.secondsForAMillion * messages) / 1_000_000),
    memoryFlat: rssGrowthMb < claimed.growthMb
  }
  const figures = {
    seconds: Number(seconds.toFixed(1)),
    messagesPerSecond: Math.round(messages / seconds),
    rssGrowthMb,
    heapGrowthMb: Math.max(...lives.map((life) => growthMb(life, "heapUsed")))
  }
  console.log(
    JSON.stringify({
      engine: "perdure",
      work: "stream",
      map: inside ? "inside" : "node",
      messages,
      kills,
      ...figures,
      claims
    })
  )
  return !Object.values(claims).includes(false)
}
