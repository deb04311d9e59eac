import { Client } from "./Client.js"
import { checkEndToEnd } from "./EndToEnd.js"
import type { Case, Executed } from "./Execution.js"
import { check } from "./invariants/check.js"
import { exploredSettings, type Outcome } from "./Subject.js"
import type { TestDatabase } from "./TestDatabase.js"
import type { TestWorker } from "./TestWorker.js"
import { World } from "./World.js"

/** Virtual time after which an execution is stuck. */
const patienceMs = 60_000

/** How long a process stays stopped at most while another one can't do its work. */
const stoppedForMs = 20_000

/** Lives an execution may take; each injection costs one at most. */
const maxLives = 8

/** A whole recovery by somebody new, and a second sweep by everybody, take long: they are done in one of so many cases. */
const thoroughEvery = 6

const leasedStatement = `
  select r.run_id, w.worker_id from perdure.run_state r join perdure.workers w on w.incarnation = r.worker
  where r.ended_at is null order by r.run_id`

/** Whether a run goes on, or something that came while one ended is met by a later look. */
const openStatement = `
  select from perdure.run_state where ended_at is null
  union all select from perdure.trigger_inputs where status = 'new'
  union all select from perdure.run_commands where status = 'new'
  limit 1`

/** A fingerprint of every table that only changes when a run does something, and how many timers will go off. */
const everythingStatement = `select ${[
  "run_state",
  "run_values",
  "run_node_state",
  "run_inbox_messages",
  "run_steps",
  "trigger_inputs",
  "run_commands"
]
  .map((table) => `(select md5(string_agg(t::text, ' ' order by t::text)) from perdure.${table} t) as ${table}`)
  .join(", ")}, (select count(*)::text from perdure.run_state where due_at is not null) as timers`

