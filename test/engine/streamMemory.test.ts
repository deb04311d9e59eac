import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Limits } from "../../src/model/Limits.js"
import { freshDatabase } from "../support/database.js"
import { totalOf } from "./streamLoad.js"
import { type World, worldOn } from "./world.js"

const count = 100_000

/** All messages at once would be twice as much as text alone, and several times that as messages. */
const mostGrowthMb = 10

const megabyte = 1_048_576

interface Load {
  readonly child: ChildProcess
  readonly heap: Array<number>
  total: unknown
  exit: number | NodeJS.Signals | undefined
}

const open = (url: string) =>
  Effect.acquireRelease(
    Effect.sync((): Load => {
      const program = fileURLToPath(new URL("streamLoadChild.ts", import.meta.url))
      const execArgv = ["--expose-gc", "--import", "tsx"]
      const child = fork(program, [url, `${count}`], { execArgv, stdio: ["ignore", "inherit", "inherit", "ipc"] })
      const load: Load = { child, heap: [], total: undefined, exit: undefined }
      child.on("message", (message: { readonly heapUsed?: number; readonly total?: unknown }) => {
        if (message.heapUsed !== undefined) load.heap.push(message.heapUsed)
        else load.total = message.total
      })
      child.once("exit", (code, signal) => {
        load.exit = signal ?? code ?? 0
      })
      return load
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** How many messages stand in the rows that the reader has not counted durably. */
const ahead = (world: World) =>
  Effect.map(
    world.sql(
      `select coalesce((select max(ordinal) + 1 from perdure.run_inbox_messages where producer = 'lines.line'), 0)
         - coalesce((select (value::jsonb->'state'->>'count')::int4 from perdure.run_steps where kind = 'checkpoint'), 0) as n`
    ),
    ([row]) => Number(row?.["n"])
  )

it.live("E7 100,000 messages to a slow consumer: all are counted, few wait in the rows, and none in memory", () =>
  Effect.gen(function* () {
    const { url } = yield* freshDatabase()
    const world = yield* worldOn(url)
    const load = yield* open(url)
    let most = 0
    while (load.exit === undefined) {
      most = Math.max(most, yield* ahead(world))
      yield* Effect.sleep("100 millis")
    }
    expect(load.exit).toBe(0)
    expect(load.total).toEqual(totalOf(count))
    // It was slow: what may wait did. What the reader has of it in memory is a page and a group.
    expect(most).toBeGreaterThanOrEqual(Limits.edgeCredits)
    expect(most).toBeLessThanOrEqual(Limits.edgeCredits + 4 * Limits.streamBatch)
    expect(load.heap.length).toBeGreaterThan(10)
    expect((Math.max(...load.heap) - load.heap[0]!) / megabyte).toBeLessThan(mostGrowthMb)
  }).pipe(Effect.scoped)
)
