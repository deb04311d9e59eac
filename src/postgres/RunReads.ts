import * as Effect from "effect/Effect"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { FiringRow } from "../model/Firing.js"
import type { Incarnation, RunId } from "../model/Ids.js"
import type { Resumability, RunFilter, RunStanding, RunSummary, RunView } from "../store/StateStore.js"
import type { RawRow, Statement, Transaction } from "../store/Transactor.js"
import { textArray } from "./Arrays.js"
import { run } from "./Execution.js"
import { firingColumns } from "./OpenFirings.js"

import { sessionGone } from "./PgWorkers.js"
import {
  decodeAll,
  decodeFiring,
  decodeResumability,
  decodeRunId,
  decodeStanding,
  decodeSummary,
  decodeView,
  type RowDecoder
} from "./Rows.js"
import { cancelling, millis, shownStatus, shows, summaryColumns } from "./RunColumns.js"
import { isSearch, searchOf } from "./RunSearch.js"
import { anyRow, qualifier, type SchemaName, statementsOf } from "./Statement.js"

type Read<A> = Effect.Effect<A, DatabaseError | UndecodableRow, Transaction>

const viewStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  const server = `${s}.workers w
    where ${s}.worker_alive(w) and r.workflow || '@' || r.workflow_version = any(w.serves)`
  const view = `
    select ${summaryColumns(s)}, v.input, v.output, v.failure
    from ${s}.run_state r join ${s}.run_values v on v.run_id = r.run_id
    where`
  return {
    find: statement("run.find", `${view} r.run_id = any($1::text[])`),
    ended: statement("run.ended", `${view} r.run_id = any($1::text[]) and r.ended_at is not null`),
    leasedTo: statement("run.leasedTo", `select run_id as "runId" from ${s}.run_state where worker = $1::uuid`),
    firings: statement(
      "run.firings",
      `
      with recursive nodes as (
        (select node_id from ${s}.run_node_state where run_id = $1 order by node_id limit 1)
        union all
        select (
          select n.node_id from ${s}.run_node_state n where n.run_id = $1 and n.node_id > p.node_id
          order by n.node_id limit 1
        )
        from nodes p where p.node_id is not null
      )
      select ${firingColumns("f")}
      from nodes cross join lateral (
        select * from ${s}.run_node_state n where n.run_id = $1 and n.node_id = nodes.node_id
        order by n.firing desc limit $2
      ) f
      where nodes.node_id is not null
      union all
      select ${firingColumns("f")} from ${s}.started_firings f where f.run_id = $1
      order by 2, 3`
    ),
    openFirings: statement(
      "run.openFirings",
      `
      select ${firingColumns("f")} from ${s}.firings f
      where f.run_id = $1 and f.status in ('scheduled', 'running', 'suspended') order by f.node_id, f.firing limit $2`
    ),
    resumability: statement(
      "run.resumability",
      `select ${resumabilityColumns(s)} from ${s}.run_state r where r.run_id = $1`
    ),
    standing: statement(
      "run.standing",
      `
      select
        ${resumabilityColumns(s)}, r.workflow, r.workflow_version as "workflowVersion", r.reason,
        ${millis("r.ended_at")} as "endedAt", h.worker_id as "holderId",
        ${millis("h.heartbeat_at + make_interval(secs => h.lease_ms / 1000.0)")} as "leaseUntil",
        coalesce(${sessionGone(s, "h")}, false) as "holderGone",
        ${anyRow(server)} as "isServed", ${anyRow(`${server} and w.room > 0`)} as "hasRoom",
        (
          select ${millis("d.served_at")} from ${s}.definitions d
          where d.workflow = r.workflow and d.workflow_version = r.workflow_version
        ) as "servedAt"
      from ${s}.run_state r left join ${s}.workers h on h.incarnation = r.worker
      where r.run_id = $1`
    )
  }
}

const resumabilityColumns = (s: string): string => `
  r.run_id as "runId", ${shownStatus(s)} as status, r.worker as "leasedBy",
  ${anyRow(`${s}.workers w where w.incarnation = r.worker and ${s}.worker_alive(w)`)} as "leaseAlive",
  r.ready, ${millis("r.due_at")} as "dueAt",
  (
    select count(*)::int4 from ${s}.trigger_inputs t where t.run_id = r.run_id and t.status in ('new', 'held')
  ) as "unappliedInputs",
  (
    select count(*)::int4 from ${s}.run_commands m where m.run_id = r.run_id and m.status in ('new', 'held')
  ) as "unappliedCommands"`

