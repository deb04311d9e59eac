import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Metric from "effect/Metric"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { Finding } from "../Operator.js"
import { auditDropped } from "../runtime/AuditTrail.js"
import type { Standing } from "../runtime/Condition.js"
import type { Backlog, DatabaseStanding, WorkerStanding } from "../store/Overview.js"

type Trouble = DatabaseError | UndecodableRow

/** What a diagnosis looks at. */
export interface Looks {
  readonly database: Effect.Effect<DatabaseStanding, Trouble>
  readonly workers: Effect.Effect<ReadonlyArray<WorkerStanding>, Trouble>
  /** How the worker goes that is asked. */
  readonly condition: Effect.Effect<Standing>
  readonly backlog: Effect.Effect<Backlog, Trouble>
  /** Whether the database is the one inside this process. */
  readonly isEmbedded: boolean
}

const finding = (check: string, ok: boolean, detail: string, remedy: string): Finding =>
  ok ? { check, ok, detail } : { check, ok, detail, remedy }

/** The oldest PostgreSQL that is supported. */
const oldest = 150_000

const ofDurability = (isEmbedded: boolean, { fsync, synchronousCommit }: DatabaseStanding) =>
  isEmbedded
    ? finding("durability", true, "embedded: survives the death of the process, not a loss of power", "")
    : finding(
        "durability",
        fsync === "on" && synchronousCommit !== "off",
        `fsync is ${fsync}, synchronous_commit is ${synchronousCommit}`,
        "what is acknowledged may be lost with the machine: turn both on"
      )

const ofMigrations = ({ migration, packagedMigration }: DatabaseStanding) =>
  finding(
    "migrations",
    migration === packagedMigration,
    migration === packagedMigration
      ? `the last one is ${migration}`
      : `the last one is ${migration}, this version's is ${packagedMigration}`,
    migration === "none" || migration < packagedMigration
      ? "run perdure migrate"
      : "a newer version has migrated: start that one everywhere"
  )

const ofCondition = ({ listening, sweepLateMs, sweptMsAgo }: Standing) => [
  finding(
    "listener",
    listening !== "broken",
    { heard: "hints are heard", unheard: "a pooling proxy lets no hints through", broken: "no session for hints" }[
      listening
    ],
    "see that DATABASE_DIRECT_URL, or else DATABASE_URL, can be reached with one connection more"
  ),
  finding(
    "sweep",
    sweptMsAgo !== undefined && sweptMsAgo <= sweepLateMs,
    sweptMsAgo === undefined ? "has not ended yet" : `ended ${Math.round(sweptMsAgo)} ms ago`,
    "see the log for what fails or hangs; runs of the dead are not recovered meanwhile"
  )
]

const ofDatabase = (isEmbedded: boolean) => (database: DatabaseStanding) => [
  finding("database", database.versionNumber >= oldest, `PostgreSQL ${database.version}`, "use PostgreSQL 15 or newer"),
  ofMigrations(database),
  ofDurability(isEmbedded, database)
]

const ofWorkers = (workers: ReadonlyArray<WorkerStanding>) => {
  const living = workers.filter(({ alive }) => alive)
  const without = living.filter(({ hasSession }) => !hasSession)
  const holding = workers.filter(({ alive, runs }) => !alive && runs > 0)
  const served = new Set(living.flatMap(({ serves }) => serves))
  return [
    finding("workers", living.length > 0, `${living.length} are alive`, "start a worker: perdure worker"),
    finding("workflows", served.size > 0, `${served.size} are served`, "start a worker that has your workflows"),
    finding(
      "sessions",
      living.length === 1 || without.length === 0,
      `${without.length} of ${living.length} workers have no session of their own`,
      "give DATABASE_DIRECT_URL beside a pooling proxy: else a death is seen only when the lease has run out"
    ),
    finding(
      "recovery",
      holding.length === 0,
      `${holding.length} dead workers hold runs`,
      "runs are taken over by workers that have their workflow: see that one is alive and has room"
    )
  ]
}

/** From this many on, something falls behind. */
const crowd = 1_000

const ofBacklog = (backlog: Backlog) => [
  finding(
    "parked",
    backlog.parked === 0,
    `${backlog.parked} runs are parked`,
    "see perdure stuck, then perdure runs retry or cancel"
  ),
  finding(
    "backlog",
    backlog.ready + backlog.due < crowd && backlog.inputs + backlog.commands < crowd,
    `${backlog.ready} ready, ${backlog.due} due, ${backlog.inputs} inputs and ${backlog.commands} commands wait`,
    "start more workers, or give those there are more slots (PERDURE_SLOTS) and runs (PERDURE_MAX_RUNS)"
  )
]

const orTrouble = <A>(
  check: string,
  look: Effect.Effect<A, Trouble>,
  findings: (value: A) => ReadonlyArray<Finding>
): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.map(Effect.either(look), (result) =>
    Either.match(result, {
      onLeft: (error) => [
        finding(check, false, `can't be looked at (${error._tag})`, "see that the database is there and answers")
      ],
      onRight: findings
    })
  )

/** Looks at what an installation depends on, one after the other; what can't be looked at is a finding too. */
export const diagnosis = ({
  backlog,
  condition,
  database,
  isEmbedded,
  workers
}: Looks): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const dropped = (yield* Metric.value(auditDropped)).count
    const parts = [
      yield* orTrouble("database", database, ofDatabase(isEmbedded)),
      yield* orTrouble("workers", workers, ofWorkers),
      ofCondition(yield* condition),
      yield* orTrouble("backlog", backlog, ofBacklog)
    ]
    const audit = finding(
      "audit",
      dropped === 0,
      `${dropped} events were not recorded since this process started`,
      "runs are not touched by it; see that the table run_events can be written"
    )
    return [...parts.flat(), audit]
  })
