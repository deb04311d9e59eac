import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { modesOf } from "../../src/testing/Points.js"
import { chances, gaps } from "./gaps.js"
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

/** What is said of pairs that no case hits, by pattern: `*` is anything. */
type Explained = Readonly<Record<string, string>>

/**
 * Which pairs of a point's name and a mode no case hit, without an explanation; and which explanations are wrong.
 *
 * **Details** The pairs are those of everything that any execution passed. A statement of the sources that none passed is a
 * gap too, as `name@never`. An explanation is wrong when a pair that it fits was hit, or when it fits none.
 */
export const coverageOf = (
  reports: ReadonlyArray<Pick<ShardReport, "passed" | "reached">>,
  whole: boolean,
  explained: Explained = gaps,
  statements: ReadonlySet<string> = written()
): { readonly gaps: ReadonlyArray<string>; readonly stale: ReadonlyArray<string> } => {
  const hit = new Set(reports.flatMap(({ reached }) => reached.map(({ mode, name }) => `${name}@${mode}`)))
  const passed = new Map(reports.flatMap((report) => report.passed))
  const missing = [...passed].flatMap(([name, kind]) =>
    modesOf[kind].map((mode) => `${name}@${mode}`).filter((pair) => !hit.has(pair))
  )
  const patterns = Object.keys(explained).map((pattern) => ({ pattern, fits: fitsOf(pattern) }))
  const uncertain = Object.keys(chances).map(fitsOf)
  const isExplained = (pair: string) => patterns.some(({ fits }) => fits(pair)) || uncertain.some((fits) => fits(pair))
  if (!whole) return { gaps: missing.filter((pair) => !isExplained(pair)), stale: [] }
  const names = [...passed.keys()]
  const never = [...statements].filter((name) => !names.some((seen) => seen.endsWith(`.${name}`)))
  const all = [...missing, ...never.map((name) => `${name}@never`)]
  return {
    gaps: all.filter((pair) => !isExplained(pair)),
    stale: patterns.filter(({ fits }) => [...hit].some(fits) || !all.some(fits)).map(({ pattern }) => pattern)
  }
}

/** Whether a pair fits a pattern. */
const fitsOf = (pattern: string): ((pair: string) => boolean) => {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"))
  const whole = new RegExp(`^${parts.join(".*")}$`)
  return (pair) => whole.test(pair)
}
