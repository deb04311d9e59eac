import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import pg from "pg"
import { childProgram } from "./build.js"
import { createDatabase } from "./databases.js"

/** What the harness asks of a server with sleepers. */
export type ToSleepers = { readonly _tag: "memory" } | StartSleepers

export interface StartSleepers {
  readonly _tag: "start"
  readonly prefix: string
  readonly from: number
  readonly count: number
  /** How long each sleeps; without any it ends at once. */
  readonly hours: number
}

/** What is claimed: resident memory with all asleep, over that of an idle server that has executed as many runs before. */
const growthMb = 10

const startedAtOnce = 5_000

/** Longer than a run stays in memory, and for what was allocated meanwhile to be given back, as a server does it. */
const settleMs = 60_000

const lookEveryMs = 500

const megabyte = 1_048_576

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** One server process. */
class Server {
  private readonly process: ChildProcess

  constructor(url: string) {
    this.process = fork(join(childProgram, "..", "sleepersChild.js"), [url], {
      execArgv: ["--no-warnings"],
      stdio: ["ignore", 2, 2, "ipc"]
    })
  }

  /** Its next word. */
  async answer(): Promise<number> {
    const ended = new AbortController()
    const died = once(this.process, "exit", { signal: ended.signal }).then(
      () => Promise.reject(new Error("a server with sleepers ended by itself")),
      () => []
    )
    const [message] = await Promise.race([once(this.process, "message"), died])
    ended.abort()
    const told = message as { readonly value: number } | { readonly error: string }
    if ("error" in told) throw new Error(told.error)
    return told.value
  }

  ask(message: ToSleepers): Promise<number> {
    const answer = this.answer()
    this.process.send(message)
    return answer
  }

  async memoryMb(): Promise<number> {
    return (await this.ask({ _tag: "memory" })) / megabyte
  }

  async kill(): Promise<void> {
    this.process.kill("SIGKILL")
    await once(this.process, "exit")
  }
}

/** Waits until so many runs are as the condition says; gives the seconds that took. */
const until = async (client: pg.Client, condition: string, runs: number): Promise<number> => {
  const begun = performance.now()
  for (;;) {
    const { rows } = await client.query(`select count(*)::int4 as count from perdure.run_state where ${condition}`)
    if (rows[0].count >= runs) return (performance.now() - begun) / 1_000
    await pause(lookEveryMs)
  }
}

const opened = async (url: string): Promise<Server> => {
  const server = new Server(url)
  await server.answer()
  await pause(settleMs)
  return server
}

/**
 * Runs that sleep for an hour: how much memory a server has meanwhile, and that all of them wake when the database's clock says so.
 * Prints one JSON line; gives whether all holds.
 *
 * **Details** A server that executes anything for the first time keeps what V8 compiles for it, whether runs sleep or not. So there are two
 * idle servers to compare with: one fresh, and the same one when it has executed as many runs that did not sleep.
 */
export const sleepers = async (server: string, runs: number): Promise<boolean> => {
  const url = await createDatabase(server, "bench_sleepers")
  const first = await opened(url)
  const idleMb = await first.memoryMb()
  const client = new pg.Client(url)
  await client.connect()
  const start = async (prefix: string, hours: number) => {
    for (let from = 0; from < runs; from += startedAtOnce) {
      await first.ask({ _tag: "start", prefix, from, count: Math.min(startedAtOnce, runs - from), hours })
    }
  }
  await start("awake", 0)
  await until(client, "status = 'completed'", runs)
  await pause(settleMs)
  const servedMb = await first.memoryMb()
  const begun = performance.now()
  await start("sleeper", 1)
  await until(client, "status = 'suspended' and worker is null", runs)
  const asleepSeconds = (performance.now() - begun) / 1_000
  await pause(settleMs)
  const withThemMb = await first.memoryMb()
  await first.kill()
  const heir = await opened(url)
  const heirMb = await heir.memoryMb()
  await client.query(`create or replace function perdure.clock() returns timestamptz language sql stable parallel safe
    as $$ select pg_catalog.now() + interval '1 hour' $$`)
  const wokenSeconds = await until(client, "status = 'completed'", 2 * runs)
  await heir.kill()
  await client.end()
  const rounded = (value: number) => Number(value.toFixed(1))
  const figures = {
    freshMb: rounded(idleMb),
    servedMb: rounded(servedMb),
    startedAllMb: rounded(withThemMb - servedMb),
    startedAllOverFreshMb: rounded(withThemMb - idleMb),
    foundAllMb: rounded(heirMb - idleMb),
    asleepSeconds: rounded(asleepSeconds),
    wokenSeconds: rounded(wokenSeconds)
  }
  const claims = { allWoke: true, memoryFlat: figures.startedAllMb <= growthMb && figures.foundAllMb <= growthMb }
  console.log(JSON.stringify({ engine: "perdure", work: "sleepers", runs, ...figures, claims }))
  return claims.memoryFlat
}
