import * as Inspector from "node:inspector"
import { Worker } from "node:worker_threads"

/** How often it is looked whether the event loop turns; a process that was stopped has time to turn it again. */
const lookMs = 100

/**
 * What the watching thread runs. It counts its own looks, not time: a process that was stopped and goes on is not blamed for
 * the time between.
 */
const script = `
  const { writeSync } = require("node:fs")
  const { workerData } = require("node:worker_threads")
  const turns = new Int32Array(workerData.turns)
  let seen = -1
  let still = 0
  for (;;) {
    Atomics.wait(turns, 1, 0, workerData.lookMs)
    const now = Atomics.load(turns, 0)
    still = now === seen ? still + workerData.lookMs : 0
    seen = now
    if (still < workerData.patienceMs) continue
    writeSync(2, "perdure: the event loop stood still for " + still + " ms; the process ends, and what it ran goes on elsewhere\\n")
    process.kill(process.pid, "SIGKILL")
  }`

/**
 * Ends this process by SIGKILL when its event loop has not turned for so long: nothing else can end a step that never gives
 * way. 0 ms: never.
 *
 * **Details** A process that is being debugged is left alone.
 */
export const watchEventLoop = (patienceMs: number): void => {
  if (patienceMs === 0 || Inspector.url() !== undefined) return
  const turns = new SharedArrayBuffer(8)
  const counter = new Int32Array(turns)
  setInterval(() => Atomics.add(counter, 0, 1), lookMs / 2).unref()
  new Worker(script, { eval: true, workerData: { turns, lookMs, patienceMs } }).unref()
}
