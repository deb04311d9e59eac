import { cpus } from "node:os"
import type { Arguments, WorkName } from "./arguments.js"
import { judge } from "./claims.js"
import { crowd } from "./crowd.js"
import { type EngineEntry, engines, unavailable, versionOf } from "./engines.js"
import { measureFloors } from "./floors.js"
import { sizes } from "./sizes.js"
import { hinted, pair, takeovers } from "./workers.js"
import { type Line, works } from "./works.js"

/** The start of a server is measured of Perdure's own, which is embedded by default. */
const readyEngine = "perdure-embedded"

const print = (line: Line): void => console.log(JSON.stringify(line))

/** The engines that were asked for. Throws on a name that is none. */
export const selectEngines = ({ engines: names }: Arguments): ReadonlyArray<EngineEntry> => {
  const unknown = names?.filter((name) => engines.every((engine) => engine.name !== name)) ?? []
  if (unknown.length > 0) throw new Error(`no such engine: ${unknown.join(", ")}`)
  return names === undefined ? engines : engines.filter(({ name }) => names.includes(name))
}

/** Works that concern several workers, and Perdure only. */
const ofWorkers = new Set<WorkName>(["takeover", "pair", "hinted", "crowd"])

/** Why this engine does not do this work, if so. */
const refusal = (engine: EngineEntry, work: WorkName, given: Arguments): string | undefined => {
  if (work === "W7" && engine.name !== "perdure" && given.size === "full" && given.fill === undefined)
    return "filling its tables takes hours at its speed: --fill <n> does it with fewer runs"
  if (ofWorkers.has(work) && engine.name !== "perdure") return "it is measured of Perdure only"
  return unavailable(engine, given) ?? engine.cannot[work]
}

/** The works of `works.ts`, and those that concern several workers. */
const everyWork = { ...works, takeover: takeovers, pair, hinted, crowd } as const

const describe = (engine: EngineEntry): Line => ({
  engine: engine.name,
  versions: Object.fromEntries(engine.packages.map((name) => [name, versionOf(name) ?? "not installed"])),
  promises: engine.promises,
  configuration: engine.configuration
})

/** One engine at one work; gives its lines. A failure is a line too, and the others go on. */
const measure = async (
  engine: EngineEntry,
  work: Exclude<WorkName, "floors">,
  given: Arguments,
  server: string
): Promise<ReadonlyArray<Line>> => {
  const head = { engine: engine.name, work, size: given.size }
  const reason = refusal(engine, work, given)
  if (reason !== undefined) return [{ ...head, skipped: reason }]
  try {
    const lines = await everyWork[work]({ engine, sizes: sizes[given.size], given, server })
    return lines.map((line) => ({ ...head, ...line }))
  } catch (cause) {
    return [{ ...head, failed: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) }]
  }
}

/**
 * Work by work, engine after engine, on one server.
 *
 * **Details** The last line holds the claims that what was measured allows to judge. Gives whether all of them hold and
 * Perdure did all that was asked of it; only full sizes are judged.
 */
export const compare = async (
  given: Arguments,
  selected: ReadonlyArray<EngineEntry>,
  server: string
): Promise<boolean> => {
  print({
    machine: cpus()[0]?.model,
    cores: cpus().length,
    node: process.versions.node,
    date: new Date().toISOString()
  })
  for (const engine of selected) print(describe(engine))
  const lines: Array<Line> = []
  let floors: Awaited<ReturnType<typeof measureFloors>> = []
  for (const work of given.works) {
    if (work === "floors") {
      floors = await measureFloors(server, sizes[given.size].floorSeconds, (floor) => print({ floor }))
      continue
    }
    for (const engine of selected) {
      if (work === "ready" && engine.name !== readyEngine) continue
      console.error(`${new Date().toISOString()} ${engine.name} ${work}`)
      const measured = await measure(engine, work, given, server)
      measured.forEach(print)
      lines.push(...measured)
    }
  }
  const claims = judge(lines, floors)
  const failed = lines.filter((line) => "failed" in line)
  const skipped = lines.filter((line) => "skipped" in line)
  print({ lines: lines.length, skipped: skipped.length, failed: failed.length, claims })
  const own = failed.filter(({ engine }) => String(engine).startsWith("perdure"))
  return own.length === 0 && (given.size !== "full" || claims.every(({ holds }) => holds))
}
