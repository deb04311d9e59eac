import { readFileSync, readlinkSync } from "node:fs"

/**
 * One process, told apart from a later one with the same pid.
 *
 * **Details** `boot` names the boot of the machine, `start` is the time the process started in the kernel's own count.
 * Both are empty where the system does not tell (anything but Linux); the pid alone decides there.
 */
export interface ProcessIdentity {
  readonly pid: number
  readonly boot: string
  readonly start: string
}

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}

const bootId = (): string => (read("/proc/sys/kernel/random/boot_id") ?? "").trim()

/** The first letters are enough to tell two boots apart, and fit into a file name. */
const currentBoot = (): string => bootId().slice(0, 8)

/** Where pids mean the same: containers of one machine have the boot in common, not these. */
const pidNamespace = (): string => {
  try {
    return readlinkSync("/proc/self/ns/pid")
  } catch {
    return ""
  }
}

/**
 * State and start time out of `/proc/<pid>/stat`.
 *
 * **Details** The second field is the name of the program in parentheses and may hold anything, so fields are counted
 * from the last parenthesis: the state is field 3, the start time field 22.
 */
const stat = (pid: number): { readonly state: string; readonly start: string } | undefined => {
  const text = read(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
  const [state, start] = [fields[0], fields[19]]
  return state === undefined || start === undefined ? undefined : { state, start }
}

/** This process. */
export const self = (): ProcessIdentity => ({
  pid: process.pid,
  boot: currentBoot(),
  start: stat(process.pid)?.start ?? ""
})

const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    // somebody else's process refuses the signal, and is there
    return cause instanceof Error && "code" in cause && cause.code === "EPERM"
  }
}

/** Whether a process still runs. In doubt it does; one that is dead and not yet reaped by its parent does not. */
export const isAlive = (identity: ProcessIdentity): boolean => {
  const boot = currentBoot()
  if (identity.boot !== "" && boot !== "" && identity.boot !== boot) return false
  if (!exists(identity.pid)) return false
  const now = stat(identity.pid)
  if (now === undefined) return true
  if (now.state === "Z" || now.state === "X") return false
  return identity.start === "" || identity.start === now.start
}

/** A name for a file of this process, as in `4711-9f31c2ab-88231-k3v9`; `nonce` tells several apart. */
export const encode = (identity: ProcessIdentity, nonce: string): string =>
  [identity.pid, identity.boot, identity.start, nonce].join("-")

const pattern = /^(\d+)-([0-9a-f]*)-(\d*)-[0-9a-z]+$/

/** Reads a name that {@link encode} made. */
export const decode = (name: string): ProcessIdentity | undefined => {
  const match = pattern.exec(name)
  if (match === null) return undefined
  return { pid: Number(match[1]), boot: match[2] ?? "", start: match[3] ?? "" }
}

/** The machine, its boot and the namespace of its pids; undefined where the system does not tell. */
const surroundings = (): string | undefined => {
  const [boot, namespace] = [bootId(), pidNamespace()]
  return boot === "" || namespace === "" ? undefined : `${boot} ${namespace}`
}

/** This process among those of all machines, as text; null where the system does not tell enough (anything but Linux). */
export const selfAnywhere = (): string | null => {
  const [around, { pid, start }] = [surroundings(), self()]
  return around === undefined || start === "" ? null : `${around} ${pid} ${start}`
}

/** Whether a process that {@link selfAnywhere} named is over for certain: only who runs beside it can tell. */
export const isOver = (named: string): boolean => {
  const [boot, namespace, pid, start = ""] = named.split(" ")
  if (start === "" || `${boot} ${namespace}` !== surroundings()) return false
  return !isAlive({ pid: Number(pid), boot: currentBoot(), start })
}
