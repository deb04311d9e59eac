import { compensationNode } from "../model/Message.js"
import type { Acknowledged } from "./Client.js"
import type { Case } from "./Execution.js"
import type { LedgerEntry } from "./Ledger.js"
import type { Attempt } from "./Observed.js"
import { type Outcome, undoEffect } from "./Subject.js"
import type { World } from "./World.js"

/** An execution that is over, with what the outside saw of it. */
export interface Observation extends Case {
  readonly world: World
  readonly outcome: Outcome
  readonly acknowledged: ReadonlyArray<Acknowledged>
}

interface Firing {
  readonly runId: string
  readonly nodeId: string
  readonly firing: number
  readonly status: string
  readonly attempt: number
  readonly crashes: number
}

/** Compares the rows with what the outside saw: the crash-free outcome, the ledger, the handlers' calls, the answers. */
export const checkEndToEnd = async (seen: Observation): Promise<void> => {
  const rows = await seen.database.query(
    "select run_id, node_id, firing, status, attempt, crashes from perdure.firings"
  )
  const firings = rows.map(
    (row): Firing => ({
      runId: String(row["run_id"]),
      nodeId: String(row["node_id"]),
      firing: Number(row["firing"]),
      status: String(row["status"]),
      attempt: Number(row["attempt"]),
      crashes: Number(row["crashes"])
    })
  )
  checkOutcome(seen)
  checkLedger(seen, firings)
  checkCounters(seen, firings)
  await checkAnswers(seen)
  await checkEntries(seen)
  if (seen.subject.undoes === true) await checkUndone(seen)
}

const keyOf = (of: { readonly runId: string; readonly nodeId: string; readonly firing: number }): string =>
  `${of.runId}/${of.nodeId}/${of.firing}`

/** O1: the outcome is that of the crash-free execution, or another possible one. */
const checkOutcome = ({ crashFree, outcome, subject, world }: Observation): void => {
  const wrong = subject.expect?.(outcome, world.entries)
  if (wrong !== undefined) world.report("expect", wrong)
  if (crashFree === undefined) return
  if (subject.possible !== undefined) {
    const why = subject.possible(outcome, crashFree.outcome)
    if (why !== undefined) world.report("O1_outcome", why)
    return
  }
  const [is, was] = [JSON.stringify(outcome), JSON.stringify(crashFree.outcome)]
  if (is !== was) world.report("O1_outcome", `${is}, and without a fault ${was}`)
}

/** O2: outside, each effect of a committed firing was done once, and without a fault nothing else would have been. */
const checkLedger = ({ crashFree, outcome, subject, world }: Observation, firings: ReadonlyArray<Firing>): void => {
  const done = new Map<string, Array<LedgerEntry>>()
  for (const entry of world.entries) {
    const name = `${keyOf(entry)} ${entry.effect}`
    done.set(name, [...(done.get(name) ?? []), entry])
  }
  const completed = new Set(firings.filter(({ status }) => status === "completed").map(keyOf))
  for (const [name, entries] of done) {
    if (entries.length > 1) {
      world.report(
        "O2_repeated",
        `${name} was done ${entries.length} times: ${entries.map(({ key }) => key).join(", ")}`
      )
    }
  }
  if (crashFree === undefined || subject.possible !== undefined) return
  const whole = outcome.every(({ status }) => status === "completed")
  for (const entry of crashFree.entries) {
    const name = `${keyOf(entry)} ${entry.effect}`
    if (completed.has(keyOf(entry)) && !done.has(name)) world.report("O2_missing", `${name} was not done`)
  }
  if (!whole) return
  const before = new Set(crashFree.entries.map((entry) => `${keyOf(entry)} ${entry.effect}`))
  for (const name of done.keys()) if (!before.has(name)) world.report("O2_invented", `${name} was done`)
}