/**
 * One statement for each kind of filter, so that each has its index. A status may be rare or nearly all there is: these
 * statements are planned for the value asked for.
 */
const listStatements = (schema: SchemaName) => {
  const s = qualifier(schema)
  const list = (name: string, where: string, from = `${s}.run_state r`) =>
    statementsOf(schema)(
      `run.list.${name}`,
      `
      select ${summaryColumns(s)} from ${from}
      where (r.created_at, r.run_id) < (coalesce(to_timestamp($2::float8 / 1000.0), 'infinity'), coalesce($3::text, ''))${where}
      order by r.created_at desc, r.run_id desc limit $1`
    )
  return {
    planForValues: statementsOf(schema)("run.list.planForValues", "set local plan_cache_mode = force_custom_plan"),
    all: list("all", ""),
    workflow: list("workflow", " and r.workflow = $4"),
    status: list("status", ` and ${shows(s, "$4::text")}`),
    both: list("both", ` and r.workflow = $4 and ${shows(s, "$5::text")}`),
    cancelling: list("cancelling", ` and ${shownStatus(s)} = $4`, cancelling(s)),
    bothCancelling: list("bothCancelling", ` and r.workflow = $4 and ${shownStatus(s)} = $5`, cancelling(s))
  }
}

/** The verbs that only read. */
export const makeReads = (schema: SchemaName) => {
  const statements = viewStatements(schema)
  const lists = listStatements(schema)

  const readAll = <A>(decode: RowDecoder<A>, statement: Statement, parameters: ReadonlyArray<unknown>) =>
    Effect.flatMap(run(statement, parameters), (rows: ReadonlyArray<RawRow>) => decodeAll(decode, rows))

  const find = (runIds: ReadonlyArray<RunId>): Read<ReadonlyArray<RunView>> =>
    readAll(decodeView, statements.find, [textArray(runIds)])

  const get = (runId: RunId): Read<RunView | undefined> => Effect.map(find([runId]), ([view]) => view)

  const ended = (runIds: ReadonlyArray<RunId>): Read<ReadonlyArray<RunView>> =>
    runIds.length === 0 ? Effect.succeed([]) : readAll(decodeView, statements.ended, [textArray(runIds)])

  const leasedTo = (incarnation: Incarnation): Read<ReadonlyArray<RunId>> =>
    Effect.map(readAll(decodeRunId, statements.leasedTo, [incarnation]), (rows) => rows.map((row) => row.runId))

  const firingsBy =
    (statement: Statement) =>
    (runId: RunId, limit: number): Read<ReadonlyArray<FiringRow>> =>
      Effect.map(readAll(decodeFiring, statement, [runId, limit]), (rows) =>
        rows.map(({ runId: _, ...firing }) => firing)
      )

  const resumability = (runId: RunId): Read<Resumability | undefined> =>
    Effect.map(readAll(decodeResumability, statements.resumability, [runId]), ([row]) => row)

  const standing = (runId: RunId): Read<RunStanding | undefined> =>
    Effect.map(readAll(decodeStanding, statements.standing, [runId]), ([row]) => row)

  const list = (filter: RunFilter): Read<ReadonlyArray<RunSummary>> => {
    if (isSearch(filter)) {
      const { statement, values } = searchOf(schema, filter)
      return Effect.zipRight(run(lists.planForValues, []), readAll(decodeSummary, statement, values))
    }
    const after = filter.after
    const page = [filter.limit, after?.createdAt.getTime() ?? null, after?.runId ?? null]
    const { workflow, status } = filter
    const planned = (statement: Statement, ...values: ReadonlyArray<string>) =>
      Effect.zipRight(run(lists.planForValues, []), readAll(decodeSummary, statement, [...page, ...values]))
    const [one, both] = status === "cancelling" ? [lists.cancelling, lists.bothCancelling] : [lists.status, lists.both]
    if (status !== undefined) return workflow === undefined ? planned(one, status) : planned(both, workflow, status)
    return workflow === undefined ? readAll(decodeSummary, lists.all, page) : planned(lists.workflow, workflow)
  }

  return {
    find,
    get,
    ended,
    leasedTo,
    firings: firingsBy(statements.firings),
    openFirings: firingsBy(statements.openFirings),
    resumability,
    standing,
    list
  }
}
