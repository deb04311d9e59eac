import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { modesOf } from "../../src/testing/Points.js"
import { gaps } from "./gaps.js"
import type { ShardReport } from "./shard.js"

const folder = fileURLToPath(new URL("../../src/postgres", import.meta.url))

/** The names of all statements of the engine, as they are written in its sources. */
const written = (): ReadonlySet<string> =>
  new Set(
    readdirSync(folder)
      .filter((name) => name.endsWith(".ts"))
      .flatMap((name) => [
        ...readFileSync(`${folder}/${name}`, "utf8").matchAll(/statement(?:sOf\(schema\))?\(\s*"([^"]+)"/g)
      ])
      .map((match) => match[1]!)
  )

/**
 * Which pairs of a point's name and a mode no case hit, without an explanation; and which explanations are not needed.
 *
 * **Details** The pairs are those of everything that any execution passed. A statement of the sources that none passed is a
 * gap too, in every mode.
 */
export const coverageOf = (
  reports: ReadonlyArray<ShardReport>,
  whole: boolean
): { readonly gaps: ReadonlyArray<string>; readonly stale: ReadonlyArray<string> } => {
  const hit = new Set(reports.flatMap(({ reached }) => reached.map(({ mode, name }) => `${name}@${mode}`)))
  const passed = new Map(reports.flatMap((report) => report.passed))
  const missing = [...passed].flatMap(([name, kind]) =>
    modesOf[kind].map((mode) => `${name}@${mode}`).filter((pair) => !hit.has(pair))
  )
  if (!whole) return { gaps: missing.filter((pair) => explains(pair) === undefined), stale: [] }
  const names = [...passed.keys()]
  const never = [...written()].filter((name) => !names.some((seen) => seen.endsWith(`.${name}`)))
  const all = [...missing, ...never.map((name) => `${name}@never`)]
  const used = new Set(all.map(explains))
  return {
    gaps: all.filter((pair) => explains(pair) === undefined),
    stale: Object.keys(gaps).filter((pattern) => !used.has(pattern))
  }
}

/** The explanation that fits a pair, by its pattern: `*` is anything. */
const explains = (pair: string): string | undefined =>
  Object.keys(gaps).find((pattern) =>
    new RegExp(
      `^${pattern
        .split("*")
        .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"))
        .join(".*")}$`
    ).test(pair)
  )
