import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Incarnation, type RunId } from "../model/Ids.js"
import { RunStatus } from "../model/Status.js"
import type { RecordedEvent } from "../store/AuditLog.js"
import { type Backlog, Overview, type Watch, type Watched } from "../store/Overview.js"
import { int8Array, textArray } from "./Arrays.js"
import { run } from "./Execution.js"
import { load } from "./Migrations.js"
import { makeOverviewStatements } from "./OverviewStatements.js"
import { decodeAll, decodeEvent, decodeSummary, rowDecoder } from "./Rows.js"
import { defaultSchema, type SchemaName } from "./Statement.js"

const decodeAttribute = rowDecoder("run_attributes", Schema.Struct({ name: Schema.String, value: Schema.String }), [
  "name"
])

const decodeWorker = rowDecoder(
  "workers",
  Schema.Struct({
    incarnation: Incarnation,
    workerId: Schema.String,
    startedAt: Schema.DateFromNumber,
    heartbeatAt: Schema.DateFromNumber,
    alive: Schema.Boolean,
    hasSession: Schema.Boolean,
    room: Schema.Int,
    serves: Schema.Array(Schema.String),
    runs: Schema.Int
  }),
  ["incarnation"]
)

const decodeBacklog = rowDecoder(
  "run_state",
  Schema.Struct({
    ready: Schema.Int,
    due: Schema.Int,
    inputs: Schema.Int,
    commands: Schema.Int,
    parked: Schema.Int,
    orphaned: Schema.Int
  }),
  []
)

const decodeDatabase = rowDecoder(
  "schema_migrations",
  Schema.Struct({
    version: Schema.String,
    versionNumber: Schema.Int,
    fsync: Schema.String,
    synchronousCommit: Schema.String,
    migration: Schema.String
  }),
  []
)

const decodeLast = rowDecoder("run_events", Schema.Struct({ last: Schema.String }), [])

const decodeLogRow = rowDecoder(
  "run_events",
  Schema.Struct({ row: Schema.String, kind: Schema.NullOr(Schema.String) }),
  ["row"]
)

const decodeStatus = rowDecoder(
  "run_state",
  Schema.Struct({ watch: Schema.Int, status: RunStatus, reason: Schema.NullOr(Schema.String) }),
  ["watch"]
)

const decodePlace = rowDecoder("run_events", Schema.Struct({ watch: Schema.Int }), ["watch"])

const empty: Backlog = { ready: 0, due: 0, inputs: 0, commands: 0, parked: 0, orphaned: 0 }

const make = (schema: SchemaName, packagedMigration: string) => {
  const statements = makeOverviewStatements(schema)

  const recent = (after: bigint | undefined, limit: number) =>
    Effect.gen(function* () {
      const [end] = yield* decodeAll(decodeLast, yield* run(statements.last, []))
      const last = BigInt(end?.last ?? "0")
      if (after === undefined || after >= last) return { rows: [], last }
      const found = yield* run(statements.recent, [String(after), limit])
      const rows = new Map<bigint, Array<RecordedEvent>>()
      for (const raw of found) {
        const [place] = yield* decodeAll(decodeLogRow, [raw])
        const seq = BigInt(place?.row ?? "0")
        const events = rows.get(seq) ?? []
        rows.set(seq, events)
        if (place?.kind != null) events.push(...(yield* decodeAll(decodeEvent, [raw])))
      }
      return { rows: [...rows].map(([seq, events]) => ({ seq, events })), last }
    })

  const watched = (watches: ReadonlyArray<Watch>, limit: number) =>
    Effect.gen(function* () {
      if (watches.length === 0) return []
      const asked = [textArray(watches.map(({ runId }) => runId)), int8Array(watches.map(({ after }) => after))]
      const events = new Map<number, Array<RecordedEvent>>()
      for (const raw of yield* run(statements.watchedEvents, [...asked, limit])) {
        const [[place], [event]] = yield* Effect.all([decodeAll(decodePlace, [raw]), decodeAll(decodeEvent, [raw])])
        if (place === undefined || event === undefined) continue
        const of = events.get(place.watch) ?? []
        of.push(event)
        events.set(place.watch, of)
      }
      // After the events: a status that is seen has its events before it, but for those still on their way.
      const found = yield* decodeAll(decodeStatus, yield* run(statements.watchedStatus, [asked[0]]))
      return found.map(
        ({ watch, ...standing }): Watched => ({ watch: watch - 1, ...standing, events: events.get(watch) ?? [] })
      )
    })

  return Overview.of({
    recent,
    watched,
    attributes: (runId: RunId) =>
      Effect.gen(function* () {
        const rows = yield* decodeAll(decodeAttribute, yield* run(statements.attributes, [runId]))
        return Object.fromEntries(rows.map(({ name, value }) => [name, value]))
      }),
    workers: Effect.flatMap(run(statements.workers, []), (rows) => decodeAll(decodeWorker, rows)),
    troubled: (lateMs: number, limit: number) =>
      Effect.flatMap(run(statements.troubled, [lateMs, limit]), (rows) => decodeAll(decodeSummary, rows)),
    backlog: Effect.gen(function* () {
      const [backlog] = yield* decodeAll(decodeBacklog, yield* run(statements.backlog, []))
      return backlog ?? empty
    }),
    database: Effect.gen(function* () {
      const [database] = yield* decodeAll(decodeDatabase, yield* run(statements.database, []))
      if (database === undefined) return yield* Effect.dieMessage("the database says nothing of itself")
      return { ...database, packagedMigration }
    })
  })
}

/** What operators ask, in PostgreSQL. */
export const layer = (schema: SchemaName = defaultSchema): Layer.Layer<Overview> =>
  Layer.effect(
    Overview,
    Effect.map(load, (migrations) => make(schema, migrations.at(-1)?.name ?? "none"))
  )
