import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** The built server where there is one, else the sources. */
const command = (): ReadonlyArray<string> =>
  existsSync(`${root}dist/main.js`) ? [`${root}dist/main.js`] : ["--import", "tsx", `${root}src/main.ts`]

/** A server process of the demo. */
export interface DemoServer {
  readonly url: string
  /** SIGKILL, and the wait until it is gone. */
  readonly kill: () => Promise<void>
  /** SIGTERM, and the exit code. */
  readonly stop: () => Promise<number | null>
}

const gone = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode)
    else child.once("exit", (code) => resolve(code))
  })

/** Starts the server and waits for the line that says where it is. */
export const startServer = async (environment: Readonly<Record<string, string>>): Promise<DemoServer> => {
  const child = spawn(process.execPath, command(), {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const complaints: Array<string> = []
  child.stderr.on("data", (chunk: Buffer) => complaints.push(chunk.toString()))
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on("line", (line) => {
      const [found] = /http:\/\/\S+/.exec(line) ?? []
      if (found !== undefined) resolve(found)
    })
    child.once("exit", (code) =>
      reject(new Error(`the server ended with ${code}:\n${complaints.join("").slice(-2_000)}`))
    )
  })
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return gone(child)
  }
  return { url, kill: () => end("SIGKILL").then(() => undefined), stop: () => end("SIGTERM") }
}