/** S9: attempts are what the handlers saw; crashes are at least the deaths during them, and at most one more per death. */
const checkCounters = ({ subject, world }: Observation, firings: ReadonlyArray<Firing>): void => {
  const calls = new Map<string, Array<Attempt>>()
  for (const call of world.attempts) calls.set(keyOf(call), [...(calls.get(keyOf(call)) ?? []), call])
  const faults = world.points.hit.length + world.kills
  for (const firing of firings) {
    // Its calls bear the names of the firings they undo.
    if (firing.nodeId === compensationNode) continue
    const name = keyOf(firing)
    const seen = calls.get(name) ?? []
    const tried = Math.max(0, ...seen.map(({ attempt }) => attempt))
    const over = firing.status === "completed" || firing.status === "failed"
    // The time of a firing may be over before its handler is called in a new process.
    const uncalled = subject.timed === true && firing.status === "failed" && firing.attempt === tried + 1
    if (over && firing.attempt !== tried && !uncalled) {
      world.report("S9_attempts", `${name} is at attempt ${firing.attempt}, its handler saw ${tried}`)
    }
    const dead = seen.filter(
      ({ end, worker }) => end === "running" && world.deaths.some((death) => death.worker === worker)
    )
    const least = subject.retried === true || subject.streams === true ? 0 : dead.length
    if (firing.crashes < least || firing.crashes > dead.length + faults) {
      world.report("S9_crashes", `${name} has ${firing.crashes} crashes; ${dead.length} calls of it died`)
    }
  }
}

/** Runs that have ended and been cleaned up behind, with what was sent to them. */
const cleanedStatement = `
  select run_id from perdure.run_state r where ended_at is not null
    and not exists (select from perdure.run_inbox_messages m where m.run_id = r.run_id)`

/** O4: what was acknowledged is there, until the time for which it is kept is over. */
const checkAnswers = async ({ acknowledged, database, outcome, world }: Observation): Promise<void> => {
  const runs = new Set(outcome.map(({ runId }) => runId))
  const rows = await database.query("select run_id, node_id, input_id from perdure.trigger_inputs")
  const cleaned = new Set((await database.query(cleanedStatement)).map((row) => row["run_id"]))
  const inputs = new Set(rows.map((row) => `${row["run_id"]}/${row["node_id"]}/${row["input_id"]}`))
  for (const answer of acknowledged) {
    if (!runs.has(answer.runId)) world.report("O4_lost_start", answer.runId)
    if (answer.kind !== "trigger" || cleaned.has(answer.runId)) continue
    const name = `${answer.runId}/${answer.nodeId}/${answer.inputId}`
    if (!inputs.has(name)) world.report("O4_lost_input", name)
  }
}

/** The rows that transaction steps of the application wrote, beside what the engine remembers of these steps. */
const entriesStatement = `
  select coalesce(e.run_id, s.run_id) as run_id, coalesce(e.node_id, s.node_id) as node_id,
    coalesce(e.firing, s.firing) as firing, coalesce(e.count, 0)::int4 as count, s.run_id is not null as remembered
  from (select run_id, node_id, firing, count(*) from perdure_watch.entries group by 1, 2, 3) e
  full join (
    select run_id, node_id, firing from perdure.run_steps where kind = 'run' and name = 'enter' and status = 'completed'
  ) s on (s.run_id, s.node_id, s.firing) = (e.run_id, e.node_id, e.firing)
  where e.count is distinct from 1 or s.run_id is null`

/** O2 for transactions of the application's own: what a step wrote is there once, if and only if the step is remembered. */
const checkEntries = async ({ database, world }: Observation): Promise<void> => {
  for (const row of await database.query(entriesStatement)) {
    const { count, firing, node_id: nodeId, remembered, run_id: runId } = row
    const memo = remembered === true ? "remembered" : "not remembered"
    world.report("O2_entries", `${runId}/${nodeId}/${firing} wrote ${count} rows, and its step is ${memo}`)
  }
}

/** What has to be undone in runs that were, the last committed first. */
const undoneStatement = `
  select r.run_id, string_agg((m.payload::jsonb->>'node') || '/' || (m.payload::jsonb->>'firing'), ' ' order by m.firing desc) as list
  from perdure.run_state r
  join perdure.run_inbox_messages m on m.run_id = r.run_id and m.handle = '${compensationNode}'
  where r.status = 'compensated' group by r.run_id`

/** Outside, everything that has committed was undone, in reverse; and nothing of a run that goes on or has completed. */
const checkUndone = async ({ database, outcome, world }: Observation): Promise<void> => {
  const lists = new Map((await database.query(undoneStatement)).map((row) => [row["run_id"], String(row["list"])]))
  for (const { runId, status } of outcome) {
    const undone = world.entries.filter((entry) => entry.runId === runId && entry.effect === undoEffect)
    const done = undone.map(({ firing, nodeId }) => `${nodeId}/${firing}`).join(" ")
    if (status === "compensated" ? done !== lists.get(runId) : done !== "" && status !== "failed") {
      world.report("O2_undone", `${runId} is ${status} and has undone ${done}, where ${lists.get(runId)} had committed`)
    }
  }
}
