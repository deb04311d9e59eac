import type { Client, Finished } from "./client.js"
import { Acknowledged, Entry, readLines } from "./ledger.js"
import type { Rig } from "./rig.js"

/** What an execution without a fault came to: the end, and the effects outside by node and number. */
export interface CrashFree {
  readonly end: string
  readonly effects: ReadonlySet<string>
}

/** By script and input. */
export type Reference = ReadonlyMap<string, CrashFree>

export const nameOf = ({ script, v }: Pick<Finished, "script" | "v">): string => `${script.name}/${v}`

/** How a run ended, as one text to be compared; where several ends are right, they read the same. */
export const endOf = ({ end, script }: Finished): string =>
  script.endsAs?.(end.status) ?? JSON.stringify([end.status, end.output, end.failure])

const firingOf = (entry: Pick<Entry, "nodeId" | "firing">): string => `${entry.nodeId}/${entry.firing}`

/** The effects of each run. */
export const effectsOf = (
  entries: ReadonlyArray<Entry>
): ReadonlyMap<string, ReadonlyMap<string, ReadonlyArray<Entry>>> => {
  const runs = new Map<string, Map<string, Array<Entry>>>()
  for (const entry of entries) {
    const run = runs.get(entry.runId) ?? new Map<string, Array<Entry>>()
    const firing = firingOf(entry)
    run.set(firing, [...(run.get(firing) ?? []), entry])
    runs.set(entry.runId, run)
  }
  return runs
}

interface Firing {
  readonly runId: string
  readonly name: string
  readonly status: string
  readonly attempt: number
  readonly crashes: number
}

/** What was found, and how much of it there was. */
export interface EndToEnd {
  readonly effects: number
  readonly repeats: number
  readonly crashes: number
  readonly acknowledged: number
}

/** Compares what the outside saw with the rows and with executions without faults; what differs is reported. */
export const checkEndToEnd = async (
  rig: Rig,
  client: Client,
  reference: Reference,
  killed: ReadonlySet<number>
): Promise<EndToEnd> => {
  const entries = readLines(rig.ledger, Entry)
  const rows = await rig.sql("select run_id, node_id, firing, status, attempt, crashes from perdure.firings")
  const firings = rows.map(
    (row): Firing => ({
      runId: String(row["run_id"]),
      name: `${row["node_id"]}/${row["firing"]}`,
      status: String(row["status"]),
      attempt: Number(row["attempt"]),
      crashes: Number(row["crashes"])
    })
  )
  const done = effectsOf(entries.filter(({ phase }) => phase === "effect"))
  checkOutcomes(rig, client, reference)
  checkEffects(rig, client, reference, done, firings)
  checkCounters(rig, entries, firings, killed)
  const acknowledged = await checkAnswers(rig)
  const all = [...done.values()].flatMap((run) => [...run.values()])
  return {
    effects: all.length,
    repeats: all.reduce((sum, repeated) => sum + repeated.length - 1, 0),
    crashes: firings.reduce((sum, { crashes }) => sum + crashes, 0),
    acknowledged
  }
}

/** O1: each run ended as it would have without a fault. */
const checkOutcomes = (rig: Rig, client: Client, reference: Reference): void => {
  for (const finished of client.finished.values()) {
    const [is, would] = [endOf(finished), reference.get(nameOf(finished))?.end]
    if (is !== would) rig.report("O1_outcome", `${finished.runId} ended as ${is}, and without a fault ${would}`)
  }
}

/** O2: outside, each firing has one key, each completed firing did its effect, and nothing else was done. */
const checkEffects = (
  rig: Rig,
  client: Client,
  reference: Reference,
  done: ReturnType<typeof effectsOf>,
  firings: ReadonlyArray<Firing>
): void => {
  const keys = new Map<string, string>()
  const completed = new Map<string, Set<string>>()
  for (const { name, runId, status } of firings) {
    if (status !== "completed") continue
    completed.set(runId, (completed.get(runId) ?? new Set()).add(name))
  }
  for (const [runId, run] of done) {
    for (const [name, entries] of run) {
      const distinct = new Set(entries.map(({ key }) => key))
      if (distinct.size > 1) rig.report("O2_keys", `${runId}/${name} was done under ${[...distinct].join(", ")}`)
      for (const key of distinct) {
        const other = keys.get(key)
        if (other !== undefined) rig.report("O2_keys", `${other} and ${runId}/${name} share ${key}`)
        keys.set(key, `${runId}/${name}`)
      }
    }
  }
  for (const finished of client.finished.values()) {
    const { runId } = finished
    const would = reference.get(nameOf(finished))?.effects ?? new Set()
    for (const name of done.get(runId)?.keys() ?? []) {
      if (!would.has(name) && finished.script.isCutShort !== true) rig.report("O2_invented", `${runId}/${name}`)
    }
    // What is cut short did what its completed firings did; everything else did all that it would have done.
    for (const name of finished.script.isCutShort === true ? (completed.get(runId) ?? []) : would) {
      if (would.has(name) && done.get(runId)?.has(name) !== true) rig.report("O2_missing", `${runId}/${name}`)
    }
  }
}

/** S9: attempts are what the handlers saw, and each death of a process in the middle of a step was counted. */
const checkCounters = (
  rig: Rig,
  entries: ReadonlyArray<Entry>,
  firings: ReadonlyArray<Firing>,
  killed: ReadonlySet<number>
): void => {
  const seen = new Map<string, { attempt: number; readonly open: Set<number> }>()
  for (const entry of entries) {
    const name = `${entry.runId}/${firingOf(entry)}`
    const one = seen.get(name) ?? { attempt: 0, open: new Set<number>() }
    one.attempt = Math.max(one.attempt, entry.attempt)
    if (entry.phase === "begin") one.open.add(entry.pid)
    if (entry.phase === "end" || entry.phase === "interrupted") one.open.delete(entry.pid)
    seen.set(name, one)
  }
  for (const { attempt, crashes, name, runId, status } of firings) {
    const one = seen.get(`${runId}/${name}`)
    if (one === undefined) continue
    const over = status === "completed" || status === "failed"
    if (over && attempt !== one.attempt) {
      rig.report("S9_attempts", `${runId}/${name} is at attempt ${attempt}, its handler saw ${one.attempt}`)
    }
    const died = [...one.open].filter((pid) => killed.has(pid)).length
    if (crashes < died) rig.report("S9_crashes", `${runId}/${name} has ${crashes} crashes; ${died} calls of it died`)
  }
}

/** O4: what was acknowledged is there. */
const checkAnswers = async (rig: Rig): Promise<number> => {
  const answers = readLines(rig.acknowledged, Acknowledged)
  const runs = new Set((await rig.sql("select run_id from perdure.run_state")).map((row) => row["run_id"]))
  const rows = await rig.sql("select run_id, node_id, input_id from perdure.trigger_inputs")
  const inputs = new Set(rows.map((row) => `${row["run_id"]}/${row["node_id"]}/${row["input_id"]}`))
  const commands = await rig.sql("select distinct run_id, kind from perdure.run_commands")
  const given = new Set(commands.map((row) => `${row["run_id"]}/${row["kind"]}`))
  for (const { inputId, kind, nodeId, runId } of answers) {
    if (!runs.has(runId)) rig.report("O4_lost_start", runId)
    if (kind === "start") continue
    const delivered = inputId !== undefined
    const isThere = delivered ? inputs.has(`${runId}/${nodeId}/${inputId}`) : given.has(`${runId}/${kind}`)
    if (!isThere) rig.report("O4_lost_input", `${runId}/${delivered ? `${nodeId}/${inputId}` : kind}`)
  }
  return answers.length
}
