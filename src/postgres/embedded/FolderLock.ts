import { randomBytes } from "node:crypto"
import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, unlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as ProcessIdentity from "../../store/ProcessIdentity.js"

/** A live process has the data folder open. */
export class DataDirLocked extends Schema.TaggedError<DataDirLocked>()("DataDirLocked", {
  dataDir: Schema.String,
  pid: Schema.Int
}) {
  override get message(): string {
    return `the data folder ${this.dataDir} is in use by process ${this.pid}`
  }
}

/** The data folder can't be used as it is. */
export class DataDirUnusable extends Schema.TaggedError<DataDirUnusable>()("DataDirUnusable", {
  dataDir: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the data folder ${this.dataDir} can't be used: ${this.reason}`
  }
}

const codeOf = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

/** Runs a step of the file system that may find its work done by somebody else. */
const allowing = (codes: ReadonlyArray<string>, step: () => void): boolean => {
  try {
    step()
    return true
  } catch (cause) {
    if (!codes.includes(codeOf(cause) ?? "")) throw cause
    return false
  }
}

/** What `rename` says when a folder with something in it is already there; Windows says it of an empty one, too. */
const occupied = ["ENOTEMPTY", "EEXIST", "EPERM"]

/**
 * Tries to make `candidate` the lock; gives the pid of the process that holds it instead.
 *
 * **Details** Each round either wins, finds a live owner or removes a dead one, so that a few rounds settle it.
 */
const contend = (dataDir: string, lock: string, candidate: string): number | undefined => {
  for (let round = 0; round < 1_000; round++) {
    if (allowing(occupied, () => renameSync(candidate, lock))) return undefined
    let owners: ReadonlyArray<string> = []
    allowing(["ENOENT"], () => {
      owners = readdirSync(lock)
    })
    for (const owner of owners) {
      const identity = ProcessIdentity.decode(owner)
      if (identity === undefined) {
        throw new DataDirUnusable({ dataDir, reason: `${join(lock, owner)} is not a lock of this program` })
      }
      if (ProcessIdentity.isAlive(identity)) return identity.pid
      allowing(["ENOENT"], () => unlinkSync(join(lock, owner)))
    }
    if (owners.length === 0) allowing(["ENOENT", ...occupied], () => rmdirSync(lock))
  }
  throw new DataDirUnusable({ dataDir, reason: `no process could take ${lock}` })
}

/** Removes what contenders left that died before they were done. */
const sweep = (dataDir: string): void => {
  for (const name of readdirSync(dataDir)) {
    const identity = name.startsWith("lock.") ? ProcessIdentity.decode(name.slice(5)) : undefined
    if (identity === undefined || ProcessIdentity.isAlive(identity)) continue
    rmSync(join(dataDir, name), { recursive: true, force: true })
  }
}

const take = (dataDir: string, name: string): void => {
  const lock = join(dataDir, "lock")
  const candidate = join(dataDir, `lock.${name}`)
  mkdirSync(candidate)
  try {
    writeFileSync(join(candidate, name), `process ${process.pid} since ${new Date().toISOString()}\n`)
    const pid = contend(dataDir, lock, candidate)
    if (pid !== undefined) throw new DataDirLocked({ dataDir, pid })
  } catch (cause) {
    rmSync(candidate, { recursive: true, force: true })
    throw cause
  }
  sweep(dataDir)
}

const toError = (dataDir: string, cause: unknown): DataDirLocked | DataDirUnusable =>
  cause instanceof DataDirLocked || cause instanceof DataDirUnusable
    ? cause
    : new DataDirUnusable({ dataDir, reason: cause instanceof Error ? cause.message : String(cause) })

/**
 * Holds a folder exclusively until the scope closes.
 *
 * **Details** The lock is the folder `lock` with one file in it, whose *name* says which process owns it. It is taken by
 * renaming a prepared folder onto it, which the file system does for one contender only, and only onto an empty folder
 * or none. The file of a dead owner is removed by its name, which no later owner ever has: removing it late harms
 * nobody. So a lock is never stolen from a live process, and of any number that find a dead one exactly one wins.
 * Processes are told apart by pid and start time. Those that can't see each other (other machines, other containers)
 * must not share a folder.
 *
 * **Errors** `DataDirLocked` at once when a live process, this one included, holds it; `DataDirUnusable` when the file
 * system refuses.
 */
export const acquire = (dataDir: string): Effect.Effect<void, DataDirLocked | DataDirUnusable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const name = ProcessIdentity.encode(ProcessIdentity.self(), randomBytes(4).toString("hex"))
        take(dataDir, name)
        return name
      },
      catch: (cause) => toError(dataDir, cause)
    }),
    (name) =>
      Effect.sync(() => {
        allowing(["ENOENT"], () => unlinkSync(join(dataDir, "lock", name)))
      })
  ).pipe(Effect.asVoid)
