import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { DatabaseError } from "../model/Errors.js"
import type { DefinitionKey, RunId } from "../model/Ids.js"
import type { TriggerDelivery } from "../model/Run.js"
import { isEnded, RunStatus } from "../model/Status.js"
import type { Transaction } from "../store/Transactor.js"
import type { DeliverOutcome } from "../store/TriggerStore.js"
import { columnsOf, textColumn } from "./Arrays.js"
import { forEachChunk } from "./Chunks.js"
import { run } from "./Execution.js"
import { decodeGuaranteed, rowDecoder } from "./Rows.js"
import { qualifier, type SchemaName, statementsOf } from "./Statement.js"

const deliverStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    // The order of the batch is the order of arrival: identity values are drawn after the sort.
    insert: statement(
      "deliver.insert",
      `
      insert into ${s}.trigger_inputs (run_id, node_id, input_id, signal, payload)
      select c.run_id, c.node_id, c.input_id, c.signal, c.payload
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) with ordinality
        c(run_id, node_id, input_id, signal, payload, workflow, place)
      join ${s}.run_state r on r.run_id = c.run_id and r.ended_at is null
        and (c.workflow is null or r.workflow = c.workflow)
      order by c.place
      on conflict do nothing
      returning run_id as "runId", node_id as "nodeId", input_id as "inputId",
        (select r.workflow from ${s}.run_state r where r.run_id = trigger_inputs.run_id) as workflow`
    ),
    // Text only, for a caller's own client may parse other types in its own way.
    classify: statement(
      "deliver.classify",
      `
      select
        c.place::text as place, r.status,
        case when t.seq is null then 'no' else 'yes' end as there
      from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality
        c(run_id, node_id, input_id, workflow, place)
      join ${s}.run_state r on r.run_id = c.run_id and (c.workflow is null or r.workflow = c.workflow)
      left join ${s}.trigger_inputs t
        on t.run_id = c.run_id and t.node_id = c.node_id and t.input_id = c.input_id`
    ),
    addressee: statement(
      "deliver.addressee",
      `select workflow, workflow_version::text as "workflowVersion" from ${s}.run_state where run_id = $1`
    )
  }
}

const decodeAddressee = rowDecoder(
  "run_state",
  Schema.Struct({ workflow: Schema.String, workflowVersion: Schema.NumberFromString }),
  ["workflow"]
)

const Inserted = Schema.Struct({
  runId: Schema.String,
  nodeId: Schema.String,
  inputId: Schema.String,
  workflow: Schema.String
})

const decodeInserted = rowDecoder("trigger_inputs", Inserted, ["runId", "nodeId", "inputId"])

const decodeClass = rowDecoder(
  "trigger_inputs",
  Schema.Struct({ place: Schema.NumberFromString, status: RunStatus, there: Schema.Literal("yes", "no") }),
  ["place"]
)

const keyOf = (input: { readonly runId: string; readonly nodeId: string; readonly inputId: string }): string =>
  JSON.stringify([input.runId, input.nodeId, input.inputId])

const inserted = columnsOf<TriggerDelivery>(
  textColumn((input) => input.runId),
  textColumn((input) => input.nodeId),
  textColumn((input) => input.inputId),
  textColumn((input) => input.signal ?? null),
  textColumn((input) => input.payload),
  textColumn((input) => input.workflow ?? null)
)

const classified = columnsOf<TriggerDelivery>(
  textColumn((input) => input.runId),
  textColumn((input) => input.nodeId),
  textColumn((input) => input.inputId),
  textColumn((input) => input.workflow ?? null)
)

const payloadLength = (input: TriggerDelivery): number => input.payload.length

const delivered = (): DeliverOutcome => ({ _tag: "Delivered" })

/** Each key was inserted once: the first of the batch that bears it, and means this workflow's run, is the one. */
const missingFrom = (
  inputs: ReadonlyArray<TriggerDelivery>,
  rows: ReadonlyArray<typeof Inserted.Type>
): ReadonlyArray<TriggerDelivery> => {
  const workflows = new Map<string, string>()
  for (const row of rows) workflows.set(keyOf(row), row.workflow)
  const missing: Array<TriggerDelivery> = []
  for (const input of inputs) {
    const key = keyOf(input)
    const workflow = workflows.get(key)
    if (workflow === undefined || (input.workflow ?? workflow) !== workflow) missing.push(input)
    else workflows.delete(key)
  }
  return missing
}

/** The verb `deliver`. */
export const makeDeliver = (schema: SchemaName) => {
  const statements = deliverStatements(schema)

  const classify = (
    inputs: ReadonlyArray<TriggerDelivery>
  ): Effect.Effect<ReadonlyArray<DeliverOutcome>, DatabaseError, Transaction> =>
    Effect.gen(function* () {
      const rows = yield* run(statements.classify, classified(inputs))
      const found = new Map((yield* decodeGuaranteed("deliver", decodeClass, rows)).map((row) => [row.place, row]))
      return yield* Effect.forEach(inputs, (input, index): Effect.Effect<DeliverOutcome, DatabaseError> => {
        const row = found.get(index + 1)
        if (row === undefined) return Effect.succeed({ _tag: "RunNotFound" })
        if (row.there === "yes") return Effect.succeed({ _tag: "Duplicate" })
        return isEnded(row.status)
          ? Effect.succeed({ _tag: "RunEnded", status: row.status })
          : Effect.fail(appeared(input.runId))
      })
    })

  const insert = (inputs: ReadonlyArray<TriggerDelivery>) => run(statements.insert, inserted(inputs))

  return (
    inputs: ReadonlyArray<TriggerDelivery>
  ): Effect.Effect<ReadonlyArray<DeliverOutcome>, DatabaseError, Transaction> =>
    Effect.gen(function* () {
      if (inputs.length === 0) return []
      const rows = (yield* forEachChunk(inputs, payloadLength, insert)).flat()
      const others = missingFrom(inputs, yield* decodeGuaranteed("deliver", decodeInserted, rows))
      if (others.length === 0) return inputs.map(delivered)
      const classes = yield* classify(others)
      const outcomes = new Map(others.map((input, index) => [input, classes[index]]))
      return inputs.map((input): DeliverOutcome => outcomes.get(input) ?? delivered())
    })
}

/** The verb `addressee`: text only, too. */
export const makeAddressee = (schema: SchemaName) => {
  const { addressee } = deliverStatements(schema)
  return (runId: RunId): Effect.Effect<DefinitionKey | undefined, DatabaseError, Transaction> =>
    Effect.map(
      Effect.flatMap(run(addressee, [runId]), (rows) => decodeGuaranteed("addressee", decodeAddressee, rows)),
      ([found]) => found
    )
}

/** Between the two statements the run was started, or reopened: deliver again. */
const appeared = (runId: string): DatabaseError =>
  new DatabaseError({ outcome: "retryable", operation: "deliver", reason: `run ${runId} appeared meanwhile` })
