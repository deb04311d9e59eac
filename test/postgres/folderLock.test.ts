import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FolderLock from "../../src/postgres/embedded/FolderLock.js"
import * as ProcessIdentity from "../../src/store/ProcessIdentity.js"
import { embeddedChild, temporaryFolder } from "./children.js"

const onLinux = process.platform === "linux"

/** Makes a folder look locked by a process. */
const lockedBy = (folder: string, identity: ProcessIdentity.ProcessIdentity) => {
  mkdirSync(join(folder, "lock"), { recursive: true })
  writeFileSync(join(folder, "lock", ProcessIdentity.encode(identity, "abc")), "")
}

const me = ProcessIdentity.self()

describe("a folder's lock", () => {
  it.scoped("is free again when the scope closes", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.scoped(FolderLock.acquire(folder))
      expect(readdirSync(join(folder, "lock"))).toEqual([])
      yield* FolderLock.acquire(folder)
      expect(readdirSync(folder)).toEqual(["lock"])
    })
  )

  it.scoped("is not taken from a live process, and the loser leaves nothing", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const parent = { pid: process.ppid, boot: me.boot, start: "" }
      lockedBy(folder, parent)
      const refused = yield* Effect.flip(Effect.scoped(FolderLock.acquire(folder)))
      expect(refused).toMatchObject({ _tag: "DataDirLocked", dataDir: folder, pid: process.ppid })
      expect(readdirSync(folder)).toEqual(["lock"])
    })
  )

  it.scoped("is taken from a process that is dead, and from one whose pid another has now", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const gone = { pid: 99_999_999, boot: me.boot, start: "1" }
      const earlier = { pid: process.ppid, boot: me.boot, start: "1" }
      const beforeReboot = { pid: process.ppid, boot: "00000000", start: "1" }
      for (const owner of onLinux ? [gone, earlier, beforeReboot] : [gone]) {
        lockedBy(folder, owner)
        yield* Effect.scoped(FolderLock.acquire(folder))
      }
    })
  )

  it.scoped("is taken from a process that has ended and was not reaped yet", () =>
    Effect.gen(function* () {
      if (!onLinux) return
      const folder = yield* temporaryFolder
      // the shell becomes a program that never asks for its child; only then is the child told to end
      const script = "exec 3<&0; head -c 1 <&3 >&2 & echo $!; exec sleep 600"
      const parent = yield* Effect.acquireRelease(
        Effect.sync(() => spawn("sh", ["-c", script], { stdio: ["pipe", "pipe", "ignore"] })),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const pid = Number(yield* Effect.promise(async () => String((await once(parent.stdout, "data"))[0])))
      const nameOf = (one: number | undefined) => readFileSync(`/proc/${one}/comm`, "utf8").trim()
      const state = () => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0]
      yield* Effect.promise(async () => {
        while (nameOf(parent.pid) !== "sleep") await delay(1)
        parent.stdin.write("x")
        while (state() !== "Z") await delay(1)
      })
      lockedBy(folder, { pid, boot: me.boot, start: "" })
      yield* FolderLock.acquire(folder)
    })
  )

  it.scoped("is left alone when something else is in its place", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      mkdirSync(join(folder, "lock"))
      writeFileSync(join(folder, "lock", "notes.txt"), "mine")
      const refused = yield* Effect.flip(Effect.scoped(FolderLock.acquire(folder)))
      expect(refused).toMatchObject({ _tag: "DataDirUnusable", dataDir: folder })
      expect(readFileSync(join(folder, "lock", "notes.txt"), "utf8")).toBe("mine")
    })
  )

  it.scoped("removes what dead contenders left, and nothing of live ones", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const alive = `lock.${ProcessIdentity.encode({ ...me, pid: process.ppid, start: "" }, "abc")}`
      const dead = `lock.${ProcessIdentity.encode({ ...me, pid: 99_999_999 }, "abc")}`
      for (const name of [alive, dead, "lock.txt"]) mkdirSync(join(folder, name))
      yield* FolderLock.acquire(folder)
      expect(readdirSync(folder).sort()).toEqual(["lock", alive, "lock.txt"].sort())
    })
  )

  it.scopedLive("is held by one process at a time, however many race for it, also for that of a dead one (B11)", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const children = yield* Effect.all(Array.from({ length: 3 }, () => embeddedChild("contend", folder)))
      for (const child of children) expect(yield* Effect.promise(child.line)).toBe("ready")
      for (const child of children) child.process.stdin.write("go\n")
      const results = yield* Effect.forEach(children, (child) => Effect.promise(child.line), {
        concurrency: "unbounded"
      })
      const counts = results.map((line) => JSON.parse(line))
      expect(counts.map(({ violations, turns }) => ({ violations, turns }))).toEqual(
        counts.map(() => ({ violations: 0, turns: 100 }))
      )
      // they did meet
      expect(counts.some(({ refused }) => refused > 0)).toBe(true)
      expect(readdirSync(folder)).toEqual(["lock"])
    })
  )
})

describe("a process among those of all machines", () => {
  it("is over when it has ended or its pid is another's, beside it; elsewhere nobody can tell", () => {
    if (!onLinux) return
    const self = ProcessIdentity.selfAnywhere()!
    const [boot, namespace, pid, start] = self.split(" ")
    const isOver = (...parts: ReadonlyArray<string | undefined>) => ProcessIdentity.isOver(parts.join(" "))
    expect(isOver(boot, namespace, pid, start)).toBe(false)
    expect(isOver(boot, namespace, pid, "1")).toBe(true)
    expect(isOver(boot, namespace, "99999999", start)).toBe(true)
    expect(isOver("00000000-0000-0000-0000-000000000000", namespace, pid, "1")).toBe(false)
    expect(isOver(boot, "pid:[1]", pid, "1")).toBe(false)
    expect(isOver(boot, namespace, pid)).toBe(false)
    expect(isOver("")).toBe(false)
  })
})
