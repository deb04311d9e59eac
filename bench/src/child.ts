import * as inspector from "node:inspector"
import { type Call, type Calls, isCall } from "./calls.js"
import { forEach, type Open, type Session } from "./session.js"

/** One engine in a process of its own, driven by the harness through messages. */

const names = (tag: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, i) => `${tag}-${i}`)

const seconds = async (body: () => Promise<void>): Promise<number> => {
  const started = performance.now()
  await body()
  return (performance.now() - started) / 1_000
}

const megabytes = (bytes: number): number => Math.round(bytes / 10_485.76) / 100

const collector = new inspector.Session()
collector.connect()

const awaitersSettleMs = 1_000

let opened: Session | undefined
let heldRuns = 0
let whenHeld: { readonly count: number; readonly resolve: () => void } | undefined

const held = (): void => {
  heldRuns++
  if (whenHeld !== undefined && heldRuns >= whenHeld.count) whenHeld.resolve()
}

const session = (): Session => {
  if (opened === undefined) throw new Error("the engine is not open")
  return opened
}

const calls: Calls = {
  open: async ({ module, options }) => {
    const { open } = (await import(new URL(module, import.meta.url).href)) as { readonly open: Open }
    opened = await open(options, held)
  },
  runs: ({ kind, tag, count, atOnce }) =>
    seconds(() => forEach(names(tag, count), atOnce, (id) => session()[kind](id))),
  lone: async ({ tag, count }) => {
    const times: Array<number> = []
    for (const id of names(tag, count)) times.push((await seconds(() => session().chain(id))) * 1_000)
    return times
  },
  hold: async ({ tag, count }) => {
    const all = new Promise<void>((resolve) => {
      whenHeld = { count, resolve }
    })
    await forEach(names(tag, count), count, (id) => session().long(id))
    await all
  },
  resumed: ({ tag, count }) => session().resumed(names(tag, count)),
  wait: ({ tag, count, atOnce }) => seconds(() => forEach(names(tag, count), atOnce, (id) => session().wait(id))),
  wake: async ({ tag, count, atOnce }) => {
    const ids = names(tag, count)
    // whoever waits for the ends is there before the clock starts
    const ends = Promise.all(ids.map((id) => session().woken(id)))
    await new Promise((resolve) => setTimeout(resolve, awaitersSettleMs))
    return seconds(async () => {
      await forEach(ids, atOnce, (id) => session().wake(id))
      await ends
    })
  },
  starts: ({ tag, count, atOnce }) => seconds(() => forEach(names(tag, count), atOnce, (id) => session().start(id))),
  batch: async ({ tag, count }) => {
    const ids = names(tag, count)
    const batch = session().startBatch
    const took = await seconds(async () => {
      if (batch === undefined) await Promise.all(ids.map((id) => session().start(id)))
      else await batch(ids)
    })
    return { seconds: took, oneCall: batch !== undefined }
  },
  memory: async () => {
    // Twice: what finalizers let go of in the first is swept by the second. As V8 does when a system is short of memory: an ordinary
    // collection leaves what was set aside for young values as large as the load has made it.
    for (let i = 0; i < 2; i++) {
      await new Promise<void>((resolve) => collector.post("HeapProfiler.collectGarbage", () => resolve()))
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    const { rss, heapUsed } = process.memoryUsage()
    return { rssMb: megabytes(rss), heapMb: megabytes(heapUsed) }
  },
  cpu: async () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1_000
  },
  close: async () => {
    await opened?.close()
    opened = undefined
  }
}

const answer = async ({ id, name, argument }: Call): Promise<void> => {
  try {
    const call: (argument: never) => Promise<unknown> = calls[name]
    const value = await call(argument as never)
    process.send?.({ id, value })
  } catch (cause) {
    process.send?.({ id, error: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) })
  }
}

process.on("message", (message) => {
  if (isCall(message)) answer(message).catch((cause) => console.error(cause))
})
// without the harness there is nothing left to do
process.on("disconnect", () => process.exit(0))
