import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** How a command ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A command under way. */
export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** The first line of its standard output that fits, or a rejection if it ends before. */
  readonly line: (fits: RegExp) => Promise<RegExpExecArray>
}

const running = new Set<ChildProcess>()

/** Ends all commands that a test left behind. */
export const endAll = (): void => {
  for (const child of running) child.kill("SIGKILL")
}

/** Runs the command line of the package from its sources. */
export const perdure = (args: ReadonlyArray<string>, environment: Record<string, string> = {}, input = ""): Running => {
  const child = spawn(process.execPath, ["--import", "tsx", "src/cli/perdure.ts", ...args], {
    cwd: root,
    env: { PATH: process.env["PATH"], NO_COLOR: "1", ...environment }
  })
  running.add(child)
  let stdout = ""
  let stderr = ""
  let look = (): void => undefined
  child.stdout.on("data", (chunk) => {
    stdout += chunk
    look()
  })
  child.stderr.on("data", (chunk) => {
    stderr += chunk
  })
  child.stdin.end(input)
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code, signal) => {
      running.delete(child)
      resolve({ code, signal, stdout, stderr })
    })
  })
  const line = (fits: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      look = () => {
        const found = fits.exec(stdout)
        if (found !== null) resolve(found)
      }
      look()
      child.on("close", () => reject(new Error(`ended without ${fits}: ${stdout}${stderr}`)))
    })
  return { child, ended, line }
}
