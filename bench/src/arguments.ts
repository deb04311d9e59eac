import { parseArgs } from "node:util"
import type { StreamLoad } from "./stream.js"

export const sizeNames = ["tiny", "quick", "full"] as const
export type SizeName = (typeof sizeNames)[number]

export const workNames = [
  "floors",
  "ready",
  "W1",
  "W2",
  "W3",
  "W4",
  "W5",
  "W6",
  "W7",
  "takeover",
  "pair",
  "hinted",
  "crowd"
] as const
export type WorkName = (typeof workNames)[number]

/** What the command line asks for. */
export interface Arguments {
  readonly help: boolean
  /** The regression guard: Perdure and the floors only, against the checked-in thresholds. */
  readonly guard: boolean
  /** The stream load instead of the works. */
  readonly stream: StreamLoad | undefined
  /** Runs that sleep instead of the works: so many. */
  readonly sleepers: number | undefined
  readonly size: SizeName
  readonly works: ReadonlyArray<WorkName>
  /** Names of engines; undefined is all of them. */
  readonly engines: ReadonlyArray<string> | undefined
  readonly rounds: number | undefined
  /** Ended runs, and as many suspended ones, that W7 begins with; peers are measured in W7 only if it is given. */
  readonly fill: number | undefined
  readonly absurdSql: string | undefined
  readonly node22: string | undefined
}

export const usage = `Measures Perdure beside its peers on one PostgreSQL; one JSON line per engine and work.

npm run bench -- --quick                             the regression guard: Perdure and the floors, below three minutes
npm run bench -- --work W1,W3 --engine perdure,dbos  some works and engines, at their full sizes

--stream             a stream of 1,000,000 messages through three nodes, the worker killed three times; --messages <n> for fewer;
                     --inside: the map in the middle is one firing with a concurrency of 8 inside, not a node with that
--sleepers           100,000 runs that sleep for an hour, on a database whose clock is set forward; --runs <n> for fewer
--work <names>       of ${workNames.join(",")}; all of them by default
                     takeover: one of three workers goes; pair: two workers beside one; hinted: from a start
                     to the first firing on another worker; crowd: what workers cost that do nothing; all of Perdure only
--engine <names>     of perdure,perdure-embedded,dbos,effect,absurd,langgraph,restate; all of them by default
--quick, --tiny      smaller sizes; tiny ones only show that all of it works
--rounds <n>         instead of three, of which the median counts
--fill <n>           ended runs, and as many suspended ones, before W7; peers take part in W7 only with it
--absurd-sql <file>  the SQL of Absurd, which is not in its npm package
--node22 <file>      a Node of version 22 or newer for the SDK of Restate
`

const list = (text: string | undefined): ReadonlyArray<string> | undefined =>
  text?.split(",").filter((name) => name !== "")

const number = (name: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} takes a whole number, not ${text}`)
  return value
}

const isWork = (name: string): name is WorkName => workNames.some((known) => known === name)

const worksOf = (names: ReadonlyArray<string> | undefined): ReadonlyArray<WorkName> => {
  if (names === undefined) return workNames
  const unknown = names.filter((name) => !isWork(name))
  if (unknown.length > 0) throw new Error(`no such work: ${unknown.join(", ")}`)
  return names.filter(isWork)
}

/** Reads the command line. Throws on what it does not know. */
export const readArguments = (argv: ReadonlyArray<string>): Arguments => {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      help: { type: "boolean" },
      quick: { type: "boolean" },
      stream: { type: "boolean" },
      messages: { type: "string" },
      inside: { type: "boolean" },
      sleepers: { type: "boolean" },
      runs: { type: "string" },
      tiny: { type: "boolean" },
      work: { type: "string" },
      engine: { type: "string" },
      rounds: { type: "string" },
      fill: { type: "string" },
      "absurd-sql": { type: "string" },
      node22: { type: "string" }
    }
  })
  const messages = number("messages", values.messages)
  if (messages !== undefined && values.stream !== true) throw new Error("--messages goes with --stream")
  if (values.inside === true && values.stream !== true) throw new Error("--inside goes with --stream")
  const runs = number("runs", values.runs)
  if (runs !== undefined && values.sleepers !== true) throw new Error("--runs goes with --sleepers")
  const smaller = values.quick === true ? "quick" : "full"
  return {
    help: values.help === true,
    guard: values.quick === true && values.work === undefined && values.engine === undefined,
    stream: values.stream === true ? { messages: messages ?? 1_000_000, inside: values.inside === true } : undefined,
    sleepers: values.sleepers === true ? (runs ?? 100_000) : undefined,
    size: values.tiny === true ? "tiny" : smaller,
    works: worksOf(list(values.work)),
    engines: list(values.engine),
    rounds: number("rounds", values.rounds),
    fill: number("fill", values.fill),
    absurdSql: values["absurd-sql"],
    node22: values.node22
  }
}
