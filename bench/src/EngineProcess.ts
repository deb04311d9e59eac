import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { childProgram } from "./build.js"
import { type Calls, isAnswer } from "./calls.js"

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

const patienceMs = 3_600_000

/** What libraries take from the environment: no checks and no lines meant for development. */
const environment = { ...process.env, NODE_ENV: "production", RESTATE_LOGGING: "ERROR" }

/** A child process that drives one engine; it ends with this process at the latest. */
export class EngineProcess {
  readonly #process: ChildProcess
  readonly #pending = new Map<number, Pending>()
  readonly #exited: Promise<unknown>
  #calls = 0
  #killed = false

  /** `node` is the program that runs it. Its own output goes to standard error. */
  constructor(node: string) {
    this.#process = fork(childProgram, [], {
      execPath: node,
      env: environment,
      execArgv: ["--no-warnings"],
      stdio: ["ignore", 2, 2, "ipc"]
    })
    this.#exited = once(this.#process, "exit")
    this.#process.on("message", (message) => {
      if (!isAnswer(message)) return
      const pending = this.#pending.get(message.id)
      this.#pending.delete(message.id)
      if ("error" in message) pending?.reject(new Error(message.error))
      else pending?.resolve(message.value)
    })
    this.#process.once("exit", (code, signal) => {
      for (const { reject } of this.#pending.values())
        reject(new Error(this.#killed ? "the child was killed" : `the child ended by itself (${code ?? signal})`))
    })
  }

  /** Rejects after a time that no measurement should take. */
  call<Name extends keyof Calls>(
    name: Name,
    argument: Parameters<Calls[Name]>[0],
    withinMs: number = patienceMs
  ): Promise<Awaited<ReturnType<Calls[Name]>>> {
    const id = ++this.#calls
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${name}: no answer within ${withinMs / 1_000} s`)), withinMs)
      const settled =
        <A>(settle: (given: A) => void) =>
        (given: A) => {
          clearTimeout(timer)
          settle(given)
        }
      this.#pending.set(id, { resolve: settled(resolve as Pending["resolve"]), reject: settled(reject) })
      this.#process.send({ id, name, argument })
    })
  }

  /** SIGSTOP: its sessions stay, and it says nothing more. */
  stop(): void {
    this.#process.kill("SIGSTOP")
  }

  /** SIGKILL: no finalizer runs. */
  async kill(): Promise<void> {
    this.#killed = true
    if (this.#process.exitCode === null) this.#process.kill("SIGKILL")
    await this.#exited
  }

  /** Closes the engine as its users would, within a time; then the process ends, whether or not that went well. */
  async close(withinMs: number): Promise<void> {
    const timer = new Promise((resolve) => setTimeout(resolve, withinMs).unref())
    const closed = this.call("close", null).catch((cause) => console.error("closing failed:", cause))
    await Promise.race([closed, timer])
    await this.kill()
  }
}
