import { cpus } from "node:os"
import type { Arguments, WorkName } from "./arguments.js"
import { type EngineEntry, engines, unavailable, versionOf } from "./engines.js"
import { measureFloors } from "./floors.js"
import { sizes } from "./sizes.js"
import { type Line, works } from "./works.js"

const print = (line: Line): void => console.log(JSON.stringify(line))

const chosen = ({ engines: names }: Arguments): ReadonlyArray<EngineEntry> => {
  const unknown = names?.filter((name) => engines.every((engine) => engine.name !== name)) ?? []
  if (unknown.length > 0) throw new Error(`no such engine: ${unknown.join(", ")}`)
  return names === undefined ? engines : engines.filter(({ name }) => names.includes(name))
}

/** Why this engine does not do this work, if so. */
const refusal = (engine: EngineEntry, work: WorkName, given: Arguments): string | undefined => {
  if (work === "ready" && engine.name !== "perdure-embedded") return "the bundled server of perdure-embedded is measured"
  if (work === "W7" && engine.name !== "perdure" && given.size === "full" && given.fill === undefined)
    return "filling its tables takes hours at its speed: --fill <n> does it with fewer runs"
  return unavailable(engine, given) ?? engine.cannot[work]
}

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
    const lines = await works[work]({ engine, sizes: sizes[given.size], given, server })
    return lines.map((line) => ({ ...head, ...line }))
  } catch (cause) {
    return [{ ...head, failed: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) }]
  }
}

/** Work by work, engine after engine, on one server. Gives whether everything that was not skipped was measured. */
export const compare = async (given: Arguments, server: string): Promise<boolean> => {
  print({ machine: cpus()[0]?.model, cores: cpus().length, node: process.versions.node, date: new Date().toISOString() })
  const selected = chosen(given)
  for (const engine of selected) print(describe(engine))
  const lines: Array<Line> = []
  for (const work of given.works) {
    if (work === "floors") {
      await measureFloors(server, sizes[given.size].floorSeconds, (floor) => print({ floor }))
      continue
    }
    for (const engine of selected) {
      // what one engine can't do by its nature says nothing of the others
      if (work === "ready" && given.engines === undefined && engine.name !== "perdure-embedded") continue
      const measured = await measure(engine, work, given, server)
      measured.forEach(print)
      lines.push(...measured)
    }
  }
  const count = (key: string) => lines.filter((line) => key in line).length
  print({ lines: lines.length, skipped: count("skipped"), failed: count("failed") })
  return count("failed") === 0
}
