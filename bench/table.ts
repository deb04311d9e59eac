import { readFileSync } from "node:fs"

/** Prints the lines of a comparison as a Markdown table, a column per engine: `npx tsx bench/table.ts <file of lines>`. */

type Line = Readonly<Record<string, unknown>>

interface Row {
  readonly title: string
  readonly work: string
  readonly figures: ReadonlyArray<string>
  /** Where a work has a line for each length of history. */
  readonly perHistory?: true
}

const rows: ReadonlyArray<Row> = [
  { title: "W1, steps/s", work: "W1", figures: ["stepsPerSecond"] },
  { title: "W1, transactions a run", work: "W1", figures: ["transactionsPerRun"] },
  { title: "W2, steps/s", work: "W2", figures: ["stepsPerSecond"] },
  { title: "W3, ms: p50, p99", work: "W3", figures: ["p50Ms", "p99Ms"] },
  { title: "W4, s: one figure for each length of history", work: "W4", figures: ["seconds"], perHistory: true },
  { title: "W5, wakes/s: first, later", work: "W5", figures: ["firstWakesPerSecond", "wakesPerSecond"] },
  { title: "W5, MB: in the starter, after a restart", work: "W5", figures: ["rssMb", "afterRestartRssMb"] },
  { title: "W6, starts/s: one by one, in a batch", work: "W6", figures: ["oneByOnePerSecond", "batchPerSecond"] }
]

const read = (file: string): ReadonlyArray<Line> =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter((text) => text.startsWith("{"))
    .map((text) => JSON.parse(text) as Line)

/** The quickest of the leases that were measured, which is what an engine is chosen for in W4. */
const quickest = (lines: ReadonlyArray<Line>): ReadonlyArray<Line> => {
  const leases = [...new Set(lines.map((line) => line["leaseMs"]))]
  const total = (group: ReadonlyArray<Line>) =>
    group.reduce((sum, { seconds }) => sum + (typeof seconds === "number" ? seconds : Number.POSITIVE_INFINITY), 0)
  const groups = leases.map((lease) => lines.filter((line) => line["leaseMs"] === lease))
  return groups.sort((a, b) => total(a) - total(b))[0] ?? []
}

const shown = (line: Line, name: string): string => {
  const value = line[name]
  if (typeof value === "number") return value.toLocaleString("en-US")
  return "failed" in line ? "failed" : "–"
}

const cell = (lines: ReadonlyArray<Line>, row: Row): string => {
  const measured = lines.filter((line) => !("skipped" in line))
  if (measured.length === 0) return "–"
  const chosen = row.perHistory === true ? quickest(measured) : measured
  const lease = chosen[0]?.["leaseMs"]
  const text = chosen.flatMap((line) => row.figures.map((name) => shown(line, name))).join(", ")
  return typeof lease === "number" ? `${text} (lease ${lease / 1_000} s)` : text
}

const table = (lines: ReadonlyArray<Line>): string => {
  const engines = [...new Set(lines.filter((line) => "work" in line).map((line) => String(line["engine"])))]
  const of = (engine: string, work: string) =>
    lines.filter((line) => line["engine"] === engine && line["work"] === work)
  const body = rows
    .filter(({ work }) => lines.some((line) => line["work"] === work))
    .map((row) => [row.title, ...engines.map((engine) => cell(of(engine, row.work), row))])
  return [["work", ...engines], ["---", ...engines.map(() => "---")], ...body]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n")
}

console.log(
  process.argv
    .slice(2)
    .map((file) => table(read(file)))
    .join("\n\n")
)
