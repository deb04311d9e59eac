import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DatabaseError } from "../model/Errors.js"
import { Parent } from "../model/Frontier.js"
import { RunId } from "../model/Ids.js"
import type { CancelledRun } from "../store/StateStore.js"
import type { Transaction } from "../store/Transactor.js"
import { textArray } from "./Arrays.js"
import { run, runCounted, runExactly } from "./Execution.js"
import { decodeGuaranteed, rowDecoder } from "./Rows.js"
import { isNew, qualifier, type SchemaName, statementsOf } from "./Statement.js"

const cancelStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    // What compensates has to be undone by whoever knows its workflow.
    lock: statement(
      "cancelUnheld.lock",
      `
      select r.run_id as "runId", r.fence + 1 as fence, r.version + 1 as version, r.frontier->'parent' as parent
      from ${s}.run_state r
      where r.run_id = any($1::text[]) and r.ended_at is null and not r.frontier ? 'undo'
        and not exists (select from ${s}.workers w where w.incarnation = r.worker and ${s}.worker_alive(w))
        and exists (
          select from ${s}.run_commands m where m.run_id = r.run_id and m.kind = 'cancel' and ${isNew("m")}
        )
      order by r.run_id
      for no key update skip locked`
    ),
    // Nothing is open any more, and so the frontier says, if it can still be read.
    runs: statement(
      "cancelUnheld.runs",
      `
      with written as (
        update ${s}.run_state r
        set status = 'cancelled', version = r.version + 1, fence = r.fence + 1, worker = null, ready = false,
          due_at = null, reason = null, updated_at = ${s}.clock(), ended_at = ${s}.clock(),
          frontier = case
            when jsonb_typeof(r.frontier -> 'nodes') = 'object' then jsonb_set(r.frontier, '{nodes}', coalesce((
              select jsonb_object_agg(
                n.key,
                case when n.value ? 'next' then n.value - 'started' || jsonb_build_object('low', n.value -> 'next')
                  else n.value end
              )
              from jsonb_each(r.frontier -> 'nodes') n
            ), '{}'))
            else r.frontier
          end
        where r.run_id = any($1::text[])
        returning 1
      )
      select count(*)::int4 as count from written`
    )
  }
}

/** Statements that end the firings of runs. */
const firingStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    // What is running here ran in a process that died: a worker that gives a run up takes its firings back first.
    firings: statement(
      "cancelUnheld.firings",
      `
      with written as (
        update ${s}.run_node_state n
        set status = 'cancelled', crashes = n.crashes + case when n.status = 'running' then 1 else 0 end, reason = null,
          not_before = null, written_in = r.version + 1, ended_at = ${s}.clock()
        from ${s}.run_state r
        where r.run_id = any($1::text[]) and n.run_id = r.run_id and n.status in ('scheduled', 'running', 'suspended')
        returning 1
      )
      select count(*)::int4 as count from written`
    ),
    rowless: statement(
      "cancelUnheld.rowless",
      `
      with written as (
        insert into ${s}.run_node_state (
          run_id, node_id, firing, status, attempt, crashes, inputs, opened_in, written_in, started_at, ended_at
        )
        select
          f.run_id, f.node_id, f.firing, 'cancelled', f.attempt, 1, f.inputs, f.opened_in, f.written_in + 1, f.started_at,
          ${s}.clock()
        from ${s}.started_firings f where f.run_id = any($1::text[])
        returning 1
      )
      select count(*)::int4 as count from written`
    )
  }
}

const decodeLocked = rowDecoder(
  "run_state",
  Schema.Struct({ runId: RunId, fence: Schema.Int, version: Schema.Int, parent: Schema.NullOr(Parent) }),
  ["runId"]
)

/** The verb `cancelUnheld`. */
export const makeCancelUnheld = (schema: SchemaName) => {
  const statements = { ...cancelStatements(schema), ...firingStatements(schema) }
  return (runIds: ReadonlyArray<RunId>): Effect.Effect<ReadonlyArray<CancelledRun>, DatabaseError, Transaction> =>
    Effect.gen(function* () {
      if (runIds.length === 0) return []
      const rows = yield* run(statements.lock, [textArray(runIds)])
      const locked = yield* decodeGuaranteed("cancelUnheld", decodeLocked, rows)
      if (locked.length === 0) return []
      const taken = [textArray(locked.map((one) => one.runId))]
      yield* runCounted(statements.firings, taken)
      yield* runCounted(statements.rowless, taken)
      yield* runExactly(statements.runs, locked.length, taken)
      return locked
    })
}
