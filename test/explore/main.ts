import { type ChildProcess, fork } from "node:child_process"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import { type Failure, replay, replayLine, shrink } from "../../src/testing/Explore.js"
import { unspell } from "../../src/testing/Points.js"
import { openEmbedded } from "../../src/testing/TestDatabase.js"
import { corpus } from "./corpus/index.js"
import { coverageOf } from "./coverage.js"
import { mutations, runMutation } from "./mutations.js"
import { onEmbedded, onServer, type ShardReport } from "./shard.js"

const usage = `npm run explore -- [--seed 1] [--workflow name] [--double] [--minutes 14] [--replay 'point#n@mode + …'] [--mutations]`

const { values: given } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    workflow: { type: "string" },
    double: { type: "boolean", default: false },
    minutes: { type: "string" },
    replay: { type: "string" },
    mutations: { type: "boolean", default: false },
    shard: { type: "string" },
    help: { type: "boolean", default: false }
  }
})

const seed = Number(given.seed)
const minutes = Number(given.minutes ?? (given.double ? 600 : 14))
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

/** Lines of a failing execution's log that are shown at once; a replay shows all. */
const shownLog = 15

/** Subjects of which a server shows more than one session can. */
const onServerToo = new Set(["chain", "fanOut", "triggerDuring", "twoWorkers"])

/** One of several processes: explores its part and tells the one that started it. */
const runShard = async (name: string): Promise<void> => {
  const [index = 0, of = 1] = name.split("/").map(Number)
  const options = {
    seed,
    index,
    of,
    double: given.double ? ("all" as const) : 1,
    until: Date.now() + minutes * 60_000,
    onFailure: (failure: Failure) =>
      console.error(
        [
          replayLine(failure),
          ...failure.violations.map(({ detail, name }) => `  ${name}: ${detail}`),
          ...failure.log.slice(-shownLog).map((line) => `    ${line.split("\n", 1)[0]}`)
        ].join("\n")
      )
  }
  const report = await Effect.runPromise(
    name === "server"
      ? onServer(
          subjects.filter((subject) => onServerToo.has(subject.name)),
          options
        )
      : onEmbedded(subjects, options)
  )
  const { send } = process
  if (send === undefined) console.log(JSON.stringify({ ...report, reached: report.reached.length }))
  else await new Promise((resolve) => send.call(process, report, resolve))
  process.exit(0)
}

const child = (shard: string): Promise<ShardReport> =>
  new Promise((resolve, reject) => {
    const started: ChildProcess = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), "--shard", shard])
    let report: ShardReport | undefined
    started.on("message", (message) => {
      report = message as ShardReport
    })
    started.on("exit", (code) =>
      report === undefined ? reject(new Error(`shard ${shard} ended with ${code}`)) : resolve(report)
    )
  })

/** Explores everything, and says in one line what came of it. */
const runAll = async (): Promise<number> => {
  const begun = performance.now()
  const count = Math.min(availableParallelism(), 4)
  const embedded = await Promise.all(Array.from({ length: count }, (_, index) => child(`${index}/${count}`)))
  const took = (performance.now() - begun) / 60_000
  const cases = embedded.reduce((sum, report) => sum + report.cases, 0)
  const onServers = subjects.some(({ name }) => onServerToo.has(name)) ? [await child("server")] : []
  const reports = [...embedded, ...onServers]
  const { gaps, stale } = coverageOf(reports, given.workflow === undefined)
  for (const gap of gaps) console.error(`not covered, and nobody says why: ${gap}`)
  for (const name of stale) console.error(`explained as not covered, but it is: ${name}`)
  const violations = reports.reduce((sum, report) => sum + report.violations, 0)
  const notReached = reports.flatMap((report) => report.notReached)
  for (const { mode, name, occurrence } of notReached) console.error(`not reached: ${name}#${occurrence}@${mode}`)
  const line = {
    workflows: subjects.length,
    points: embedded[0]?.points ?? 0,
    cases: reports.reduce((sum, report) => sum + report.cases, 0),
    reached: reports.reduce((sum, report) => sum + report.reached.length, 0),
    notReached: notReached.length,
    uncovered: gaps.length,
    violations,
    casesPerMinute: Math.round(cases / took)
  }
  console.log(JSON.stringify(line))
  return violations > 0 || gaps.length > 0 || stale.length > 0 ? 1 : 0
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

if (given.shard !== undefined) await runShard(given.shard)
process.exit(await run())
