import { type ChildProcess, fork } from "node:child_process"
import { openSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import type { SettingsShape } from "../../src/runtime/Settings.js"
import type { Answer, Call } from "./calls.js"
import type { TcpProxy } from "./proxy.js"
import type { FromWorker, ToWorker } from "./worker.js"

/** A process that has loaded everything and waits to be told to go. */
interface Spare {
  readonly child: ChildProcess
  readonly loaded: Promise<void>
}

/** Processes that are ready before they are needed, so that a restart takes no longer than a fault means it to. */
export class Nursery {
  private readonly spares: Array<Spare> = []
  readonly logs: Array<string> = []

  constructor(
    private readonly folder: string,
    size: number
  ) {
    for (let index = 0; index < size; index++) this.spawn()
  }

  private spawn(): void {
    const log = join(this.folder, `worker-${this.logs.length}.log`)
    this.logs.push(log)
    const file = openSync(log, "a")
    const child = fork(fileURLToPath(new URL("worker.ts", import.meta.url)), [], {
      execArgv: ["--import", "tsx"],
      stdio: ["ignore", file, file, "ipc"],
      env: { PATH: process.env["PATH"] }
    })
    const loaded = new Promise<void>((resolve, reject) => {
      child.once("message", () => resolve())
      child.once("exit", (code) =>
        reject(new Error(`a worker process ended before it was told to go: ${code}, ${log}`))
      )
    })
    loaded.catch(() => undefined)
    this.spares.push({ child, loaded })
  }

  async take(): Promise<ChildProcess> {
    const spare = this.spares.shift()
    if (spare === undefined) throw new Error("no spare process")
    this.spawn()
    await spare.loaded
    return spare.child
  }

  close(): void {
    for (const { child } of this.spares) child.kill("SIGKILL")
  }
}

export interface WorkerOptions {
  readonly index: number
  readonly nursery: Nursery
  readonly proxy: TcpProxy
  /** Of the database, through the proxy. */
  readonly url: string
  readonly ledger: string
  readonly settings: Partial<SettingsShape>
  readonly stepMs: number
  /** It ended though nobody told it to. */
  readonly unexpected: (detail: string) => void
  readonly killed: (pid: number) => void
}

/** How long a caller waits for a worker's answer before it asks somebody else. */
const patienceMs = 3_000

/** The place of one of the worker processes, through all its lives. */
export class Worker {
  private child: ChildProcess | undefined
  private readonly pending = new Map<number, (answer: Answer) => void>()
  private lives = 0
  private calls = 0
  private turn: Promise<unknown> = Promise.resolve()
  private expectsEnd = false
  workerId: string
  private settled: Promise<void> = Promise.resolve()
  isReady = false

  constructor(private readonly options: WorkerOptions) {
    this.workerId = `worker-${options.index}`
  }

  get proxy(): TcpProxy {
    return this.options.proxy
  }

  /** One fault at a time: each finds a whole process, and leaves one. */
  alone<A>(use: () => Promise<A>): Promise<A> {
    const mine = this.turn.then(use)
    this.turn = mine.catch(() => undefined)
    return mine
  }

  /** Starts it, as the same worker or as a new one. */
  async start(as: "same" | "new"): Promise<void> {
    if (as === "new") this.workerId = `worker-${this.options.index}-${++this.lives}`
    const child = await this.options.nursery.take()
    this.child = child
    this.expectsEnd = false
    child.on("message", (message: FromWorker) => {
      if (message._tag !== "answer") return
      this.pending.get(message.id)?.(message.answer)
      this.pending.delete(message.id)
    })
    child.once("exit", (code, signal) => this.ended(child, String(signal ?? code)))
    this.settled = new Promise((resolve) => {
      child.on("message", (message: FromWorker) => {
        if (message._tag !== "ready") return
        this.isReady = true
        resolve()
      })
      child.once("exit", () => resolve())
    })
    const { ledger, settings, stepMs, url } = this.options
    this.tell({ _tag: "go", url, ledger, settings: { ...settings, workerId: this.workerId }, stepMs })
  }

  /** A worker that finds no database at its start ends, and is started again, as by any supervisor. */
  private ended(child: ChildProcess, how: string): void {
    if (this.child !== child) return
    this.child = undefined
    for (const resolve of this.pending.values()) resolve({ outcome: "trouble", detail: "the worker is gone" })
    this.pending.clear()
    const wasReady = this.isReady
    this.isReady = false
    if (this.expectsEnd) return
    if (wasReady) this.options.unexpected(`${this.workerId} ended with ${how}`)
    this.start("same").catch((error: unknown) => this.options.unexpected(String(error)))
  }

  /** Waits until one of its lives is at work. */
  async untilReady(): Promise<void> {
    while (!this.isReady) {
      await this.settled
      await delay(10)
    }
  }

  private tell(message: ToWorker): void {
    if (this.child?.connected === true) this.child.send(message, () => undefined)
  }

  /** Sends a signal; after one that ends it, `gone` says when. */
  signal(signal: NodeJS.Signals): void {
    if (signal === "SIGKILL" && this.child?.pid !== undefined) this.options.killed(this.child.pid)
    if (signal === "SIGKILL" || signal === "SIGTERM") this.expectsEnd = true
    this.child?.kill(signal)
  }

  get gone(): Promise<void> {
    const { child } = this
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
    return new Promise((resolve) => child.once("exit", () => resolve()))
  }

  call(call: Call): Promise<Answer> {
    if (!this.isReady) return Promise.resolve({ outcome: "trouble", detail: "the worker is not ready" })
    const id = ++this.calls
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        this.pending.delete(id)
        resolve({ outcome: "trouble", detail: "no answer" })
      }, patienceMs)
      this.pending.set(id, (answer) => {
        clearTimeout(late)
        resolve(answer)
      })
      this.tell({ _tag: "call", id, call })
    })
  }

  /** Keeps its event loop busy; gives when that is over, or the process. */
  block(ms: number): Promise<void> {
    const { child } = this
    if (child === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      child.on("message", (message: FromWorker) => {
        if (message._tag === "blocked") resolve()
      })
      child.once("exit", () => resolve())
      this.tell({ _tag: "block", ms })
    })
  }

  /** It writes down what its fibers do. */
  showFibers(): void {
    this.tell({ _tag: "fibers" })
  }
}
