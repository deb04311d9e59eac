import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const made = new Set<string>()

const remove = (path: string): void => rmSync(path, { recursive: true, force: true })

process.once("exit", () => made.forEach(remove))

/** A temporary folder, gone with this process at the latest, unless that is killed. */
export const makeFolder = (): string => {
  const path = mkdtempSync(join(tmpdir(), "perdure-bench-"))
  made.add(path)
  return path
}

export const removeFolder = (path: string): void => {
  made.delete(path)
  remove(path)
}
