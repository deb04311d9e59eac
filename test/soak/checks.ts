import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import * as Effect from "effect/Effect"
import { type BrokenInvariant, check } from "../../src/testing/invariants/check.js"
import type { Client } from "./client.js"
import type { Rig } from "./rig.js"

/** From the end of the last fault until every run must have ended, at most: far more than three leases, for slow machines. */
const patienceMs = 90_000

/** From then until what the rows still say of arrivals must be settled. */
const settleMs = 30_000

/** Runs shown by a dump. */
const shownRuns = 30

const spell = (broken: BrokenInvariant): string => `${broken.runId}: ${broken.detail}`

/** The tables of the engine, in one look; relations are named so that a plan over many rows stays fast. */
const ask = async (rig: Rig, atRest: boolean): Promise<ReadonlyArray<BrokenInvariant>> => {
  const client = await rig.admin.connect()
  try {
    await client.query("set enable_nestloop = off; set work_mem = '64MB'; set jit = off")
    const rows = (text: string) => client.query(text).then((result) => result.rows)
    return await check(rows, { atRest, watched: true })
  } finally {
    await client.query("reset all")
    client.release()
  }
}

/** Waits until every run has ended that does not wait over night; says how long that took. */
export const settle = async (rig: Rig, client: Client): Promise<number> => {
  const begun = performance.now()
  const left = () => [...client.underWay].filter((runId) => !client.overNight.has(runId))
  while (left().length > 0) {
    if (performance.now() - begun > patienceMs) {
      const stuck = left()
      const file = await dump(rig, stuck)
      rig.report("L1_stuck", `${stuck.length} runs have not ended, as ${stuck.slice(0, 3).join(", ")}: see ${file}`)
      break
    }
    await delay(50)
  }
  return performance.now() - begun
}

/** All invariants: those that must always hold at once, those of a world at rest as soon as it is. */
export const checkInvariants = async (rig: Rig): Promise<void> => {
  const safety = await ask(rig, false)
  for (const broken of safety) rig.report(broken.name, spell(broken))
  const begun = performance.now()
  const known = new Set(safety.map((broken) => `${broken.name} ${spell(broken)}`))
  for (;;) {
    const all = await ask(rig, true)
    const unsettled = all.filter((broken) => !known.has(`${broken.name} ${spell(broken)}`))
    if (unsettled.length === 0) return
    if (performance.now() - begun > settleMs) {
      const file = await dump(rig, [...new Set(unsettled.map(({ runId }) => runId))])
      for (const broken of unsettled) rig.report(broken.name, `${spell(broken)}; see ${file}`)
      return
    }
    await delay(200)
  }
}

/** Writes down everything about some runs and about who should move them. */
export const dump = async (rig: Rig, runIds: ReadonlyArray<string>): Promise<string> => {
  const shown = runIds.slice(0, shownRuns)
  const rows = async (title: string, text: string, values: Array<unknown> = []) => [
    `== ${title}`,
    ...(await rig.sql(text, values)).map((row) => JSON.stringify(row))
  ]
  const ofRuns = (table: string) => rows(table, `select * from perdure.${table} where run_id = any($1)`, [shown])
  const why = await Promise.all(
    shown.map((runId) =>
      rig.use((engine) =>
        engine.explain(runId).pipe(
          Effect.map((explanation) => `${runId}: ${JSON.stringify(explanation)}`),
          Effect.catchAll((error) => Effect.succeed(`${runId}: ${error.message}`))
        )
      )
    )
  )
  for (const worker of rig.workers) worker.showFibers()
  const lines = [
    `== ${runIds.length} runs`,
    ...runIds,
    "== why",
    ...why,
    ...(await ofRuns("run_state")),
    ...(await ofRuns("run_node_state")),
    ...(await ofRuns("run_inbox_messages")),
    ...(await ofRuns("trigger_inputs")),
    ...(await ofRuns("run_commands")),
    ...(await rows("workers", "select w.*, perdure.worker_alive(w) as alive from perdure.workers w")),
    ...(await rows("activity", "select * from pg_stat_activity where datname = current_database()")),
    ...(await rows("locks", "select * from pg_locks"))
  ]
  const file = join(rig.folder, `dump-${Math.round(performance.now() - rig.begun)}.txt`)
  writeFileSync(file, `${lines.join("\n")}\n`)
  return file
}
