import * as Schema from "effect/Schema"
import { RunStatus } from "../model/Status.js"
import { summary } from "./Shapes.js"

const maybe = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/** Processes that execute runs, the youngest first. */
export const Workers = Schema.Struct({
  workers: Schema.Array(
    Schema.Struct({
      incarnation: Schema.String,
      workerId: Schema.String,
      startedAt: Schema.Date,
      heartbeatAt: Schema.Date,
      alive: Schema.Boolean,
      hasSession: Schema.Boolean,
      room: Schema.Int,
      serves: Schema.Array(Schema.String),
      runs: Schema.Int
    })
  )
})

const place = { nodeId: Schema.String, firing: Schema.Int }
const holder = { worker: Schema.String, workerId: Schema.NullOr(Schema.String), here: Schema.Boolean }
const reason = { reason: Schema.NullOr(Schema.String) }

/** Why a run is not moving. */
export const Explanation = Schema.Union(
  Schema.TaggedStruct("Ended", { status: RunStatus, endedAt: Schema.NullOr(Schema.Date) }),
  Schema.TaggedStruct("Parked", reason),
  Schema.TaggedStruct("Paused", {}),
  Schema.TaggedStruct("AtWork", { firings: Schema.Array(Schema.Struct(place)), ...holder }),
  Schema.TaggedStruct("WaitsForSlot", {
    why: maybe(Schema.Literal("slots", "alone", "heartbeat", "memory")),
    ...holder
  }),
  Schema.TaggedStruct("HolderDead", { until: Schema.Date, ...holder }),
  Schema.TaggedStruct("NotServed", {
    workflow: Schema.String,
    workflowVersion: Schema.Int,
    servedAt: Schema.NullOr(Schema.Date)
  }),
  Schema.TaggedStruct("NoRoom", {}),
  Schema.TaggedStruct("TakenUpSoon", { inputs: Schema.Int, commands: Schema.Int }),
  Schema.TaggedStruct("WaitsToStart", { dueAt: Schema.Date }),
  Schema.TaggedStruct("WaitsForTrigger", { ...reason, ...place }),
  Schema.TaggedStruct("WaitsForTime", { dueAt: Schema.Date, ...reason, ...place })
)

export const Explained = Schema.Struct({ runId: Schema.String, explanation: Explanation })

/** Runs that need a look: parked, or left alone though they could go on. */
export const Troubled = Schema.Struct({
  runs: Schema.Array(Schema.Struct({ ...summary, explanation: Explanation }))
})

/** What an installation depends on, and what to do where it is not as it should be. */
export const Diagnosis = Schema.Struct({
  ok: Schema.Boolean,
  findings: Schema.Array(
    Schema.Struct({ check: Schema.String, ok: Schema.Boolean, detail: Schema.String, remedy: maybe(Schema.String) })
  )
})
