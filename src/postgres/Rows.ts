import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { DatabaseError, UndecodableRow } from "../model/Errors.js"
import { FiringRow } from "../model/Firing.js"
import { Frontier } from "../model/Frontier.js"
import { Incarnation, RunId } from "../model/Ids.js"
import { plainOf, unsettled } from "../model/Plain.js"
import { RunCommand, RunRow, TriggerInput } from "../model/Run.js"
import { RunStatus, TombstoneCause } from "../model/Status.js"
import type { RawRow } from "../store/Transactor.js"

/** Reads a row, or says why it can't be read. */
export type RowDecoder<A> = (row: RawRow) => Either.Either<A, UndecodableRow>

const reasonCharacters = 500

/** A decoder that is compiled once. `key` names the columns that tell which row it was. */
export const rowDecoder = <A, I>(
  table: string,
  schema: Schema.Schema<A, I>,
  key: ReadonlyArray<string>
): RowDecoder<A> => {
  const decode = Schema.decodeUnknownEither(schema)
  const plain = plainOf(schema)
  return (row) => {
    const read = plain === undefined ? unsettled : plain(row)
    // A plain schema's values are of its type.
    if (read !== unsettled) return Either.right(read as A)
    return Either.mapLeft(
      decode(row),
      (error) =>
        new UndecodableRow({
          table,
          key: key.map((column) => String(row[column])).join("/"),
          reason: ParseResult.ArrayFormatter.formatErrorSync(error)
            .map((issue) => `${issue.path.join(".")}: ${issue.message}`)
            .join("; ")
            .slice(0, reasonCharacters)
        })
    )
  }
}

/** Reads all rows; the first that can't be read fails. */
export const decodeAll = <A>(
  decode: RowDecoder<A>,
  rows: ReadonlyArray<RawRow>
): Effect.Effect<ReadonlyArray<A>, UndecodableRow> =>
  Effect.suspend(() => {
    const decoded: Array<A> = []
    for (const row of rows) {
      const result = decode(row)
      if (Either.isLeft(result)) return Effect.fail(result.left)
      decoded.push(result.right)
    }
    return Effect.succeed(decoded)
  })

/**
 * Reads rows whose shape the statement and the table's CHECKs guarantee.
 *
 * **Errors** `DatabaseError` with outcome `fatal`: the tables are not those of this version.
 */
export const decodeGuaranteed = <A>(
  operation: string,
  decode: RowDecoder<A>,
  rows: ReadonlyArray<RawRow>
): Effect.Effect<ReadonlyArray<A>, DatabaseError> =>
  Effect.mapError(
    decodeAll(decode, rows),
    (error) => new DatabaseError({ outcome: "fatal", operation, reason: error.message })
  )

/** One number in one row, as `select count(*)::int4 as count` gives it. */
export const countOf = (operation: string, rows: ReadonlyArray<RawRow>): Effect.Effect<number, DatabaseError> =>
  Effect.map(decodeGuaranteed(operation, countRow, rows), ([row]) => row?.count ?? 0)

const countRow = rowDecoder("count", Schema.Struct({ count: Schema.Int }), [])

/** Milliseconds since the epoch, as `extract(epoch …) * 1000` gives them. */
const Millis = Schema.DateFromNumber

export const decodeRunId = rowDecoder("run_state", Schema.Struct({ runId: RunId }), ["runId"])

/** The numbers of a run, by which a commit is checked. */
export const decodeMark = rowDecoder(
  "run_state",
  Schema.Struct({ runId: Schema.String, fence: Schema.Int, version: Schema.Int }),
  ["runId"]
)

/** A run just claimed, all but its frontier: that one is read by itself, so that the fence is known if it can't be read. */
export const decodeTaken = rowDecoder(
  "run_state",
  Schema.Struct({ runId: RunId, fence: Schema.Int, held: Schema.Boolean }),
  ["runId"]
)

export const decodeRun = rowDecoder("run_state", RunRow, ["runId"])

export const decodeFrontier = rowDecoder("run_state", Schema.Struct({ runId: Schema.String, frontier: Frontier }), [
  "runId"
])