/** Executes a case on an empty database, and checks all there is to check. */
export const execute = async (one: Case): Promise<Executed> => {
  await one.database.reset()
  const world = new World(one)
  const execution = new Execution(one, world)
  try {
    await execution.run()
  } catch (error) {
    world.report("harness", error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  try {
    return await execution.conclude()
  } finally {
    await world.close()
  }
}

class Execution {
  private readonly client: Client
  private readonly settings
  private lives = 0
  private through = false

  constructor(
    private readonly one: Case,
    private readonly world: World
  ) {
    this.client = new Client(world)
    this.settings = { ...exploredSettings, ...one.subject.settings }
  }

  /** Lets the client do what it does, with as many lives as it takes. */
  async run(): Promise<void> {
    const { world } = this
    const deadline = world.clock.now + patienceMs
    this.begin()
    this.one.subject.script(this.client).then(
      () => {
        this.through = true
      },
      (error: unknown) => {
        this.through = true
        world.report("script", error instanceof Error ? (error.stack ?? error.message) : String(error))
      }
    )
    while (!this.through) {
      const until = world.clock.now + stoppedForMs
      const over = await world.passUntil(() => this.through || !this.client.isServed, until)
      if (over && !this.through) await this.takeOver()
      if (over) continue
      world.clock.advanceTo(until)
      if (until >= deadline) return world.report("L1_not_over", `after ${patienceMs} ms: ${world.describe()}`)
      for (const worker of world.workers) if (worker.life === "paused") worker.resume()
    }
    await this.heal()
  }

  private begin(): void {
    const { subject } = this.one
    const workers = Array.from({ length: subject.workers ?? 1 }, () => this.launch())
    this.client.serve(workers[0]!)
  }

  private launch(): TestWorker {
    const { seed, subject } = this.one
    this.lives++
    return this.world.start({
      name: `worker ${this.lives}`,
      workflows: subject.workflowsOf?.(this.lives) ?? subject.workflows,
      settings: this.settings,
      seed: seed + this.lives,
      skewMs: (subject.skewMs ?? 0) * this.lives,
      statementwise: subject.statementwise ?? false,
      audit: subject.audit,
      mutate: subject.mutate
    })
  }

  /** Nobody works any more: after the lease of the dead, or now and then at once, somebody begins. */
  private async takeOver(): Promise<void> {
    const [other] = this.world.live
    if (other !== undefined) return this.client.serve(other)
    if (this.lives >= maxLives) throw new Error(`${maxLives} lives were not enough`)
    const atOnce = (this.one.seed + this.lives) % 4 === 0
    if (!atOnce) await this.world.pass((this.settings.leaseMs ?? 0) + 1)
    this.begin()
  }

  /** Stopped processes go on, and what still waits is left alone until it has left memory. */
  private async heal(): Promise<void> {
    const { world } = this
    const stopped = world.workers.filter((worker) => worker.life === "paused")
    for (const worker of stopped) worker.resume()
    const open = await world.database.query(openStatement)
    const { heartbeatMs = 0, idleMs = 0, leaseMs = 0, pollMs = 0 } = this.settings
    if (world.live.length === 0) this.begin()
    if (open.length > 0) await world.pass(leaseMs + idleMs + 2 * pollMs)
    else if (stopped.length > 0) await world.pass(2 * heartbeatMs)
    else await world.quiet()
  }

  /** L3: what a live worker has a lease of is in its memory. */
  private async checkMemory(): Promise<void> {
    const { world } = this
    const leased = await world.database.query(leasedStatement)
    for (const { run_id: runId, worker_id: name } of leased) {
      const worker = world.live.find((each) => each.name === name)
      if (worker?.holds(String(runId)) === false) {
        world.report("L3_not_in_memory", `${runId} is leased to ${name}, which does not have it`)
      }
    }
  }

  /** L5: on a quiet database, a sweep by everybody, and now and then a second one and one who is new, change nothing. */
  private async checkQuiet(): Promise<void> {
    const { one, world } = this
    const look = async () => (await world.database.query(everythingStatement))[0]
    const before = await look()
    if (before?.["timers"] !== "0") return
    const thorough = world.points.passed.length % thoroughEvery === 0
    if (thorough) this.launch()
    for (const worker of thorough ? [...world.live, ...world.live] : world.live) {
      let swept = false
      worker.sweep().then(() => {
        swept = true
      })
      const isOver = await world.passUntil(() => swept, world.clock.now + patienceMs)
      if (!isOver) return world.report("L5_not_swept", `${worker.name} after ${patienceMs} ms: ${world.describe()}`)
      await world.quiet()
    }
    const after = await look()
    for (const [table, rows] of Object.entries(before)) {
      if (after?.[table] === rows) continue
      world.report("L5_not_quiet", `sweeps of ${one.subject.name} changed ${table}: ${rows} -> ${after?.[table]}`)
    }
  }

  /** Looks at the rows and at the outside world. */
  async conclude(): Promise<Executed> {
    const { database } = this.one
    const { world } = this
    await world.quiet()
    const points = [...world.points.passed]
    const { hitAt, missed } = world.points
    world.points.close()
    await this.checkMemory()
    await this.checkQuiet()
    const ask = (text: string) => database.query(text, world.clock.now)
    for (const { detail, name, runId } of await check(ask, { atRest: true, watched: true })) {
      world.report(name, `${runId}: ${detail}`)
    }
    const outcome = await readOutcome(database)
    await checkEndToEnd({ ...this.one, world, outcome, acknowledged: this.client.acknowledged })
    return {
      outcome,
      points,
      missed,
      hitAt,
      entries: world.entries,
      violations: world.violations,
      log: world.workers.flatMap((worker) => worker.log)
    }
  }
}

const readOutcome = async (database: TestDatabase): Promise<Outcome> => {
  const rows = await database.query(`
    select r.run_id, r.status, v.output, v.failure
    from perdure.run_state r join perdure.run_values v on v.run_id = r.run_id order by r.run_id`)
  const text = (value: unknown): string | null => (value === null ? null : String(value))
  return rows.map((row) => ({
    runId: String(row["run_id"]),
    status: String(row["status"]),
    output: text(row["output"]),
    failure: text(row["failure"])
  }))
}
