import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { closeSync, openSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { join } from "node:path"
import { makeFolder, removeFolder } from "./folder.js"
import type { RestatePorts } from "./session.js"

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** The program of the server, from the npm package for this platform; undefined where there is none. */
export const restateProgram = (): string | undefined => {
  try {
    const launcher = createRequire(import.meta.url).resolve("@restatedev/restate-server/package.json")
    return createRequire(launcher).resolve(
      `@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`
    )
  } catch {
    return undefined
  }
}

/** Waiting runs keep an invocation for a while, and there are more of them than the default allows. */
const environment = (ports: RestatePorts, fabric: number) => ({
  PATH: process.env["PATH"] ?? "",
  RESTATE_LISTEN_MODE: "tcp",
  RESTATE_BIND_IP: "127.0.0.1",
  RESTATE_BIND_PORT: String(fabric),
  RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ports.ingress}`,
  RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${ports.admin}`,
  RESTATE_ADMIN__DISABLE_WEB_UI: "true",
  RESTATE_DISABLE_TELEMETRY: "true",
  RESTATE_LOG_FILTER: "warn",
  RESTATE_WORKER__INVOKER__CONCURRENT_INVOCATIONS_LIMIT: "10000"
})

/** Ends the server when its standard input ends, which is when this process does, in whatever way. */
const guardScript = `while read -r _; do :; done; kill -KILL "$1" 2>/dev/null && rm -rf "$2"`

const guard = (server: ChildProcess, folder: string): void => {
  const script = ["-c", guardScript, "guard", String(server.pid), folder]
  const child = spawn("sh", script, { detached: true, stdio: ["pipe", "ignore", "ignore"] })
  server.once("exit", () => child.kill())
  child.unref()
}

const isHealthy = async (port: number, path: string): Promise<boolean> => {
  try {
    return (await fetch(`http://127.0.0.1:${port}${path}`)).ok
  } catch {
    return false
  }
}

/** Clock ticks of a process in /proc, which count hundredths of a second on every Linux that Node runs on. */
const tickMs = 10

/** A Restate server of its own, with its files in a temporary folder. */
export class RestateServer {
  private constructor(
    readonly ports: RestatePorts,
    readonly folder: string,
    private readonly server: ChildProcess
  ) {}

  static async start(): Promise<RestateServer> {
    const program = restateProgram()
    if (program === undefined) throw new Error("there is no Restate server for this platform")
    const ports = { ingress: await freePort(), admin: await freePort(), service: await freePort() }
    const folder = makeFolder()
    const log = openSync(join(folder, "log"), "a")
    const server = spawn(program, ["--no-logo", "--base-dir", folder], {
      cwd: folder,
      env: environment(ports, await freePort()),
      stdio: ["ignore", log, log]
    })
    closeSync(log)
    guard(server, folder)
    const started = new RestateServer(ports, folder, server)
    while (!((await isHealthy(ports.admin, "/health")) && (await isHealthy(ports.ingress, "/restate/health")))) {
      if (server.exitCode !== null)
        throw new Error(`Restate did not start:\n${readFileSync(join(folder, "log"), "utf8")}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return started
  }

  /** Milliseconds of processor time so far; zero where /proc does not tell. */
  cpuMs(): number {
    try {
      const fields = readFileSync(`/proc/${this.server.pid}/stat`, "utf8").split(") ")[1]!.split(" ")
      return (Number(fields[11]) + Number(fields[12])) * tickMs
    } catch {
      return 0
    }
  }

  async stop(): Promise<void> {
    if (this.server.exitCode === null) {
      const exited = once(this.server, "exit")
      this.server.kill("SIGKILL")
      await exited
    }
    removeFolder(this.folder)
  }
}
