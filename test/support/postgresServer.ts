import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chownSync, closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { placeBinaries } from "./postgresBinaries.js"
import { makeHome, type ServerHome, serverPid } from "./serverHome.js"

/** How a server is run. */
export interface ServerOptions {
  /** Flush commits to disk, as is the default of PostgreSQL. Without it a commit survives anything but a loss of power. */
  readonly durable?: boolean
  /** Settings over those here, as in `{ max_connections: "20" }`. */
  readonly settings?: Readonly<Record<string, string>>
}

/** `fast` ends sessions and writes a checkpoint; `immediate` is a crash, after which the next start recovers. */
export type StopMode = "fast" | "immediate"

/** A server of its own, on a free port of the loopback interface, with its files in a temporary folder. */
export interface PostgresServer {
  /** Connects a superuser to the database `postgres`; the same after a restart. */
  readonly url: string
  readonly port: number
  /** The folder of its files, its log and its programs. */
  readonly home: string
  /** The main process, to be paused or killed; undefined while it does not run. */
  readonly pid: () => number | undefined
  /** Everything the server has logged. */
  readonly log: () => string
  /** Starts it again after a stop. */
  readonly start: () => Promise<void>
  readonly stop: (mode: StopMode) => Promise<void>
  readonly restart: (mode: StopMode) => Promise<void>
  /** Stops it and removes its files. */
  readonly dispose: () => Promise<void>
}

/** Small, since several may run side by side; otherwise what a server has by default. */
const settings = (options: ServerOptions): Readonly<Record<string, string>> => ({
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  shared_buffers: "32MB",
  max_connections: "200",
  // cheap to check at each connect; nothing but loopback ever sees the password
  scram_iterations: "1",
  ...(options.durable === true ? {} : { fsync: "off" }),
  ...options.settings
})

const flags = (options: ServerOptions): ReadonlyArray<string> =>
  Object.entries(settings(options)).flatMap(([name, value]) => ["-c", `${name}=${value}`])

/** Messages are read here, so they must not be translated; and no `PG…` of the environment may matter. */
const environment = { PATH: process.env["PATH"] ?? "", LC_ALL: "C", TZ: "UTC" }

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** Runs a program of the server in its own session, out of reach of Ctrl-C, with its output in the log. */
const run = (home: ServerHome, program: string, args: ReadonlyArray<string>): ChildProcess => {
  const log = openSync(join(home.path, "log"), "a")
  try {
    return spawn(join(home.path, "native", "bin", program), args, {
      cwd: home.path,
      env: environment,
      detached: true,
      stdio: ["ignore", log, log],
      ...(home.user === undefined ? {} : { uid: home.user.uid, gid: home.user.gid })
    })
  } finally {
    closeSync(log)
  }
}

const exit = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve, reject) => {
    child.once("error", reject)
    child.once("exit", (code) => resolve(code))
  })

const readLog = (home: ServerHome): string => readFileSync(join(home.path, "log"), "utf8")

const initialise = async (home: ServerHome, password: string): Promise<void> => {
  placeBinaries(join(home.path, "native"))
  mkdirSync(home.data, { mode: 0o700 })
  const passwordFile = join(home.path, "password")
  writeFileSync(passwordFile, password, { mode: 0o400 })
  if (home.user !== undefined) {
    for (const path of [home.data, passwordFile]) chownSync(path, home.user.uid, home.user.gid)
  }
  const code = await exit(
    run(home, "initdb", [
      `--pgdata=${home.data}`,
      `--pwfile=${passwordFile}`,
      "--username=postgres",
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C",
      "--no-sync",
      "--no-instructions",
      "--set=scram_iterations=1"
    ])
  )
  rmSync(passwordFile, { force: true })
  if (code !== 0) throw new Error(`initdb failed:\n${readLog(home)}`)
}

/** The eighth line of the pid file says `ready` when connections are accepted. */
const isReady = (home: ServerHome, pid: number | undefined): boolean => {
  try {
    const lines = readFileSync(join(home.data, "postmaster.pid"), "utf8").split("\n")
    return Number(lines[0]) === pid && lines[7]?.trim() === "ready"
  } catch {
    return false
  }
}

/** Starts the main process, and waits until it accepts connections. */
const launch = async (home: ServerHome, port: number, options: ServerOptions): Promise<ChildProcess> => {
  const child = run(home, "postgres", ["-D", home.data, "-p", String(port), ...flags(options)])
  child.unref()
  let ended: unknown
  exit(child).then(
    (code) => {
      ended = `exit code ${code}`
    },
    (cause) => {
      ended = cause
    }
  )
  while (!isReady(home, child.pid)) {
    if (ended !== undefined) throw new Error(`PostgreSQL did not start (${ended}):\n${readLog(home)}`)
    await delay(10)
  }
  return child
}

/** Another program may take a port between the moment it was found free and the start. */
const launchOnFreePort = async (
  home: ServerHome,
  options: ServerOptions,
  attempts = 5
): Promise<{ readonly child: ChildProcess; readonly port: number }> => {
  const port = await freePort()
  try {
    return { child: await launch(home, port, options), port }
  } catch (cause) {
    if (attempts <= 1 || !readLog(home).includes("Address already in use")) throw cause
    return launchOnFreePort(home, options, attempts - 1)
  }
}

const signals = { fast: "SIGINT", immediate: "SIGQUIT" } as const

const halt = async (child: ChildProcess, mode: StopMode): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = exit(child)
  // a paused server hears nothing until it continues
  child.kill(signals[mode])
  child.kill("SIGCONT")
  child.ref()
  await ended
}

/**
 * Starts a server, in one to two seconds.
 *
 * **Details** It ends with this process at the latest, even when that is killed, and leaves nothing behind. Root runs it as
 * an unprivileged user.
 */
export const startServer = async (options: ServerOptions = {}): Promise<PostgresServer> => {
  const home = makeHome()
  try {
    const password = randomBytes(12).toString("hex")
    await initialise(home, password)
    const launched = await launchOnFreePort(home, options)
    const { port } = launched
    let { child } = launched
    const start = async () => {
      child = await launch(home, port, options)
    }
    const stop = (mode: StopMode) => halt(child, mode)
    return {
      url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
      port,
      home: home.path,
      pid: () => serverPid(home.data),
      log: () => readLog(home),
      start,
      stop,
      restart: async (mode) => {
        await stop(mode)
        await start()
      },
      dispose: async () => {
        await stop("immediate")
        home.remove()
      }
    }
  } catch (cause) {
    home.remove()
    throw cause
  }
}

/** A server for as long as the scope is open. */
export const server = (options: ServerOptions = {}): Effect.Effect<PostgresServer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => startServer(options)),
    (started) => Effect.promise(started.dispose)
  )
