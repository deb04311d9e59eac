import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { DatabaseError } from "../model/Errors.js"
import { FiringRow } from "../model/Firing.js"
import type { RunId } from "../model/Ids.js"
import { type RunCommit, RunRow, type RunStart } from "../model/Run.js"
import type { FailedRun } from "../store/StateStore.js"
import { type Transaction, type Writes, writeAll } from "../store/Transactor.js"
import { float8Array, int4Array, textArray } from "./Arrays.js"
import { run, runExactly, write } from "./Execution.js"
import { makeHold } from "./Leases.js"
import { anyFirings, firingColumns, makeOpenFirings } from "./OpenFirings.js"
import { decodeGuaranteed, decodeRunId, rowDecoder } from "./Rows.js"
import { anyRow, isNew, qualifier, type SchemaName, statementsOf } from "./Statement.js"

type Write<A> = Effect.Effect<A, DatabaseError, Transaction>

/** Whether somebody has asked for a run to go on, and nobody has answered. */
const isAsked = (s: string): string =>
  anyRow(`${s}.run_commands m where m.run_id = r.run_id and m.kind = 'retry' and ${isNew("m")}`)

const retryStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    lock: statement(
      "retry.lock",
      `
      select
        r.run_id as "runId", r.workflow, r.workflow_version as "workflowVersion", r.status, r.version, r.fence, r.worker,
        r.priority, r.reason, r.frontier, (extract(epoch from r.ended_at) * 1000)::float8 as "endedAt"
      from ${s}.run_state r
      where r.run_id = any($1::text[]) and r.status = 'failed' and ${isAsked(s)}
      order by r.run_id
      for no key update skip locked`
    ),
    firings: statement(
      "retry.firings",
      `
      select ${firingColumns("n")}
      from unnest($1::text[], $2::int4[]) c(run_id, version)
      join ${s}.run_node_state n on n.run_id = c.run_id and n.written_in >= c.version
      where n.status in ('failed', 'cancelled')
      order by n.run_id, n.node_id, n.firing`
    ),
    reopen: statement(
      "retry.reopen",
      `
      with written as (
        update ${s}.run_state r
        set status = 'pending', version = c.version, fence = c.fence, ready = true, reason = null,
          frontier = c.frontier::jsonb, updated_at = ${s}.clock(), ended_at = null
        from unnest($1::text[], $2::int4[], $3::int4[], $4::text[]) c(run_id, fence, version, frontier)
        where r.run_id = c.run_id
        returning 1
      )
      select count(*)::int4 as count from written`
    ),
    refuse: statement(
      "retry.refuse",
      `
      update ${s}.run_commands m set status = 'refused', settled_at = ${s}.clock()
      where m.run_id = any($1::text[]) and m.kind = 'retry' and ${isNew("m")}`
    ),
    // Events, signals and ends of children that nobody took before the run failed; what is of no use dies again.
    revive: statement(
      "retry.revive",
      `
      update ${s}.trigger_inputs t set status = 'new', settled_at = null
      where t.run_id = any($1::text[]) and t.status = 'dead'
        and not exists (select from ${s}.run_steps u where u.run_id = t.run_id and u.input_seq = t.seq)`
    ),
    forget: statement("retry.forget", `update ${s}.run_values set failure = null where run_id = any($1::text[])`)
  }
}

const runIds = (commits: ReadonlyArray<RunCommit>) => [textArray(commits.map(({ runId }) => runId))]

const decodeFailed = rowDecoder("run_state", Schema.Struct({ ...RunRow.fields, endedAt: Schema.Number }), ["runId"])

const decodeEnded = rowDecoder("run_node_state", Schema.Struct({ runId: Schema.String, ...FiringRow.fields }), [
  "runId",
  "nodeId",
  "firing"
])

