import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DatabaseError } from "../model/Errors.js"
import { type DefinitionKey, RunId } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import type { Transaction } from "../store/Transactor.js"
import { textArray } from "./Arrays.js"
import { deadHolders, definitionArrays } from "./Claims.js"
import { run, runExactly } from "./Execution.js"
import { makeHold, parkText, placesOf } from "./Leases.js"
import { makeOpenFirings } from "./OpenFirings.js"
import { decodeGuaranteed, decodeRunId, rowDecoder } from "./Rows.js"
import { anyRow, qualifier, type SchemaName, statementsOf } from "./Statement.js"

type Write<A> = Effect.Effect<A, DatabaseError, Transaction>

/** Definitions that no live worker has served for so many milliseconds, the first parameter. */
const silent = (s: string): string => `
  silent as (
    select workflow, workflow_version from ${s}.definitions
    where served_at < ${s}.clock() - make_interval(secs => $1 / 1000.0)
  )`

const ofDefinition = "r.workflow = d.workflow and r.workflow_version = d.workflow_version"

const findStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    find: statement(
      "unknown.find",
      `
      with recursive ${silent(s)}, ${deadHolders(s)}
      (
        select f.run_id as "runId" from silent d cross join lateral (
          select r.run_id from ${s}.run_state r where ${ofDefinition} and r.worker is null and r.ready limit $2
        ) f limit $2
      ) union (
        select f.run_id from silent d cross join lateral (
          select r.run_id from ${s}.run_state r
          where ${ofDefinition} and r.worker is null and r.due_at <= ${s}.clock() limit $2
        ) f limit $2
      ) union (
        select f.run_id from dead cross join lateral (
          select r.run_id from ${s}.run_state r
          where r.worker = dead.worker and r.status <> 'paused'
            and exists (select from silent d where ${ofDefinition})
          limit $2
        ) f limit $2
      )
      limit $2`
    ),
    // The window of inputs that is looked at wanders, so that inputs of other runs can't stand in the way for ever.
    findByInput: statement(
      "unknown.findByInput",
      `
      with ${silent(s)},
      seen as (
        select t.seq, t.run_id from ${s}.trigger_inputs t
        where t.status = 'new' and t.seq > $3::int8 order by t.seq limit $2
      )
      select seen.seq::text as seq, seen.run_id as "runId", r.run_id is not null as found
      from seen left join (
        ${s}.run_state r join silent d on ${ofDefinition}
      ) on r.run_id = seen.run_id and r.status <> 'paused'
      order by seen.seq`
    )
  }
}

const parkStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    lock: statement(
      "unknown.lock",
      `
      with ${silent(s)}
      select r.run_id as "runId", r.worker is not null as "takenOver", r.frontier, r.workflow,
        r.workflow_version as "workflowVersion"
      from ${s}.run_state r
      where r.run_id = any($2::text[]) and r.ended_at is null and r.status not in ('parked', 'paused')
        and not exists (select from ${s}.workers w where w.incarnation = r.worker and ${s}.worker_alive(w))
        and exists (select from silent d where ${ofDefinition})
      order by r.run_id
      for no key update skip locked`
    ),
    // A new fence: a worker that was taken for dead and goes on finds that it is not the holder any more.
    park: statement(
      "unknown.park",
      `
      with written as (
        update ${s}.run_state r
        set status = 'parked', reason = c.reason, fence = r.fence + 1, worker = null, ready = false, due_at = null,
          updated_at = ${s}.clock()
        from unnest($1::text[], $2::text[]) c(run_id, reason)
        where r.run_id = c.run_id
        returning 1
      )
      select count(*)::int4 as count from written`
    )
  }
}

const decodeSeen = rowDecoder(
  "trigger_inputs",
  Schema.Struct({ seq: Schema.String, runId: RunId, found: Schema.Boolean }),
  ["seq"]
)

const decodeLocked = rowDecoder(
  "run_state",
  Schema.Struct({
    runId: RunId,
    takenOver: Schema.Boolean,
    frontier: Schema.Unknown,
    workflow: Schema.String,
    workflowVersion: Schema.Int
  }),
  ["runId"]
)

