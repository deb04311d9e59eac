import { type ChildProcessByStdio, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Readable, Writable } from "node:stream"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** An empty folder, removed when the scope closes. */
export const temporaryFolder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "perdure-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** A process of the test's own. */
export interface Child {
  readonly process: ChildProcessByStdio<Writable, Readable, null>
  /** The next line it says; rejects when it ends instead. */
  readonly line: () => Promise<string>
  /** Lines said and not asked for yet, complete once the process has ended. */
  readonly rest: () => ReadonlyArray<string>
  /** Kills it, and waits until it is gone. */
  readonly kill: () => Promise<void>
  /** Resolves with its exit code. */
  readonly ended: Promise<number | null>
}

const start = (what: string, folder: string): Child => {
  const script = fileURLToPath(new URL("embeddedChild.ts", import.meta.url))
  const child = spawn(process.execPath, ["--import", "tsx", script, what, folder], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  const said: Array<string> = []
  const waiting: Array<(line: string) => void> = []
  const lines = createInterface(child.stdout)
  lines.on("line", (line) => {
    const next = waiting.shift()
    if (next === undefined) said.push(line)
    else next(line)
  })
  const ended = Promise.all([once(child, "exit"), once(lines, "close")]).then(([[code]]) => code)
  const line = () =>
    Promise.race([
      new Promise<string>((resolve) => {
        const next = said.shift()
        if (next === undefined) waiting.push(resolve)
        else resolve(next)
      }),
      ended.then((code) => Promise.reject(new Error(`${what} ended with ${code}`)))
    ])
  const kill = async () => {
    child.kill("SIGKILL")
    await ended
  }
  return { process: child, line, rest: () => said, kill, ended }
}

/** Runs a program of `embeddedChild.ts` in a process that is killed when the scope closes at the latest. */
export const embeddedChild = (what: string, folder: string): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => start(what, folder)),
    (child) => Effect.promise(child.kill)
  )
