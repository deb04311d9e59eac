import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as ProcessIdentity from "../../src/store/ProcessIdentity.js"

/** Whom the server's processes belong to; undefined for whoever runs the tests. */
export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

/** A folder for one server, gone when the process that made it is, however that ends. */
export interface ServerHome {
  readonly path: string
  readonly data: string
  readonly user: ServerUser | undefined
  /** Removes it; no server may run in it any more. */
  readonly remove: () => void
}

const prefix = "perdure-postgres-"

/** A server refuses to run as root, so root runs it as an unprivileged user that is there already. */
const serverUser = (): ServerUser | undefined => {
  if (process.getuid?.() !== 0) return undefined
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    .filter(({ uid, gid }) => uid > 0 && gid > 0)
  const user = users.find(({ name }) => name === "nobody") ?? users.at(-1)
  if (user === undefined) throw new Error("PostgreSQL does not run as root, and there is no other user to run it as")
  return user
}

/** Whether everybody may go through every folder on the way. */
const isReachable = (path: string): boolean =>
  (statSync(path).mode & 0o001) !== 0 && (dirname(path) === path || isReachable(dirname(path)))

const baseFolder = (user: ServerUser | undefined): string => {
  const own = realpathSync(tmpdir())
  if (user === undefined || isReachable(own)) return own
  const base = ["/tmp", "/var/tmp"].find(isReachable)
  if (base === undefined)
    throw new Error(`user ${user.uid} can't reach ${own}, nor /tmp: set TMPDIR to a folder it can`)
  return base
}

/** The server that runs in a data folder, if any: its main process writes its pid there and works in there. */
export const serverPid = (data: string): number | undefined => {
  try {
    const pid = Number(readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")[0])
    if (!(pid > 1)) return undefined
    process.kill(pid, 0)
    if (process.platform === "linux" && readlinkSync(`/proc/${pid}/cwd`) !== data) return undefined
    return pid
  } catch {
    return undefined
  }
}

/** Removes what processes left that could not even tell their guard, as when the machine went down. */
const sweep = (base: string): void => {
  for (const name of readdirSync(base)) {
    const owner = name.startsWith(prefix) ? ProcessIdentity.decode(name.slice(prefix.length)) : undefined
    const path = join(base, name)
    if (owner === undefined || ProcessIdentity.isAlive(owner)) continue
    if (lstatSync(path, { throwIfNoEntry: false })?.uid !== process.getuid?.()) continue
    try {
      const pid = serverPid(join(path, "data"))
      if (pid !== undefined) process.kill(pid, "SIGKILL")
      rmSync(path, { recursive: true, force: true })
    } catch {
      // Its guard, or the sweep of another process, is at the same folder: one of them ends it, or the next sweep does.
    }
  }
}

/**
 * Waits for the end of its standard input, which comes when this process ends in whatever way, then stops the server and
 * removes its folder.
 */
const guardScript = `
trap '' INT TERM HUP
while read -r _; do :; done
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
there() {
  [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && { [ ! -d /proc/self ] || [ "$(readlink "/proc/$pid/cwd")" = "$1/data" ]; }
}
if there "$1"; then
  kill -QUIT "$pid"
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    there "$1" || break
    sleep 0.1
  done
  there "$1" && kill -KILL "$pid"
fi
rm -rf "$1"`

/** The guard of a folder, in a session of its own, so that Ctrl-C in a terminal does not reach it. */
const guard = (path: string): void => {
  const child = spawn("sh", ["-c", guardScript, "guard", path], { detached: true, stdio: ["pipe", "ignore", "ignore"] })
  child.unref()
  const { stdin } = child
  if ("unref" in stdin && typeof stdin.unref === "function") stdin.unref()
}

/** Makes a folder that the server's user can reach, and removes those of processes that are dead. */
export const makeHome = (): ServerHome => {
  const user = serverUser()
  const base = baseFolder(user)
  sweep(base)
  const identity = ProcessIdentity.encode(ProcessIdentity.self(), randomBytes(4).toString("hex"))
  const path = join(base, prefix + identity)
  mkdirSync(path, { mode: 0o711 })
  guard(path)
  return { path, data: join(path, "data"), user, remove: () => rmSync(path, { recursive: true, force: true }) }
}