export const decodeFiring = rowDecoder("run_node_state", Schema.Struct({ runId: Schema.String, ...FiringRow.fields }), [
  "runId",
  "nodeId",
  "firing"
])

const summary = {
  runId: RunId,
  workflow: Schema.String,
  workflowVersion: Schema.Int,
  status: RunStatus,
  reason: Schema.NullOr(Schema.String),
  version: Schema.Int,
  fence: Schema.Int,
  worker: Schema.NullOr(Incarnation),
  createdAt: Millis,
  endedAt: Schema.NullOr(Millis)
}

export const decodeSummary = rowDecoder("run_state", Schema.Struct(summary), ["runId"])

export const decodeView = rowDecoder(
  "run_state",
  Schema.Struct({
    ...summary,
    input: Schema.String,
    output: Schema.NullOr(Schema.String),
    failure: Schema.NullOr(Schema.String)
  }),
  ["runId"]
)

const resumability = {
  runId: Schema.String,
  status: RunStatus,
  leasedBy: Schema.NullOr(Incarnation),
  leaseAlive: Schema.Boolean,
  ready: Schema.Boolean,
  dueAt: Schema.NullOr(Millis),
  unappliedInputs: Schema.Int,
  unappliedCommands: Schema.Int
}

export const decodeResumability = rowDecoder("run_state", Schema.Struct(resumability), ["runId"])

export const decodeStanding = rowDecoder(
  "run_state",
  Schema.Struct({
    ...resumability,
    workflow: Schema.String,
    workflowVersion: Schema.Int,
    reason: Schema.NullOr(Schema.String),
    endedAt: Schema.NullOr(Millis),
    holderId: Schema.NullOr(Schema.String),
    leaseUntil: Schema.NullOr(Millis),
    holderGone: Schema.Boolean,
    isServed: Schema.Boolean,
    hasRoom: Schema.Boolean,
    servedAt: Schema.NullOr(Millis)
  }),
  ["runId"]
)

export const decodeMessage = rowDecoder(
  "run_inbox_messages",
  Schema.Struct({
    runId: RunId,
    nodeId: Schema.String,
    handle: Schema.String,
    producer: Schema.String,
    firing: Schema.Int,
    ordinal: Schema.Int,
    payload: Schema.NullOr(Schema.String),
    tombstone: Schema.NullOr(TombstoneCause),
    discarded: Schema.Boolean
  }),
  ["runId", "nodeId", "handle", "producer", "firing", "ordinal"]
)

export const decodePosition = rowDecoder(
  "run_inbox_messages",
  Schema.Struct({ producer: Schema.String, firing: Schema.Int, ordinal: Schema.Int }),
  ["producer"]
)

export const decodeInput = rowDecoder("trigger_inputs", TriggerInput, ["seq"])
export const decodeCommand = rowDecoder("run_commands", RunCommand, ["seq"])

export const decodeUnapplied = rowDecoder(
  "trigger_inputs",
  Schema.Struct({
    seq: Schema.String,
    runId: RunId,
    kind: Schema.Literal("input", "command"),
    worker: Schema.NullOr(Incarnation),
    runStatus: RunStatus
  }),
  ["kind", "seq"]
)

export const decodeDefinition = rowDecoder(
  "definitions",
  Schema.Struct({
    workflow: Schema.String,
    workflowVersion: Schema.Int,
    hash: Schema.String,
    graph: Schema.String
  }),
  ["workflow", "workflowVersion"]
)

export const decodeWorker = rowDecoder(
  "workers",
  Schema.Struct({
    incarnation: Incarnation,
    workerId: Schema.String,
    startedAt: Millis,
    heartbeatAt: Millis,
    alive: Schema.Boolean
  }),
  ["incarnation"]
)

export const decodeEvent = rowDecoder(
  "run_events",
  Schema.Struct({
    seq: Schema.String,
    runId: RunId,
    kind: Schema.String,
    nodeId: Schema.NullOr(Schema.String),
    firing: Schema.NullOr(Schema.Int),
    attempt: Schema.NullOr(Schema.Int),
    version: Schema.NullOr(Schema.Int),
    at: Schema.Number,
    detail: Schema.NullOr(Schema.String)
  }),
  ["seq"]
)