const start = "0"

/** The verb `parkUnknown`. */
export const makeParkUnknown = (schema: SchemaName) => {
  const statements = { ...findStatements(schema), ...parkStatements(schema) }
  const open = makeOpenFirings(schema)
  const { hold } = makeHold(schema)
  let cursor = start

  const findByInput = (silentMs: number) =>
    Effect.gen(function* () {
      const rows = yield* run(statements.findByInput, [silentMs, Limits.lookBatch, cursor])
      const seen = yield* decodeGuaranteed("parkUnknown", decodeSeen, rows)
      cursor = seen.length < Limits.lookBatch ? start : (seen[seen.length - 1]?.seq ?? start)
      return seen.filter((row) => row.found).map((row) => row.runId)
    })

  return (silentMs: number, limit: number): Write<ReadonlyArray<RunId>> =>
    Effect.gen(function* () {
      const rows = yield* run(statements.find, [silentMs, limit])
      const found = (yield* decodeGuaranteed("parkUnknown", decodeRunId, rows)).map((row) => row.runId)
      const candidates = [...new Set([...found, ...(yield* findByInput(silentMs))])].slice(0, limit)
      if (candidates.length === 0) return []
      const locked = yield* decodeGuaranteed(
        "parkUnknown",
        decodeLocked,
        yield* run(statements.lock, [silentMs, textArray(candidates)])
      )
      if (locked.length === 0) return []
      const runIds = locked.map((row) => row.runId)
      const places = locked.flatMap((row) => (row.takenOver ? placesOf(row.runId, row.frontier) : []))
      if (places.length > 0) yield* open.stop("crashed", places)
      const reasons = locked.map((row) =>
        parkText("UnknownWorkflow", `no live worker serves ${row.workflow} version ${row.workflowVersion}`)
      )
      yield* runExactly(statements.park, locked.length, [textArray(runIds), textArray(reasons)])
      yield* hold(runIds)
      return runIds
    })
}

const unparkStatement = (schema: SchemaName) => {
  const s = qualifier(schema)
  const ran = "(n.status <> 'scheduled' or n.attempt > 1 or n.crashes > 0)"
  // A cancel that was applied before still holds. Where nothing ever ran, the run is as it was started.
  return statementsOf(schema)(
    "unknown.unpark",
    `
    with found as (
      select f.run_id from unnest($2::text[], $3::int4[]) d(workflow, workflow_version)
      cross join lateral (
        select r.run_id from ${s}.run_state r
        where r.status = 'parked' and r.workflow = d.workflow and r.workflow_version = d.workflow_version
          and r.reason like 'UnknownWorkflow:%'
        order by r.created_at limit $1
        for no key update skip locked
      ) f
      limit $1
    )
    update ${s}.run_state r
    set ready = true, reason = null, updated_at = ${s}.clock(),
      status = case
        when ${anyRow(`${s}.run_commands m where m.run_id = r.run_id and m.kind = 'cancel' and m.status = 'applied'`)}
        then 'cancelling'
        when ${anyRow(`${s}.firings n where n.run_id = r.run_id and ${ran}`)} then 'recovering'
        else 'pending'
      end
    from found f
    where r.run_id = f.run_id
    returning r.run_id as "runId"`
  )
}

/** The verb `unparkKnown`. */
export const makeUnparkKnown = (schema: SchemaName) => {
  const statement = unparkStatement(schema)
  const { unhold } = makeHold(schema)
  return (definitions: ReadonlyArray<DefinitionKey>, limit: number): Write<ReadonlyArray<RunId>> =>
    Effect.gen(function* () {
      if (definitions.length === 0) return []
      const rows = yield* run(statement, [limit, ...definitionArrays(definitions)])
      const runIds = (yield* decodeGuaranteed("unparkKnown", decodeRunId, rows)).map((row) => row.runId)
      yield* unhold(runIds)
      return runIds
    })
}
