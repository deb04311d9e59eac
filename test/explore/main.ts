import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import { type Failure, replay, replayLine, shrink } from "../../src/testing/Explore.js"
import { unspell } from "../../src/testing/Points.js"
import { openEmbedded } from "../../src/testing/TestDatabase.js"
import { corpus } from "./corpus/index.js"
import { mutations, runMutation } from "./mutations.js"
import { Processes } from "./processes.js"
import { makeExplorer, type ShardReport, type Task } from "./shard.js"
import { exploreCorpus } from "./wholeCorpus.js"

const usage = `npm run explore -- [--seed 1] [--workflow name] [--double] [--pairs] [--minutes 14.5] [--replay 'point#n@mode + …'] [--mutations]`

const { values: given } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    workflow: { type: "string" },
    double: { type: "boolean", default: false },
    pairs: { type: "boolean", default: false },
    minutes: { type: "string" },
    replay: { type: "string" },
    mutations: { type: "boolean", default: false },
    child: { type: "boolean", default: false },
    help: { type: "boolean", default: false }
  }
})

const seed = Number(given.seed)
const minutes = Number(given.minutes ?? (given.double ? 600 : 14.5))
const subjects = corpus(seed).filter(({ name }) => given.workflow === undefined || name === given.workflow)
if (given.help || !Number.isInteger(seed) || !(minutes > 0) || subjects.length === 0) {
  console.error(
    subjects.length === 0
      ? `workflows: ${corpus(seed)
          .map(({ name }) => name)
          .join(" ")}`
      : usage
  )
  process.exit(given.help ? 0 : 2)
}

/** How often a first injection is followed by a second one, drawn by seed, unless all pairs are asked for. */
const doubleChance = 0.03

/** Lines of a failing execution's log that are shown at once; a replay shows all. */
const shownLog = 15

/** Tells the process that started this one what each task comes to, until there are no more. */
const runChild = (send: (report: ShardReport) => void): Promise<void> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const explorer = yield* makeExplorer(subjects, {
          seed,
          double: given.double ? "all" : doubleChance,
          until: Date.now() + minutes * 60_000,
          onFailure: (failure) => console.error(linesOf(failure))
        })
        yield* Effect.async<void>((resume) => {
          process.on("message", (task) => {
            Effect.runPromise(explorer(task as Task)).then(send, (error) => {
              console.error(error)
              process.exit(1)
            })
          })
          process.on("disconnect", () => resume(Effect.void))
        })
      })
    )
  )

const linesOf = (failure: Failure): string =>
  [
    replayLine(failure),
    ...failure.violations.map(({ detail, name }) => `  ${name}: ${detail}`),
    ...failure.log.slice(-shownLog).map((line) => `    ${line.split("\n", 1)[0]}`)
  ].join("\n")

/** Explores everything, and says in one line what came of it. */
const runAll = async (): Promise<number> => {
  const count = Math.min(availableParallelism(), 4)
  const processes = new Processes(fileURLToPath(import.meta.url), process.argv.slice(2), count, console.error)
  const { complaints, notReached, summary } = await exploreCorpus(processes, subjects, {
    whole: given.workflow === undefined,
    pairsOnly: given.pairs
  })
  processes.close()
  for (const line of [...notReached, ...complaints]) console.error(line)
  console.log(JSON.stringify(summary))
  const { complete, violations } = summary
  return complete && violations === 0 && complaints.length === 0 ? 0 : 1
}

/** Executes one case again, shows everything about it, and tries to make it smaller. */
const runReplay = (text: string): Promise<number> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(openEmbedded, (database) =>
        Effect.promise(async () => {
          const [subject] = subjects
          const injections = text === "" ? [] : text.split(" + ").map((part) => unspell(part.trim()))
          if (subject === undefined || injections.includes(undefined)) {
            console.error(`can't read ${text}`)
            return 2
          }
          const known = injections.flatMap((injection) => (injection === undefined ? [] : [injection]))
          const one = { subject, database, seed, injections: known }
          const { crashFree, executed } = await replay(one)
          for (const line of executed.log) console.error(line)
          for (const { detail, name } of executed.violations) console.error(`${name}: ${detail}`)
          for (const { mode, name, occurrence } of executed.missed) {
            console.error(`not reached: ${name}#${occurrence}@${mode}`)
          }
          if (executed.violations.length > 0) {
            const smaller = await shrink({ ...one, crashFree }, executed.violations)
            console.error(`smallest: ${replayLine({ injections: smaller, seed, subject: subject.name })}`)
          }
          console.log(JSON.stringify({ violations: executed.violations, outcome: executed.outcome }))
          return executed.violations.length > 0 ? 1 : 0
        })
      )
    )
  )

/** Breaks the engine in one way at a time, and expects to be told. */
const runMutations = (): Promise<number> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(openEmbedded, (database) =>
        Effect.promise(async () => {
          const unnoticed: Array<string> = []
          for (const mutation of mutations) {
            const found = await runMutation(mutation, database, seed)
            console.error(`${mutation.name}: ${found === undefined ? "NOT NOTICED" : found}`)
            if (found === undefined) unnoticed.push(mutation.name)
          }
          console.log(JSON.stringify({ mutations: mutations.length, unnoticed }))
          return unnoticed.length > 0 ? 1 : 0
        })
      )
    )
  )

const run = (): Promise<number> => {
  if (given.mutations) return runMutations()
  return given.replay === undefined ? runAll() : runReplay(given.replay)
}

if (given.child) await runChild((report) => process.send?.(report))
process.exit(given.child ? 0 : await run())