/** The verbs `failedToRetry` and `reopen`. */
export const makeRetry = (schema: SchemaName) => {
  const statements = retryStatements(schema)

  const failedToRetry = (runIds: ReadonlyArray<RunId>): Write<ReadonlyArray<FailedRun>> =>
    Effect.gen(function* () {
      const rows = (yield* run(statements.lock, [textArray(runIds)])).map((row) => ({ row, read: decodeFailed(row) }))
      const runs = Arr.getRights(rows.map(({ read }) => read))
      if (rows.length === 0) return []
      const ended = yield* run(statements.firings, [
        textArray(runs.map(({ runId }) => runId)),
        // A run that has wound down before it failed has ended firings since then.
        int4Array(runs.map(({ frontier, version }) => frontier.undo?.over?.since ?? version))
      ])
      const damaged = new Set([
        ...rows.flatMap(({ read, row }) => (Either.isLeft(read) ? [String(row["runId"])] : [])),
        ...ended.flatMap((row) => (Either.isLeft(decodeEnded(row)) ? [String(row["runId"])] : []))
      ])
      // A run that can't be read can't be tried again, and keeps nobody else from it.
      if (damaged.size > 0) yield* run(statements.refuse, [textArray([...damaged])])
      const firings = Arr.getRights(ended.map(decodeEnded))
      return runs
        .filter(({ runId }) => !damaged.has(runId))
        .map(({ endedAt, ...row }) => ({
          row,
          endedAt,
          firings: firings.flatMap(({ runId, ...firing }) => (runId === row.runId ? [firing] : []))
        }))
    })

  const reopen = (commits: ReadonlyArray<RunCommit>): Write<void> =>
    Effect.zipRight(
      runExactly(statements.reopen, commits.length, [
        textArray(commits.map(({ runId }) => runId)),
        int4Array(commits.map(({ fence }) => fence)),
        int4Array(commits.map(({ version }) => version)),
        textArray(commits.map(({ frontier }) => JSON.stringify(frontier)))
      ]),
      writeAll([write(statements.forget, runIds(commits)), write(statements.revive, runIds(commits))])
    )

  return { failedToRetry, reopen }
}

const unparkStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  const ran = "(n.status <> 'scheduled' or n.attempt > 1 or n.crashes > 0)"
  return {
    // A cancel that was applied before still holds. Where nothing ever ran, the run is as it was started.
    unpark: statement(
      "retry.unpark",
      `
      with found as (
        select r.run_id from ${s}.run_state r
        where r.run_id = any($1::text[]) and r.status = 'parked' and ${isAsked(s)}
        order by r.run_id
        for no key update skip locked
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
    ),
    firings: statement(
      "retry.unparkFirings",
      `
      update ${s}.run_node_state n
      set crashes = 0 where n.run_id = any($1::text[]) and n.status in ('scheduled', 'suspended')`
    ),
    answer: statement(
      "retry.answer",
      `
      update ${s}.run_commands m set status = 'applied', settled_at = ${s}.clock()
      where m.run_id = any($1::text[]) and m.kind = 'retry' and ${isNew("m")}`
    )
  }
}

/** The verb `unpark`. */
export const makeUnpark = (schema: SchemaName) => {
  const statements = unparkStatements(schema)
  const { unhold } = makeHold(schema)
  const open = makeOpenFirings(schema)
  return (runIds: ReadonlyArray<RunId>): Write<ReadonlyArray<RunId>> =>
    Effect.gen(function* () {
      const rows = yield* run(statements.unpark, [textArray(runIds)])
      const unparked = (yield* decodeGuaranteed("unpark", decodeRunId, rows)).map(({ runId }) => runId)
      if (unparked.length === 0) return []
      const parameters = [textArray(unparked)]
      // Whoever parked a run may have left firings of it behind as running.
      yield* open.stop("interrupted", unparked.map(anyFirings))
      yield* run(statements.firings, parameters)
      yield* run(statements.answer, parameters)
      yield* unhold(unparked)
      return unparked
    })
}

/** The verb `postpone`. */
export const makePostpone = (schema: SchemaName) => {
  const s = qualifier(schema)
  const statement = statementsOf(schema)(
    "start.postpone",
    `
    update ${s}.run_state r set due_at = to_timestamp(c.due_at / 1000.0)
    from unnest($1::text[], $2::float8[]) c(run_id, due_at)
    where r.run_id = c.run_id and r.worker is null and r.ended_at is null`
  )
  return (starts: ReadonlyArray<RunStart>): Writes => {
    const late = starts.filter(({ dueAt }) => dueAt !== null)
    if (late.length === 0) return []
    return [
      write(statement, [textArray(late.map(({ first }) => first.runId)), float8Array(late.map(({ dueAt }) => dueAt))])
    ]
  }
}
